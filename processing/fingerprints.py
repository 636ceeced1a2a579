"""How a photo is recognised again: by its exact bytes (SHA-256), and by what it looks like (perceptual hash).

`docs/moderation.md` has the measurements behind the constants.
"""

import hashlib

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

PERCEPTUAL_BITS = 256
MIN_DETAIL = 128
"""A picture with less detail has no perceptual hash: its bits would come from noise, and be those of many others."""

_SIDE = 16
_GREY_SIDES = 4
"""How many times as wide as the square of frequencies the grey picture is: 64 pixels."""
_FIRM_LEVELS = 4.0
"""Noise of this many grey levels in each pixel moves a frequency by as much."""

# Rows of frequencies, columns of pixels: the type 2 cosine transform, scaled so that it keeps the strength of noise.
_FREQUENCIES = np.cos(
    np.pi * np.arange(_SIDE)[:, None] * (2 * np.arange(_SIDE * _GREY_SIDES) + 1) / (2 * _SIDE * _GREY_SIDES)
) / np.sqrt(_SIDE * _GREY_SIDES / 2)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def perceptual_hash(grey: NDArray[np.uint8]) -> str | None:
    """64 hex digits: whether each of the 16 × 16 lowest frequencies of a 64 × 64 grey picture is above their median.

    imagehash's `phash` in the size of Facebook's PDQ. Hashes of one picture, scaled or compressed again, differ in a
    few bits; those of unrelated pictures in 127, give or take 8. None if the picture has too little detail.
    """
    if detail(grey) < MIN_DETAIL:
        return None
    return str(imagehash.phash(Image.fromarray(grey), hash_size=_SIDE, highfreq_factor=_GREY_SIDES))


def detail(grey: NDArray[np.uint8]) -> int:
    """How many bits of the hash are the picture's own, 0 to 256: noise of 4 grey levels would rarely turn them.

    0 or 1 for one colour; at most 16 for whatever changes in one direction only, such as a horizon, of which PDQ's
    measure of quality (the sum of all steps between neighbours) thinks highly.
    """
    frequencies = _FREQUENCIES @ grey.astype(np.float64) @ _FREQUENCIES.T
    return int((np.abs(frequencies - np.median(frequencies)) >= _FIRM_LEVELS).sum())
