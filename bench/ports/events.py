"""Events on Kafka: how long a request waits until its one event is acknowledged.

Ours is `KafkaEvents.publish`. The peer is pykafka's own producer, set for the least wait that it knows: synchronous,
`linger_ms=1`, `min_queued_messages=1`, `required_acks=-1`. Both make the event's text, and publish it in one topic
of the same broker, which writes to its disk before it acknowledges.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count

from pykafka import KafkaClient

from bench import harness, interleaved_runs
from bench.ports.created_store import created
from regions.events.messages import Event, to_text
from regions.events.topics import PHOTOS_UPLOADED
from regions.stores.kafka import adapter as kafka

_EVENTS_A_RUN = 200
_REPEATS = 9
_PREFIX = "bench"
_PEER = "pykafka's producer"
_GOAL = 0.9
# A request waits for this, so it may take single milliseconds.
_MOST_P50_MS = 10.0


def rows(address: str) -> list[harness.Measurement]:
    numbers = count()
    events = created(kafka.events(f"kafka://{address}/{_PREFIX}?partitions=4"))
    # Keep the client: the topic only has a weak reference to it.
    client = KafkaClient(hosts=address)
    topic = client.topics[f"{_PREFIX}.{PHOTOS_UPLOADED}".encode()]
    with topic.get_sync_producer(linger_ms=1, min_queued_messages=1, required_acks=-1) as producer:

        def publish_by_peer(event: Event) -> None:
            producer.produce(to_text(event).encode(), partition_key=event.key.encode())

        def run(publish: Callable[[Event], None]) -> interleaved_runs.Run:
            return lambda: _latencies(publish, [_event(next(numbers)) for _ in range(_EVENTS_A_RUN)])

        contenders = {"ours": run(lambda event: events.publish([event])), _PEER: run(publish_by_peer)}
        measured = interleaved_runs.medians(contenders, _REPEATS)
    events.close()
    p50, p99 = (
        interleaved_runs.row(f"publish one event: {name}", "ms", measured[name], _GOAL, more_is_better=False)
        for name in ("P50", "P99")
    )
    slow = p50.ours >= _MOST_P50_MS
    return [replace(p50, outcome=harness.GoalResult.MISSED) if slow else p50, p99]


def _latencies(publish: Callable[[Event], None], events: list[Event]) -> Mapping[str, float]:
    taken_ms = []
    for event in events:
        start_s = time.perf_counter()
        publish(event)
        taken_ms.append((time.perf_counter() - start_s) * 1000)
    return {"P50": interleaved_runs.percentile(taken_ms, 0.5), "P99": interleaved_runs.percentile(taken_ms, 0.99)}


def _event(number: int) -> Event:
    photo_id, owner_id = f"p_9{number:010}", f"u_9{number % 97:010}"
    body = {"photo_id": photo_id, "owner_id": owner_id, "created_at_ms": 1_767_225_600_000 + number}
    return Event(PHOTOS_UPLOADED, photo_id, f"{PHOTOS_UPLOADED}:{photo_id}", 1_767_225_600_000 + number, body)
