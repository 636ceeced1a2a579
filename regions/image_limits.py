"""Which images Darkroom accepts, how large they may be, and in which sizes it serves them. Pure."""

JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"
HEIC, HEIF, AVIF = "image/heic", "image/heif", "image/avif"
GIF, TIFF, BMP = "image/gif", "image/tiff", "image/bmp"

CONTENT_TYPES = (JPEG, PNG, WEBP, HEIC, HEIF, AVIF, GIF, TIFF, BMP)
"""The content types that a client may upload."""

MAX_RAW_BYTES = 100 * 1024 * 1024
"""The largest raw file that an upload may have, and that the processor reads."""

MAX_PIXELS = 220_000_000
"""The most pixels of a raw that the processor decodes, if its topology says nothing else. Phones make 200 million."""

MAX_SIDE_PX = 65_535
"""The greatest width or height of a raw that the processor decodes: the most that a JPEG can have."""

VARIANT_SIZES = (150, 320, 640, 1080)
"""The largest width in pixels of each variant; photos are never enlarged to reach it."""

MAX_VARIANT_RATIO = 4
"""A variant is at most this many times as high as its size: a screenshot of a chat may be 30,000 pixels high."""
