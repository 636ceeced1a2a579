"""How a photo is recognised again: by its exact bytes (SHA-256), and by what it looks like (perceptual hash)."""

import hashlib

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

PERCEPTUAL_BITS = 64


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def perceptual_hash(grey: NDArray[np.uint8]) -> str:
    """16 hex digits: whether each of the lowest frequencies of a 32 × 32 grey picture is above or below their median.

    imagehash's `phash` (Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010).
    Hashes of one picture, scaled or compressed again, differ in a few bits; those of unrelated pictures in about half.
    """
    return str(imagehash.phash(Image.fromarray(grey)))
