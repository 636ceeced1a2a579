"""The grants that the edge remembers, by image, and the refusals of the last second by place (negative caching)."""

from collections.abc import Callable

from cachetools import LRUCache

from edge.freshness import REFUSAL_TTL_S
from edge.grants import Grant, Key
from regions.errors import Problem

_MAX_ENTRIES = 200_000


class GrantCache:
    """When it is full, the least recently used entry is forgotten, and the next request for it asks the upstream again.

    Needs no lock. Greenlets switch only when one waits, and no method here waits: LRUCache is plain Python over
    dictionaries, without I/O and without locks. So each method is atomic to other greenlets.
    """

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._grants: LRUCache[Key, Grant] = LRUCache(_MAX_ENTRIES)
        self._refused: LRUCache[tuple[Key, str], tuple[float, Problem]] = LRUCache(_MAX_ENTRIES)

    def get(self, key: Key) -> Grant | None:
        return self._grants.get(key)

    def put(self, key: Key, grant: Grant) -> None:
        self._grants[key] = grant

    def forget(self, key: Key) -> None:
        self._grants.pop(key, None)

    def put_refusal(self, key: Key, place: str, problem: Problem) -> None:
        """Remembered for REFUSAL_TTL_S only: the photo may be ready soon."""
        self._refused[key, place] = (self._clock_s() + REFUSAL_TTL_S, problem)

    def refusal(self, key: Key, place: str) -> Problem | None:
        until_s, problem = self._refused.get((key, place)) or (0.0, None)
        return problem if self._clock_s() < until_s else None
