"""By what a photo is known again: its bytes exactly, and its looks roughly."""

import hashlib

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

PERCEPTUAL_BITS = 64


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def perceptual_hash(grey: NDArray[np.uint8]) -> str:
    """The lower frequencies of a 32 × 32 grey picture, each above or below their median: 16 hex digits.

    imagehash's `phash` (Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010).
    Pictures that were scaled or compressed again differ in a few bits, others in about half.
    """
    return str(imagehash.phash(Image.fromarray(grey)))
