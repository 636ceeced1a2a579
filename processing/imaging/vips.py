"""libvips, set up for hostile files: only loaders that its authors call safe, no cache, one thread for each picture."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

from processing.formats.facts import damaged

log = logging.getLogger(__name__)

Image = Any
"""A `pyvips.Image`: pyvips has no type hints."""

pyvips.block_untrusted_set(True)
pyvips.cache_set_max(0)
pyvips.vips_lib.vips_concurrency_set(1)


@contextmanager
def errors_as_invalid_image() -> Iterator[None]:
    """What libvips says goes to the log: its messages name files and functions, and help nobody who uploads photos."""
    try:
        yield
    except pyvips.Error as error:
        message = " ".join(f"{error.message} {error.detail}".split())
        log.info("libvips rejected a file", extra={"error": message})
        raise damaged() from error


def forget_messages() -> None:
    pyvips.vips_lib.vips_error_clear()


def messages() -> str:
    """What libvips and its decoders have reported since then, even if nothing failed. It is kept once for the process.

    The libraries of HEIF look behind the end of a file; what they report of that does not count.
    """
    buffer = pyvips.ffi.string(pyvips.vips_lib.vips_error_buffer()).decode("utf-8", "replace")
    return "\n".join(line for line in buffer.splitlines() if not line.startswith("source: bad seek"))


def from_array(pixels: NDArray[Any]) -> Image:
    """An image of height × width × bands, 8 or 16 bits; of 1 or 2 bands it is grey, of 3 or 4 it is RGB."""
    is_grey, is_deep = pixels.ndim == 2 or pixels.shape[2] < 3, pixels.dtype == np.uint16
    interpretation = ("grey16" if is_deep else "b-w") if is_grey else ("rgb16" if is_deep else "srgb")
    return pyvips.Image.new_from_array(np.ascontiguousarray(pixels), interpretation=interpretation)


def to_array(image: Image) -> NDArray[Any]:
    """Height × width × bands, also for one band."""
    pixels: NDArray[Any] = image.numpy()
    return pixels.reshape(image.height, image.width, image.bands)


def resize(image: Image, width_px: int, height_px: int) -> Image:
    """With Lanczos. Transparent pixels count as much as they are seen, so that hidden colours don't shine through."""
    if (image.width, image.height) == (width_px, height_px):
        return image
    if not image.hasalpha():
        return _resize(image, width_px, height_px)
    most = 65535 if image.format == "ushort" else 255
    premultiplied = image.premultiply(max_alpha=most)
    return _resize(premultiplied, width_px, height_px).unpremultiply(max_alpha=most).cast(image.format)


# Box-shrink first only while at least this factor is left for Lanczos. With libvips' default of 2, the smallest
# variant is 7 dB worse, and no time is gained.
_GAP = 3.0


def _resize(image: Image, width_px: int, height_px: int) -> Image:
    return image.resize(width_px / image.width, vscale=height_px / image.height, kernel="lanczos3", gap=_GAP)
