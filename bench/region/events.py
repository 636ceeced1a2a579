"""Events on Kafka: published and consumed by one process and by several, on topics of 4 and of 64 partitions.

A publisher publishes one event after the other, as a request does, and waits until it is on the broker's disk. A
consumer reads what was published before it started, up to 500 events at a time, and commits each time. The consumers
form one group, and start when each of them owns its share of the partitions.
"""

from collections.abc import Mapping
from contextlib import closing
from itertools import count

from bench import harness
from bench.ports.created_store import created
from bench.region.processes import Done, Ready, number_of, per_second, repeated, run_at_once
from regions.events.messages import Event
from regions.events.topics import PHOTOS_UPLOADED
from regions.stores.events import Consumer
from regions.stores.kafka import adapter as kafka

PARTITIONS = (4, 64)
PROCESSES = (1, 4)

_WITHIN_S = 3.0
_BACKLOG = 40_000
# The broker syncs each partition once for each request.
_PUBLISHED_AT_ONCE = 4000
_POLLED_AT_ONCE = 500
_JOIN_POLL_S = 0.2
_POLL_S = 2.0


def rows(address: str) -> list[harness.Measurement]:
    return [row for partitions in PARTITIONS for row in _rows(address, partitions)]


def _rows(address: str, partitions: int) -> list[harness.Measurement]:
    url = f"kafka://{address}/bench-{partitions}?partitions={partitions}"
    _fill(url)
    consumed = {
        processes: per_second(
            run_at_once(_consume, [(url, f"group-of-{processes}", partitions // processes)] * processes)
        )
        for processes in PROCESSES
    }
    published = {
        processes: per_second(run_at_once(_publish, [(url, number) for number in range(processes)]))
        for processes in PROCESSES
    }
    return [
        _row(f"events {done} a second: {partitions} partitions", processes, rates)
        for done, rates in (("published", published), ("consumed", consumed))
        for processes in PROCESSES
    ]


def _row(figure: str, processes: int, rates: Mapping[int, float]) -> harness.Measurement:
    by_one = {number_of(1): rates[1]} if processes > 1 else {}
    return harness.compare(f"{figure}, {number_of(processes)}", "1/s", rates[processes], by_one, more_is_better=True)


def _fill(url: str) -> None:
    """Creates the topic, and the backlog that each group of consumers reads from its start."""
    with closing(created(kafka.events(url))) as events:
        for start in range(0, _BACKLOG, _PUBLISHED_AT_ONCE):
            events.publish([_event(number) for number in range(start, start + _PUBLISHED_AT_ONCE)])


def _publish(ready: Ready, url: str, publisher: int) -> Done:
    numbers = count(publisher << 32)
    with closing(created(kafka.events(url))) as events:

        def publish() -> int:
            events.publish([_event(next(numbers))])
            return 1

        # Connects.
        publish()
        ready()
        return repeated(publish, _WITHIN_S)


def _consume(ready: Ready, url: str, group: str, share: int) -> Done:
    """`share` is how many partitions a consumer owns when all have joined."""
    with (
        closing(created(kafka.events(url))) as events,
        closing(events.consumer(PHOTOS_UPLOADED, group, "bench")) as consumer,
    ):
        while len(consumer.owned()) != share:
            consumer.poll(1, _JOIN_POLL_S)
        ready()
        return repeated(lambda: _consume_some(consumer), _WITHIN_S)


def _consume_some(consumer: Consumer) -> int:
    """How many it consumed; 0 if there are no more."""
    deliveries = consumer.poll(_POLLED_AT_ONCE, _POLL_S)
    for partition, offset in {delivery.partition: delivery.offset for delivery in deliveries}.items():
        consumer.commit(partition, offset)
    return len(deliveries)


def _event(number: int) -> Event:
    photo_id, owner_id = f"p_9{number:010}", f"u_9{number % 97:010}"
    body = {"photo_id": photo_id, "owner_id": owner_id, "created_at_ms": 1_767_225_600_000 + number}
    return Event(PHOTOS_UPLOADED, photo_id, f"{PHOTOS_UPLOADED}:{photo_id}", 1_767_225_600_000 + number, body)
