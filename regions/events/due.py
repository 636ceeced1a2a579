"""Reads a topic with a delay: hands each event over when it is due, and those of other lanes as soon as they are first.

An event that waits has not started: it occupies no thread, and when its partition goes to another member, it is dropped
like everything that has not started. So it is not tried by both.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from regions.events.messages import Event, UnreadableEvent
from regions.events.set_aside import SetAside, parse
from regions.stores.events import Consumer, ConsumerSource, Delivery

MOST_AHEAD = 1_000
"""How many events are read before they are due. If more wait, one may come late, by its topic's delay at most."""


class _Ahead(NamedTuple):
    delivery: Delivery
    waits: SetAside | None
    """None if it is handed over at once: it is another lane's, or can't be read."""


class DelayedEvents:
    """The delay topics of an event log, as one lane reads them: `group` is the one that it asks consumers for."""

    def __init__(self, events: ConsumerSource, clock_ms: Callable[[], int]) -> None:
        self._events, self._clock_ms = events, clock_ms

    def consumer(self, topic: str, group: str, member: str) -> Consumer:
        return DueConsumer(self._events.consumer(topic, group, member), group, self._clock_ms)


class DueConsumer:
    """A consumer of a topic with a delay. `pause` waits for so many seconds."""

    def __init__(
        self,
        consumer: Consumer,
        group: str,
        clock_ms: Callable[[], int],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._consumer, self._group, self._clock_ms, self._pause = consumer, group, clock_ms, pause
        self._ahead: dict[int, deque[_Ahead]] = {}

    def poll(self, limit: int, timeout_s: float) -> list[Delivery]:
        """May return earlier without any event, if some have come that are not due yet."""
        self.owned()
        due = self._take_due(limit)
        if not due:
            self._read_ahead(timeout_s)
            due = self._take_due(limit)
        return due

    def commit(self, partition: int, offset: int) -> None:
        self._consumer.commit(partition, offset)

    def owned(self) -> set[int]:
        owned = self._consumer.owned()
        for partition in self._ahead.keys() - owned:
            del self._ahead[partition]
        return owned

    def generation(self) -> int:
        return self._consumer.generation()

    def close(self) -> None:
        self._ahead.clear()
        self._consumer.close()

    def _take_due(self, limit: int) -> list[Delivery]:
        """Those that are due for longest first; within a partition, in order."""
        now_ms, taken = self._clock_ms(), list[Delivery]()
        while len(taken) < limit:
            heads = [ahead[0] for ahead in self._ahead.values() if ahead and not _wait_ms(ahead[0], now_ms)]
            if not heads:
                break
            first = min(heads, key=lambda head: head.waits.due_ms if head.waits else 0)
            taken.append(self._ahead[first.delivery.partition].popleft().delivery)
        return taken

    def _read_ahead(self, timeout_s: float) -> None:
        """Waits no longer than until the first event is due."""
        now_ms = self._clock_ms()
        waits_s = [_wait_ms(ahead[0], now_ms) / 1000 for ahead in self._ahead.values() if ahead]
        timeout_s = min([timeout_s, *waits_s])
        room = MOST_AHEAD - sum(map(len, self._ahead.values()))
        if room <= 0:
            self._pause(timeout_s)
            return
        for delivery in self._consumer.poll(room, timeout_s):
            ahead = self._ahead.setdefault(delivery.partition, deque())
            if ahead and delivery.offset <= ahead[-1].delivery.offset:
                # The partition was lost and assigned again: the log resumed from the last commit.
                ahead.clear()
            ahead.append(_Ahead(delivery, self._waits(delivery)))

    def _waits(self, delivery: Delivery) -> SetAside | None:
        if not isinstance(delivery.event, Event):
            return None
        try:
            found = parse(delivery.event)
        except UnreadableEvent:
            return None
        return found if found.group == self._group else None


def _wait_ms(head: _Ahead, now_ms: int) -> int:
    return head.waits.wait_ms(now_ms) if head.waits else 0
