"""What is made from a master: the JPEGs that people see, and the pixels from which a photo is recognised."""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from processing.imaging.master import Master
from processing.imaging.scaling import fit, scaled
from regions.image_limits import VARIANT_SIZES

GREY_SIDE_PX = 64
"""The side of the square grey picture that fingerprints are made from: the input size of imagehash's DCT."""

_QUALITY = 85

Pictures = Mapping[int, Image]
"""A picture for each of `VARIANT_SIZES`; several sizes of a small photo share one."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """One JPEG. `width` and `height` are its own, in pixels."""

    size: int
    width: int
    height: int
    data: bytes


def scale(master: Master) -> Pictures:
    """Each picture is made from the next larger one. Their SSIMULACRA2 is that of pictures made from the master."""
    pictures, picture = {}, master.picture
    for size in sorted(VARIANT_SIZES, reverse=True):
        shape = fit(*master.picture.size, size)
        if picture.size != shape:
            picture = scaled(picture, shape)
        pictures[size] = picture
    return pictures


def render(pictures: Pictures) -> list[Rendering]:
    """One rendering per size, the smallest first."""
    by_shape = {picture.size: picture for picture in pictures.values()}
    jpegs = {shape: _jpeg(picture) for shape, picture in by_shape.items()}
    return [Rendering(size, *pictures[size].size, jpegs[pictures[size].size]) for size in VARIANT_SIZES]


def grey(pictures: Pictures) -> NDArray[np.uint8]:
    """The picture squeezed into a square of `GREY_SIDE_PX` × `GREY_SIDE_PX` grey levels, whatever its shape."""
    return np.asarray(scaled(pictures[min(pictures)], (GREY_SIDE_PX, GREY_SIDE_PX)).convert("L"))


def _jpeg(picture: Image) -> bytes:
    """By Pillow: simplejpeg encodes below quality 96 by the fast DCT, which loses 0.3 points of SSIMULACRA2."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_QUALITY, optimize=True, subsampling="4:2:0")
    return file.getvalue()
