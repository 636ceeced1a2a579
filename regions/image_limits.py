"""Which images Darkroom accepts, how large they may be, and in which sizes it serves them. Pure."""

CONTENT_TYPES = ("image/jpeg", "image/png", "image/webp", "image/heic", "image/heif", "image/avif")
"""The content types that a client may upload."""

MAX_RAW_BYTES = 100 * 1024 * 1024
"""The largest raw file that is accepted, and that the processor reads."""

VARIANT_SIZES = (150, 320, 640, 1080)
"""The largest width in pixels of each variant; photos are never enlarged to reach it."""

VARIANT_CONTENT_TYPE = "image/jpeg"
"""The content type of every variant."""
