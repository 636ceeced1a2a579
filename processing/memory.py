"""How much memory a photo's job needs, from what its header says. Pure."""

from regions.image_limits import AVIF, BMP, GIF, HEIC, JPEG, PNG, TIFF, WEBP

_BASE_BYTES = 256 << 20
"""A worker that has imported everything, with the raw and the variants of a large photo."""

# The most of each type that was measured, at 24 and 48 megapixels, and rounded up: a progressive JPEG (3.7), an
# interlaced 16-bit PNG (13), WebP (8.5), HEIC and AVIF of 10 bits (9.9 and 20), GIF (6.1), TIFF (6.4 with 8 bits), BMP
# (14).
_BYTES_PER_PIXEL = {JPEG: 4, PNG: 14, WEBP: 9, HEIC: 11, AVIF: 21, GIF: 7, TIFF: 13, BMP: 15}


def estimate_bytes(content_type: str, width: int, height: int) -> int:
    """The limit that a worker should have for this photo; the sides are in pixels."""
    return _BASE_BYTES + width * height * _BYTES_PER_PIXEL[content_type]
