"""What to do next when there is more to do than can be done at once: by urgency, and within it a fair share each.

Start-time fair queuing (Goyal, Vin and Cheng, "Start-time Fair Queuing: A Scheduling Algorithm for Integrated Services
Packet Switching Networks", SIGCOMM 1996), with owners for flows and work for bytes. An owner's next item starts, in
virtual time, when the one before has had its cost; the item with the earliest start is next. So a newcomer waits
for at most one item of each other owner, however many those have queued, and the order within an owner stays.

What an item costs is known only when it is done: a file of 38 bytes may take a worker as long as one of 30 MB. So an
item is first counted by a guess, and then by what it took. When all is done, all owners begin anew. Pure.
"""

import heapq
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
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
        """`cost` is the work that it is thought to be, in any unit, at least 1."""
        self._queues[urgency].put(item, owner, cost)

    def take(self) -> Item:
        """Raises IndexError if there is nothing. Call `done` when it is done."""
        for queue in self._queues.values():
            if queue:
                return queue.take()
        raise IndexError("the queue is empty")

    def done(self, urgency: Urgency, owner: Hashable, more_cost: int) -> None:
        """An item that was taken has cost so much more than thought; less if it is negative."""
        self._queues[urgency].done(owner, more_cost)


@dataclass(slots=True)
class _Claim(Generic[Item]):
    """Of an owner. `end` is when, in virtual time, what was taken has had its cost.

    `ticket` is that of the first item that waits.
    """

    end: int
    ticket: int = -1
    waiting: deque[tuple[int, Item]] = field(default_factory=deque)


class _FairShares(Generic[Item]):
    def __init__(self) -> None:
        self._owners: dict[Hashable, _Claim[Item]] = {}
        self._first: list[tuple[int, int, Hashable]] = []
        """A heap of each owner's first item: virtual start, ticket, owner. Old, if the owner's ticket is another."""
        self._tickets = count()
        self._now = self._waiting = self._taken = 0

    def __len__(self) -> int:
        return self._waiting

    def put(self, item: Item, owner: Hashable, cost: int) -> None:
        mine = self._owners.setdefault(owner, _Claim(self._now))
        mine.waiting.append((max(1, cost), item))
        self._waiting += 1
        if len(mine.waiting) == 1:
            self._line_up(owner, mine)

    def take(self) -> Item:
        start, ticket, owner = heapq.heappop(self._first)
        while owner not in self._owners or self._owners[owner].ticket != ticket:
            start, ticket, owner = heapq.heappop(self._first)
        mine = self._owners[owner]
        cost, item = mine.waiting.popleft()
        self._now, mine.end = start, start + cost
        self._waiting -= 1
        self._taken += 1
        mine.ticket = -1
        if mine.waiting:
            self._line_up(owner, mine)
        return item

    def done(self, owner: Hashable, more_cost: int) -> None:
        self._taken -= 1
        if not self._waiting and not self._taken:
            self._owners.clear()
            self._first.clear()
            return
        mine = self._owners.setdefault(owner, _Claim(self._now))
        mine.end += more_cost
        if mine.waiting:
            self._line_up(owner, mine)
        elif len(self._owners) > _FEW + 2 * self._waiting:
            self._forget()

    def _line_up(self, owner: Hashable, mine: _Claim[Item]) -> None:
        mine.ticket = next(self._tickets)
        heapq.heappush(self._first, (max(self._now, mine.end), mine.ticket, owner))

    def _forget(self) -> None:
        """Half of the owners who have nothing waiting, the least ahead first: they count as newcomers then."""
        idle = sorted(
            (mine.end, ticket, owner) for ticket, (owner, mine) in enumerate(self._owners.items()) if not mine.waiting
        )
        for _, _, owner in idle[: len(idle) // 2 + 1]:
            del self._owners[owner]
