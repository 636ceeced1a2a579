"""What stands behind a picture with transparency: white, unless its edges would vanish on it. Pure."""

import numpy as np
from numpy.typing import NDArray

Rgb = tuple[int, int, int]

BACKDROPS: tuple[Rgb, ...] = ((255, 255, 255), (34, 34, 34), (128, 128, 128))
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
# What is closer to a backdrop than this, in levels of 256, vanishes on it.
_NEAR = 56
_MOST_VANISHING = 0.15
_OPAQUE, _TRANSPARENT = 128, 64


def choose(pixels: NDArray[np.uint8]) -> Rgb:
    """`pixels` are height × width × 4. What counts is what borders on transparency: the outline of a logo's letters."""
    alpha = pixels[:, :, 3]
    outline = (alpha >= _OPAQUE) & _widened(_widened(alpha < _TRANSPARENT))
    levels = pixels[:, :, :3][outline].astype(np.float32) @ _LUMA
    if not levels.size:
        return BACKDROPS[0]
    vanishing = [float(np.mean(np.abs(levels - backdrop[0]) < _NEAR)) for backdrop in BACKDROPS]
    if vanishing[0] <= _MOST_VANISHING:
        return BACKDROPS[0]
    return BACKDROPS[int(np.argmin(vanishing))]


def _widened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """By one pixel on each side."""
    wide = mask.copy()
    wide[1:] |= mask[:-1]
    wide[:-1] |= mask[1:]
    wide[:, 1:] |= wide[:, :-1].copy()
    wide[:, :-1] |= wide[:, 1:].copy()
    return wide
