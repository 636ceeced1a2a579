"""A lane's event log, as its process sees it: which partitions its consumers have, and which events are not finished.

Only a consumer's own thread may ask it what it owns. So each notes what it hears, and any thread may read that here.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from regions.events.messages import Event, UnreadableEvent
from regions.events.set_aside import parse
from regions.events.topics import ENVELOPES, PHOTO_DELETED
from regions.stores.events import Consumer, Delivery, Events
from replication.budget import LEASE_S, partition_name


class _Unfinished(NamedTuple):
    """`topic` and `at_ms` are those of the event within, of one that was set aside; `topic` is empty if it is another
    lane's, or can't be read."""

    offset: int
    topic: str = ""
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Unfinished:
    """`set_aside` events wait to be tried again, and `deletions_aside` besides.

    Those that are due in hours may not have been read.

    `oldest_ms`, and of those that were set aside `oldest_aside_ms`, have when the oldest was published, by topic.
    """

    under_way: int
    set_aside: int
    deletions_aside: int
    oldest_ms: Mapping[str, int]
    oldest_aside_ms: Mapping[str, int]


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
        under_way, set_aside = list[_Unfinished](), list[_Unfinished]()
        with self._lock:
            for held in self._held.values():
                found = set_aside if held.topic in ENVELOPES else under_way
                found += [one for read in held.partitions.values() for one in read if one.topic]
        deletions = sum(one.topic == PHOTO_DELETED for one in set_aside)
        others = len(set_aside) - deletions
        return Unfinished(len(under_way), others, deletions, _oldest_ms(under_way), _oldest_ms(set_aside))

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
                unfinished.append(self._unfinished(delivery))

    def note_committed(self, consumer: int, partition: int, offset: int) -> None:
        with self._lock:
            unfinished = self._held[consumer].partitions.get(partition, deque())
            while unfinished and unfinished[0].offset <= offset:
                unfinished.popleft()

    def note_closed(self, consumer: int) -> None:
        with self._lock:
            self._held.pop(consumer, None)

    def _unfinished(self, delivery: Delivery) -> _Unfinished:
        event = delivery.event
        if not isinstance(event, Event):
            return _Unfinished(delivery.offset)
        if event.topic not in ENVELOPES:
            return _Unfinished(delivery.offset, event.topic, event.at_ms)
        try:
            found = parse(event)
        except UnreadableEvent:
            return _Unfinished(delivery.offset)
        if found.group != self._group:
            return _Unfinished(delivery.offset)
        return _Unfinished(delivery.offset, found.event.topic, found.event.at_ms)


def _oldest_ms(events: Iterable[_Unfinished]) -> dict[str, int]:
    oldest_ms: dict[str, int] = {}
    for one in events:
        oldest_ms[one.topic] = min(one.at_ms, oldest_ms.get(one.topic, one.at_ms))
    return oldest_ms


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
