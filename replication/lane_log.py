"""A lane's event log, as its process sees it: which partitions its consumers have, and which events are not finished.

Only a consumer's own thread may ask it what it owns. So each notes what it hears, and any thread may read that here.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from regions.events.messages import Event, UnreadableEvent
from regions.events.set_aside import parse
from regions.events.topics import ENVELOPES
from regions.stores.events import Consumer, Delivery, Events
from replication.budget import LEASE_S, partition_name


class _Unfinished(NamedTuple):
    """`event` is the one within, of one that was set aside; None if it is another lane's, or can't be read."""

    offset: int
    event: Event | None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """`set_aside` events wait to be tried again, at most `MOST_AHEAD` of each delay. `oldest_ms` is by topic when the
    oldest was published, also of those that were set aside."""

    under_way: int
    set_aside: int
    oldest_ms: Mapping[str, int]


@dataclass(slots=True)
class _Held:
    """What one consumer has: heard `at_s`, in that generation of its group."""

    topic: str
    at_s: float
    generation: int = 0
    partitions: dict[int, deque[_Unfinished]] = field(default_factory=dict)


class LaneLog:
    """The log of the lane with the consumer group `group`. `publish` is that of the log. `clock_s` never goes back."""

    def __init__(self, events: Events, group: str, clock_s: Callable[[], float]) -> None:
        self.publish: Callable[[Sequence[Event]], None] = events.publish
        self._events, self._group, self._clock_s = events, group, clock_s
        self._held: dict[int, _Held] = {}
        self._lock = threading.Lock()

    def consumer(self, topic: str, group: str, member: str) -> Consumer:
        return _NotingConsumer(self._events.consumer(topic, group, member), topic, self)

    def generations(self) -> dict[str, int]:
        """Of the partitions that are this process's own, as far as the log has confirmed it within a lease."""
        now_s = self._clock_s()
        with self._lock:
            return {
                partition_name(held.topic, number): held.generation
                for held in self._held.values()
                if now_s - held.at_s <= LEASE_S
                for number in held.partitions
            }

    def unfinished(self) -> Unfinished:
        """The lane's events that were read and are not committed."""
        under_way = set_aside = 0
        oldest_ms: dict[str, int] = {}
        with self._lock:
            for held in self._held.values():
                events = [one.event for read in held.partitions.values() for one in read if one.event is not None]
                if held.topic in ENVELOPES:
                    set_aside += len(events)
                else:
                    under_way += len(events)
                for event in events:
                    oldest_ms[event.topic] = min(event.at_ms, oldest_ms.get(event.topic, event.at_ms))
        return Unfinished(under_way, set_aside, oldest_ms)

    def note_owned(self, consumer: int, topic: str, owned: set[int], generation: int) -> None:
        with self._lock:
            held = self._held.setdefault(consumer, _Held(topic, 0.0))
            held.at_s, held.generation = self._clock_s(), generation
            held.partitions = {number: held.partitions.get(number, deque()) for number in owned}

    def note_read(self, consumer: int, deliveries: Sequence[Delivery]) -> None:
        with self._lock:
            partitions = self._held[consumer].partitions
            for delivery in deliveries:
                unfinished = partitions.setdefault(delivery.partition, deque())
                if unfinished and delivery.offset <= unfinished[-1].offset:
                    # The partition was lost and assigned again: the log resumed from the last commit.
                    unfinished.clear()
                unfinished.append(_Unfinished(delivery.offset, self._event(delivery)))

    def note_committed(self, consumer: int, partition: int, offset: int) -> None:
        with self._lock:
            unfinished = self._held[consumer].partitions.get(partition, deque())
            while unfinished and unfinished[0].offset <= offset:
                unfinished.popleft()

    def note_closed(self, consumer: int) -> None:
        with self._lock:
            self._held.pop(consumer, None)

    def _event(self, delivery: Delivery) -> Event | None:
        event = delivery.event
        if not isinstance(event, Event):
            return None
        if event.topic not in ENVELOPES:
            return event
        try:
            found = parse(event)
        except UnreadableEvent:
            return None
        return found.event if found.group == self._group else None


class _NotingConsumer:
    def __init__(self, consumer: Consumer, topic: str, log: LaneLog) -> None:
        self._consumer, self._topic, self._log = consumer, topic, log
        self._note_owned(consumer.owned())

    def poll(self, limit: int, timeout_s: float) -> list[Delivery]:
        deliveries = self._consumer.poll(limit, timeout_s)
        self._log.note_read(id(self), deliveries)
        return deliveries

    def commit(self, partition: int, offset: int) -> None:
        self._consumer.commit(partition, offset)
        self._log.note_committed(id(self), partition, offset)

    def owned(self) -> set[int]:
        return self._note_owned(self._consumer.owned())

    def generation(self) -> int:
        return self._consumer.generation()

    def close(self) -> None:
        self._log.note_closed(id(self))
        self._consumer.close()

    def _note_owned(self, owned: set[int]) -> set[int]:
        self._log.note_owned(id(self), self._topic, owned, self._consumer.generation())
        return owned
