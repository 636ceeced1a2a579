"""A decoder for each type of file, and for each type only that one, so that a file can't choose its own.

All of them give the picture as it is stored, of 8 or 16 bits, and raise `InvalidImage` for a picture that is not whole.
"""

import io
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pillow_heif
import pyvips
from PIL import BmpImagePlugin, GifImagePlugin, ImageFile

from processing.formats.facts import damaged, truncated, unsupported
from processing.imaging import turbo, vips
from processing.imaging.header import Header
from processing.imaging.vips import Image
from regions.image_limits import AVIF, BMP, GIF, HEIC, JPEG, PNG, TIFF, WEBP

log = logging.getLogger(__name__)

_STRICT = {"access": "sequential", "fail_on": "error"}
_TIFF_FORMATS = ("uchar", "ushort", "float")
_PILLOW_ERRORS = (ValueError, OSError, RuntimeError, EOFError, SyntaxError, OverflowError, LookupError)


def decode(header: Header) -> Image:
    """libvips decodes pixels when they are read: do that within `strict`."""
    return _DECODERS[header.content_type](header.stream)


@contextmanager
def strict(header: Header) -> Iterator[None]:
    """Pixels are read in here. Raises InvalidImage if some of them are missing or wrong.

    libvips paints a tile black that it can't read, and for a warning of libjpeg it fails only before it reads further
    rows. Of the last rows of a JPEG, and of a tile, nothing but a message is left.
    """
    vips.forget_messages()
    try:
        yield
    except pyvips.Error as error:
        if header.content_type == JPEG:
            raise turbo.missing_pixels(f"{error.message} {error.detail}") from error
        raise
    if message := vips.messages():
        log.info("a decoder reported missing or wrong pixels", extra={"error": " ".join(message.split())})
        raise turbo.missing_pixels(message) if header.content_type == JPEG else damaged()


def _jpeg(data: bytes) -> Image:
    """For what `turbo` leaves: inks (CMYK), odd sampling, very slim pictures."""
    return pyvips.Image.jpegload_buffer(data, access="sequential", fail_on="warning")


def _png(data: bytes) -> Image:
    return pyvips.Image.pngload_buffer(data, **_STRICT)


def _webp(data: bytes) -> Image:
    return pyvips.Image.webpload_buffer(data, **_STRICT)


def _gif(data: bytes) -> Image:
    """libvips does not say when the data of a picture end before its rows do; Pillow does."""
    try:
        with GifImagePlugin.GifImageFile(io.BytesIO(data)) as image:
            image.load()
    except _PILLOW_ERRORS as error:
        raise (truncated() if "truncated" in str(error) else damaged()) from error
    return pyvips.Image.gifload_buffer(data, **_STRICT)


def _tiff(data: bytes) -> Image:
    """Painting programs keep masks and further inks as bands; one behind the colours may be transparency."""
    image = pyvips.Image.tiffload_buffer(data, **_STRICT)
    if image.format not in _TIFF_FORMATS and image.interpretation != "labs":
        raise unsupported("a TIFF of signed numbers, or of whole numbers of 32 bits")
    if image.format == "float" and image.bands < 3:
        return _grey_light(image)
    colours = 4 if image.interpretation == "cmyk" else 3
    return image.extract_band(0, n=colours) if image.bands > colours + 1 else image


def _grey_light(image: Image) -> Image:
    """libvips takes floats of three colours for linear light. Of one it makes no picture, so it gets three."""
    grey = image.extract_band(0)
    more = [image.extract_band(1)] if image.bands > 1 else []
    return grey.bandjoin([grey, grey, *more]).copy(interpretation="scrgb")


def _avif(data: bytes) -> Image:
    return pyvips.Image.heifload_buffer(data, **_STRICT)


def _heic(data: bytes) -> Image:
    """Phones compress HEIC with HEVC. For its patents the libvips wheels have no decoder of that; pillow-heif has."""
    try:
        decoded = pillow_heif.open_heif(data, convert_hdr_to_8bit=False)
        image = vips.from_array(np.asarray(decoded))
        # 10 or 12 bits stand in the upper part of 16. The lower must repeat them, or full light is not full.
        return image if image.format == "uchar" else image | image >> decoded.info["bit_depth"]
    except _PILLOW_ERRORS as error:
        raise damaged() from error


def _bmp(data: bytes) -> Image:
    """libvips' wheels can't read it."""
    try:
        with BmpImagePlugin.BmpImageFile(io.BytesIO(data)) as image:
            has_alpha = image.mode == "RGBA"
            return vips.from_array(np.asarray(image.convert("RGBA" if has_alpha else "RGB")))
    except _PILLOW_ERRORS as error:
        raise damaged() from error


_DECODERS: Mapping[str, Callable[[bytes], Image]] = {
    JPEG: _jpeg,
    PNG: _png,
    WEBP: _webp,
    GIF: _gif,
    TIFF: _tiff,
    AVIF: _avif,
    HEIC: _heic,
    BMP: _bmp,
}
assert not ImageFile.LOAD_TRUNCATED_IMAGES
