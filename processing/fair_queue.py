"""What to do next when there is more to do than can be done at once: by urgency, and within it a fair share each.

Start-time fair queuing (Goyal, Vin and Cheng, "Start-time Fair Queuing: A Scheduling Algorithm for Integrated Services
Packet Switching Networks", SIGCOMM 1996), with owners for flows and work for bytes. An owner's next item starts, in
virtual time, when the one before has had its cost; the item with the earliest start is next. So a newcomer waits
for at most one item of each other owner, however many those have queued, and the order within an owner stays. Pure.
"""

import heapq
from collections.abc import Hashable
from enum import IntEnum
from itertools import count
from typing import Generic, TypeVar

Item = TypeVar("Item")

_FEW = 1_000


class Urgency(IntEnum):
    """While there is something of one, nothing of the next is started."""

    FRESH = 0
    """A photo that somebody has just uploaded."""
    DEFERRED = 1
    """The same, of an owner who has many others under way."""
    REFINE = 2
    """A photo that is ready, and gets better variants."""
    BACKFILL = 3
    """Old photos that are processed again."""


class FairQueue(Generic[Item]):
    """Putting and taking cost O(log n)."""

    def __init__(self) -> None:
        self._queues: dict[Urgency, _FairShares[Item]] = {urgency: _FairShares() for urgency in Urgency}

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def put(self, item: Item, urgency: Urgency, owner: Hashable, cost: int) -> None:
        """`cost` is the work that it is expected to be, in any unit, at least 1."""
        self._queues[urgency].put(item, owner, cost)

    def take(self) -> Item:
        """Raises IndexError if there is nothing."""
        for queue in self._queues.values():
            if queue:
                return queue.take()
        raise IndexError("the queue is empty")


class _FairShares(Generic[Item]):
    def __init__(self) -> None:
        self._items: list[tuple[int, int, Item]] = []
        """A heap: virtual start, a number that keeps the order of arrival, the item."""
        self._numbers = count()
        self._now = 0
        self._ends: dict[Hashable, int] = {}
        """When each owner's last item has had its cost, in virtual time."""
        self._most_ends = _FEW

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item, owner: Hashable, cost: int) -> None:
        start = max(self._now, self._ends.get(owner, 0))
        self._ends[owner] = start + max(1, cost)
        heapq.heappush(self._items, (start, next(self._numbers), item))

    def take(self) -> Item:
        self._now, _, item = heapq.heappop(self._items)
        if len(self._ends) > self._most_ends:
            self._forget()
        return item

    def _forget(self) -> None:
        """Owners who are behind nobody. If nothing waits, that is everybody: nobody is ahead by more than one item."""
        if not self._items:
            self._now = max(self._ends.values())
        self._ends = {owner: end for owner, end in self._ends.items() if end > self._now}
        self._most_ends = 2 * len(self._ends) + _FEW
