"""The master: the one upright picture in sRGB from which all variants are made."""

from dataclasses import dataclass

import numpy as np
from PIL.Image import Image, Transpose, fromarray

from processing.formats.facts import InvalidImage
from processing.imaging import backdrop, colour, decoders, turbo, vips
from processing.imaging.header import Header
from processing.imaging.scaling import fit
from regions.image_limits import JPEG, VARIANT_SIZES

_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""What turns a picture upright, by its EXIF orientation."""


@dataclass(frozen=True, slots=True)
class Master:
    """`picture` is opaque, upright and in sRGB (mode RGB); `width` and `height` are those of the upright raw."""

    picture: Image
    width: int
    height: int


def decode(header: Header) -> Master:
    """Reads every pixel once, and keeps only the master. Raises InvalidImage.

    The order saves memory and time: the picture is scaled first, and only the few pixels that are left change their
    colours and are turned upright.
    """
    width_px, height_px = fit(header.width, header.height, max(VARIANT_SIZES))
    shape = (height_px, width_px) if header.is_sideways else (width_px, height_px)
    picture = turbo.decode(header, shape) if header.content_type == JPEG else None
    if picture is None:
        picture = _decode_by_libvips(header, shape)
    elif header.colour is not None:
        picture = _picture(colour.to_srgb(vips.from_array(np.asarray(picture)), header.colour))
    turn = _TURNS.get(header.orientation)
    return Master(picture.transpose(turn) if turn is not None else picture, header.width, header.height)


def _decode_by_libvips(header: Header, shape: tuple[int, int]) -> Image:
    """The pixels stream through libvips, from top to bottom, so that no raw is in memory as a whole."""
    with vips.errors_as_invalid_image():
        with decoders.strict(header):
            image = decoders.decode(header)
            stored = (header.height, header.width) if header.is_sideways else (header.width, header.height)
            if (image.width, image.height) != stored:
                raise InvalidImage(
                    "damaged", "the size of the picture is not the one in its header; upload another copy of it"
                )
            small = vips.resize(image, *shape).copy_memory()
        return _picture(colour.to_srgb(small, header.colour))


def _picture(image: vips.Image) -> Image:
    if image.hasalpha():
        image = image.flatten(background=list(backdrop.choose(vips.to_array(image))))
    return fromarray(vips.to_array(image))
