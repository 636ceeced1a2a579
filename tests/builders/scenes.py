"""What the test pictures show, as arrays of height × width × 3: no two quarters alike, so that a wrong turn is seen."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

PATCHES = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (128, 128, 128), (190, 117, 72))
"""The colours of `patches`, from left to right."""

# How a file stores an upright picture for each EXIF orientation: the inverse of what a viewer does.
_STORED: Mapping[int, Callable[[NDArray[np.generic]], NDArray[np.generic]]] = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels, -1),
}


def gradient(width: int, height: int) -> Pixels:
    """Red grows to the right, green downwards, and blue towards the upper left."""
    across = np.linspace(0, 255, width, dtype=np.float32)[None, :].repeat(height, 0)
    down = np.linspace(0, 255, height, dtype=np.float32)[:, None].repeat(width, 1)
    return np.stack([across, down, 255 - (across + down) / 2], axis=2).astype(np.uint8)


def patches(side: int = 32, colours: tuple[tuple[int, ...], ...] = PATCHES) -> Pixels:
    """Squares side by side, so that a colour can be read far from any edge."""
    return np.array(colours, np.uint8)[None].repeat(side, 0).repeat(side, 1)


def middles(pixels: NDArray[np.generic], count: int = len(PATCHES)) -> NDArray[np.generic]:
    """The colours in the middle of `count` squares side by side."""
    side = pixels.shape[1] / count
    return np.stack([pixels[pixels.shape[0] // 2, int((number + 0.5) * side)] for number in range(count)])


def noise(width: int, height: int, seed: int = 5) -> Pixels:
    """What compresses badly: each part of its file stands for pixels."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def stored(upright: NDArray[np.generic], orientation: int) -> NDArray[np.generic]:
    """The pixels as a file with this EXIF orientation has them."""
    return np.ascontiguousarray(_STORED[orientation](upright))


def image(pixels: NDArray[np.generic], mode: str = "RGB") -> Image.Image:
    return Image.fromarray(np.asarray(pixels, np.uint8)).convert(mode)
