"""The master: the one upright picture in sRGB from which all variants are made."""

from dataclasses import dataclass

import pyvips

from processing.formats.facts import InvalidImage
from processing.imaging import backdrop, colour, decoders, vips
from processing.imaging.header import Header
from processing.imaging.vips import Image
from regions.image_limits import JPEG, MAX_VARIANT_RATIO, VARIANT_SIZES

# A JPEG decoder may shrink, by leaving out frequencies, to no less than this many times the master's width. Measured
# at 1080 px after encoding, against a full decode and Lanczos: SSIM falls by 0.0005 at 1.85 times (a phone's 12 MP),
# by 0.0003 at 2, by 0.0008 at 1.5; and 12 MP take about a sixth less time. `bench/photos.py` publishes both.
_DECODED_TO_MASTER = 1.8


@dataclass(frozen=True, slots=True)
class Master:
    """`pixels` are opaque, upright and in sRGB; `width` and `height` are those of the upright raw."""

    pixels: Image
    width: int
    height: int


def decode(header: Header) -> Master:
    """Reads every pixel once, from top to bottom, and keeps only the master. Raises InvalidImage.

    The order saves memory and time: the picture is shrunk while it streams by, and only the few pixels that are left
    change their colours and are turned upright. The result is the same as turning first, which would need the whole raw
    in memory.
    """
    with vips.errors_as_invalid_image():
        return _decode(header)


def fit(width: int, height: int, size: int) -> tuple[int, int]:
    """The size in pixels of the variant `size` of a picture; it is never enlarged, and no side is less than a pixel."""
    scale = min(1.0, size / width, MAX_VARIANT_RATIO * size / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _decode(header: Header) -> Master:
    width, height = (header.height, header.width) if header.is_sideways else (header.width, header.height)
    width_px, height_px = fit(header.width, header.height, max(VARIANT_SIZES))
    if header.is_sideways:
        width_px, height_px = height_px, width_px
    with decoders.strict(header):
        image = decoders.decode(header, _least_scale(header))
        if header.content_type != JPEG and (image.width, image.height) != (width, height):
            raise _other_size()
        small = vips.resize(image, width_px, height_px).copy_memory()
    return Master(
        _turned(_opaque(colour.to_srgb(small, header.colour)), header.orientation), header.width, header.height
    )


def _least_scale(header: Header) -> float:
    """How small the decoder of a JPEG may make it. A thin picture must not lose the few rows that it has."""
    width_px, height_px = fit(header.width, header.height, max(VARIANT_SIZES))
    return max(width_px / header.width, height_px / header.height) * _DECODED_TO_MASTER


def _other_size() -> InvalidImage:
    return InvalidImage("damaged", "the size of the picture is not the one in its header; upload another copy of it")


def _opaque(image: Image) -> Image:
    if not image.hasalpha():
        return image
    return image.flatten(background=list(backdrop.choose(vips.to_array(image))))


def _turned(image: Image, orientation: int) -> Image:
    image = image.copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return image.autorot().copy_memory()
