"""What to drop when a tier is full: S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", 2023).

Pure: keys and sizes, no bytes. A new key enters a small queue. If it is requested again there, it moves to the main
queue. If not (most photos are seen once), it leaves soon. A key that left the small queue stays for a while in the
ghost queue, which contains keys only. When it is admitted again in that time, it enters the main queue at once.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")

_SMALL_SHARE = 0.1
_MAX_HITS = 3


class Eviction(Generic[Key]):
    """Keeps the sum of sizes within `budget_bytes`. The owner of the bytes must drop the keys that `admit` returns."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.used_bytes = 0
        self._small: OrderedDict[Key, int] = OrderedDict()
        self._main: OrderedDict[Key, int] = OrderedDict()
        self._small_bytes = 0
        self._hits: dict[Key, int] = {}
        self._ghosts: OrderedDict[Key, None] = OrderedDict()

    def __contains__(self, key: object) -> bool:
        return key in self._hits

    def __len__(self) -> int:
        return len(self._hits)

    def touch(self, key: Key) -> None:
        """Counts a request for the key."""
        if key in self._hits:
            self._hits[key] = min(_MAX_HITS, self._hits[key] + 1)

    def admit(self, key: Key, size_bytes: int) -> list[Key]:
        """Adds the key and returns the keys to drop: the key itself if it is larger than the budget."""
        self.remove(key)
        if size_bytes > self.budget_bytes:
            return [key]
        dropped = []
        while self.used_bytes + size_bytes > self.budget_bytes:
            dropped += self._drop_one()
        if key in self._ghosts:
            del self._ghosts[key]
            self._main[key] = size_bytes
        else:
            self._small[key] = size_bytes
            self._small_bytes += size_bytes
        self._hits[key] = 0
        self.used_bytes += size_bytes
        return dropped

    def remove(self, key: Key) -> None:
        """Idempotent."""
        if self._hits.pop(key, None) is None:
            return
        size_bytes = self._main.pop(key, None)
        if size_bytes is None:
            size_bytes = self._small.pop(key)
            self._small_bytes -= size_bytes
        self.used_bytes -= size_bytes

    def _drop_one(self) -> list[Key]:
        """The key that was dropped; empty if a key only moved between the queues."""
        if self._small and (self._small_bytes > self.budget_bytes * _SMALL_SHARE or not self._main):
            return self._drop_from_small()
        return self._drop_from_main()

    def _drop_from_small(self) -> list[Key]:
        key, size_bytes = self._small.popitem(last=False)
        self._small_bytes -= size_bytes
        if self._hits[key]:
            self._hits[key] = 0
            self._main[key] = size_bytes
            return []
        self._ghosts[key] = None
        while len(self._ghosts) > max(1, len(self._hits)):
            self._ghosts.popitem(last=False)
        return self._drop(key, size_bytes)

    def _drop_from_main(self) -> list[Key]:
        key, size_bytes = self._main.popitem(last=False)
        if self._hits[key]:
            self._hits[key] -= 1
            self._main[key] = size_bytes
            return []
        return self._drop(key, size_bytes)

    def _drop(self, key: Key, size_bytes: int) -> list[Key]:
        del self._hits[key]
        self.used_bytes -= size_bytes
        return [key]
