"""How much memory a photo's job needs, from what its header says. Pure."""

from regions.image_limits import AVIF, BMP, GIF, HEIC, JPEG, PNG, TIFF, WEBP

_BASE_BYTES = 256 << 20
"""A worker that has imported everything, with the raw and the variants of a large photo."""

# The most that a decoder keeps: all coefficients of a progressive JPEG, all pixels of an interlaced 16-bit PNG, and the
# frames of the video codecs inside HEIC and AVIF, which they keep next to the picture.
_BYTES_PER_PIXEL = {JPEG: 6, PNG: 8, WEBP: 6, HEIC: 20, AVIF: 16, GIF: 8, TIFF: 8, BMP: 12}


def estimate_bytes(content_type: str, width: int, height: int) -> int:
    """The limit that a worker should have for this photo; the sides are in pixels."""
    return _BASE_BYTES + width * height * _BYTES_PER_PIXEL[content_type]
