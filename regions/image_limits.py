"""Which images Darkroom accepts, how large they may be, and in which sizes it serves them. Pure."""

JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"
HEIC, HEIF, AVIF = "image/heic", "image/heif", "image/avif"

CONTENT_TYPES = (JPEG, PNG, WEBP, HEIC, HEIF, AVIF)
"""The content types that a client may upload."""

MAX_RAW_BYTES = 100 * 1024 * 1024
"""The largest raw file that an upload may have, and that the processor reads."""

MAX_PIXELS = 120_000_000
"""The most pixels of a raw that the processor decodes."""

MAX_SIDE_PX = 30_000
"""The greatest width or height of a raw that the processor decodes."""

VARIANT_SIZES = (150, 320, 640, 1080)
"""The largest width in pixels of each variant; photos are never enlarged to reach it."""
