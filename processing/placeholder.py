"""What is shown in a photo's place until it has loaded: a blurred picture in about 25 bytes, as a ThumbHash.

The format is https://evanw.github.io/thumbhash/, for which browsers have decoders: the lowest frequencies of brightness
and of two colours, a few bits each. Pictures here are opaque, so the format's alpha is left out. Of the Python
packages that write it, thumbhash-python allows no Pillow above 10 and takes 50 ms a photo; this takes less than one.
"""

import base64
import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_Plane = NDArray[np.float64]

_MAX_SIDE_PX = 32
"""The picture is averaged down to this before; the finest frequency has 6 half waves a side."""
_SAMPLES = 4
"""Of this many rows and columns, at least, each of the averages is made."""
_ROUNDING = 1e-6
"""The waves of one colour, which would be 0 if computers calculated exactly, are smaller."""
_TERMS = 7
_COLOUR_TERMS = 3


def thumbhash(pixels: NDArray[np.uint8]) -> str:
    """Base64, at most 36 characters. `pixels` are sRGB, H × W × 3, of any size above 0."""
    height, width = pixels.shape[:2]
    longer = max(width, height)
    terms_x, terms_y = (max(1, _round(_TERMS * side / longer)) for side in (width, height))
    red, green, blue = np.moveaxis(_shrunk(pixels), 2, 0)
    light, light_factors, light_scale = _encoded((red + green + blue) / 3, max(3, terms_x), max(3, terms_y))
    yellow, yellow_factors, yellow_scale = _encoded((red + green) / 2 - blue, _COLOUR_TERMS, _COLOUR_TERMS)
    reddish, reddish_factors, reddish_scale = _encoded(red - green, _COLOUR_TERMS, _COLOUR_TERMS)
    landscape = width > height
    header = _packed(
        (_round(63 * light), 6),
        (_round(31.5 + 31.5 * yellow), 6),
        (_round(31.5 + 31.5 * reddish), 6),
        (_round(31 * light_scale), 5),
        (0, 1),  # no alpha
        (terms_y if landscape else terms_x, 3),
        (_round(63 * yellow_scale), 6),
        (_round(63 * reddish_scale), 6),
        (landscape, 1),
    )
    factors = [_round(15 * factor) for factor in (*light_factors, *yellow_factors, *reddish_factors)]
    return base64.b64encode(header + _packed(*((factor, 4) for factor in factors))).decode()


def _encoded(plane: _Plane, terms_x: int, terms_y: int) -> tuple[float, Iterable[float], float]:
    """The mean; the other frequencies below the diagonal, 0 to 1 in the order of the format; and their scale."""
    height, width = plane.shape
    waves = _cosines(terms_y, height) @ plane @ _cosines(terms_x, width).T / (height * width)
    kept = [waves[y, x] for y in range(terms_y) for x in range(terms_x) if x * terms_y < terms_x * (terms_y - y)]
    mean, *others = map(float, kept)
    scale = max(map(abs, others))
    return mean, [0.5 + 0.5 * other / scale if scale > _ROUNDING else 0.0 for other in others], scale


def _cosines(terms: int, length: int) -> _Plane:
    return np.cos(np.pi / length * np.arange(terms)[:, None] * (np.arange(length) + 0.5))


def _shrunk(pixels: NDArray[np.uint8]) -> _Plane:
    """At most `_MAX_SIDE_PX` a side, from 0 to 1. Of a large picture, some pixels of each block are enough: 0.5 ms."""
    height, width = pixels.shape[:2]
    step_y, step_x = (max(1, side // (_MAX_SIDE_PX * _SAMPLES)) for side in (height, width))
    sampled = Image.fromarray(np.ascontiguousarray(pixels[::step_y, ::step_x]))
    longer = max(height, width, _MAX_SIDE_PX)
    size = tuple(max(1, round(side * _MAX_SIDE_PX / longer)) for side in (width, height))
    return np.asarray(sampled.resize(size, Image.Resampling.BOX), np.float64) / 255


def _packed(*fields: tuple[int, int]) -> bytes:
    """Each field is a value and how many bits it has; the first one is lowest."""
    packed, bits = 0, 0
    for value, size in fields:
        packed |= value << bits
        bits += size
    return packed.to_bytes((bits + 7) // 8, "little")


def _round(value: float) -> int:
    """Half up, as JavaScript does."""
    return math.floor(value + 0.5)
