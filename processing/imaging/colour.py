"""Any picture to sRGB, by what its file says of its colour."""

import numpy as np
import pyvips

from processing.formats import icc
from processing.formats.facts import Calibrated, Cicp, Colour, Icc
from processing.imaging import light, vips
from processing.imaging.vips import Image

_PROFILE = "icc-profile-data"


def to_srgb(image: Image, colour: Colour) -> Image:
    """Three bands of 8 bits, and a fourth if the image has transparency."""
    if isinstance(colour, Icc):
        cicp = icc.cicp(colour.profile)
        colour = cicp if cicp is not None and cicp.transfer in (light.PQ, light.HLG) else colour
    if isinstance(colour, Icc):
        return _by_profile(image, colour.profile)
    plain = image.copy()
    plain.remove(_PROFILE)
    if (
        colour is None
        or plain.interpretation not in _DEVICE_RGB
        or plain.format not in _WHOLE_NUMBERS
        or (isinstance(colour, Cicp) and light.is_srgb(colour))
    ):
        return plain.colourspace("srgb")
    return _by_light(plain, colour)


_DEVICE_RGB = ("srgb", "rgb", "rgb16", "b-w", "grey16")
_WHOLE_NUMBERS = ("uchar", "ushort")
"""A curve is a table of all levels. A TIFF may also have 32 bits, of which a table would fill the memory."""


def _by_profile(image: Image, profile: bytes) -> Image:
    """A profile that can't be used, such as one for another number of colours, is as good as none."""
    image = image.copy()
    image.set_type(pyvips.GValue.blob_type, _PROFILE, profile)
    try:
        ways = {"embedded": True, "intent": "relative", "black_point_compensation": True, "depth": 8}
        return image.icc_transform("srgb", **ways).copy_memory()
    except pyvips.Error:
        image.remove(_PROFILE)
        return image.colourspace("srgb")


def _by_light(image: Image, colour: Cicp | Calibrated) -> Image:
    pixels = vips.to_array(image)
    colours, alpha = (pixels[:, :, :-1], pixels[:, :, -1:]) if image.hasalpha() else (pixels, None)
    srgb = light.to_srgb(np.broadcast_to(colours, (*colours.shape[:2], 3)), colour)
    if alpha is None:
        return vips.from_array(srgb)
    small = (alpha >> 8).astype(np.uint8) if alpha.dtype == np.uint16 else alpha
    return vips.from_array(np.concatenate([srgb, small], axis=2))
