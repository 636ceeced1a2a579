"""What everyone who makes variants can do here."""

from collections.abc import Mapping
from typing import Protocol

from bench.photo_job.photos import DrawnPhoto

Variants = Mapping[int, bytes]
"""A JPEG for each of `VARIANT_SIZES`."""

QUALITY = 85
"""At which peers compress, as we do."""


class Contender(Protocol):
    def variants(self, photo: DrawnPhoto) -> Variants: ...

    def core_s(self, photo: DrawnPhoto) -> float:
        """The processor time, over all threads, of making them."""
        ...
