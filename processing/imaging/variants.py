"""What is made from a master: the JPEGs that people see, and the pixels from which a photo is recognised."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processing.imaging import vips
from processing.imaging.master import Master, fit
from regions.image_limits import VARIANT_SIZES

GREY_SIDE_PX = 64
"""The side of the square grey picture that fingerprints are made from: the input size of imagehash's DCT."""

_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Rendering:
    """One JPEG. `width` and `height` are its own, in pixels."""

    size: int
    width: int
    height: int
    data: bytes


def render(master: Master) -> list[Rendering]:
    """One rendering per size. None is enlarged, so several sizes of a small photo share one JPEG."""
    shapes = {size: fit(master.pixels.width, master.pixels.height, size) for size in VARIANT_SIZES}
    jpegs: dict[tuple[int, int], bytes] = {
        shape: vips.resize(master.pixels, *shape).jpegsave_buffer(Q=_QUALITY, optimize_coding=True, keep="none")
        for shape in set(shapes.values())
    }
    return [Rendering(size, *shape, jpegs[shape]) for size, shape in shapes.items()]


def grey(master: Master) -> NDArray[np.uint8]:
    """The picture squeezed into a square of `GREY_SIDE_PX` × `GREY_SIDE_PX` grey levels, whatever its shape."""
    pixels = vips.resize(master.pixels, GREY_SIDE_PX, GREY_SIDE_PX).colourspace("b-w")
    return vips.to_array(pixels).reshape(GREY_SIDE_PX, GREY_SIDE_PX)
