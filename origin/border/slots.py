"""How many requests of one region an origin process answers at once: it must not occupy the threads of all others."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from regions.errors import Unavailable

AT_ONCE = 6
"""Of the 16 threads of a process."""
DELETIONS_AT_ONCE = 2
"""Beside those, so that a deletion waits behind no copy."""


class RegionSlots:
    """`of(region)` is for the time of one request. Raises Unavailable at once if the region has all of its slots."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._taken: dict[str, int] = {}
        self._lock = threading.Lock()

    @contextmanager
    def of(self, region: str) -> Iterator[None]:
        with self._lock:
            if self._taken.get(region, 0) >= self._at_once:
                raise Unavailable(f"{region} has {self._at_once} requests here already")
            self._taken[region] = self._taken.get(region, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[region] -= 1
