"""Publishes events, each acknowledged by all copies before the call returns. Part of the Kafka events adapter."""

import random
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence

from pykafka.protocol import Message, ProduceRequest, ProduceResponse

from regions.errors import TooLarge, Unavailable
from regions.events.messages import Event, to_text
from regions.retry import backoff_s
from regions.stores.events import partition_of
from regions.stores.kafka.cluster import KafkaCluster
from regions.stores.kafka.connection import ANSWER_S

Place = tuple[bytes, int]

MOST_EVENT_BYTES = 512 * 1024
# What one request may hold of a partition becomes one batch, which a consumer must be able to fetch whole.
_MOST_BATCH_BYTES = MOST_EVENT_BYTES + 1024
_PUBLISH_S = 8.0
# Where nobody answers, the caller shall know soon; a leader that is being elected is worth the wait.
_ATTEMPTS = 3
_ALL_COPIES = -1


class _Refused(Unavailable):
    """A broker answered, but did not take it: it does not lead the partition, or too few copies are there."""


class Producer:
    """Safe to share between threads."""

    def __init__(self, cluster: KafkaCluster, prefix: str) -> None:
        self._cluster = cluster
        self._prefix = prefix

    def publish(self, events: Sequence[Event]) -> None:
        """Where it raises Unavailable, some may have been published. What has no answer in time is sent again.

        Raises TooLarge, with nothing published, where an event has more than `MOST_EVENT_BYTES`.
        """
        left = self._by_place(events)
        deadline_s = time.monotonic() + _PUBLISH_S
        attempt = 0
        while left:
            try:
                self._send(left, deadline_s)
            except Unavailable as error:
                attempt += 1
                pause_s = backoff_s(attempt, random.random, first_s=0.02, most_s=0.5)
                gone = attempt >= _ATTEMPTS and not isinstance(error, _Refused)
                if gone or time.monotonic() + pause_s > deadline_s:
                    raise
                self._cluster.forget()
                time.sleep(pause_s)

    def _by_place(self, events: Iterable[Event]) -> dict[Place, list[Message]]:
        messages = defaultdict(list)
        for event in events:
            key, value = event.key.encode(), to_text(event).encode()
            if len(key) + len(value) > MOST_EVENT_BYTES:
                raise TooLarge(f"an event may have {MOST_EVENT_BYTES} bytes")
            topic = f"{self._prefix}.{event.topic}".encode()
            messages[topic, partition_of(event.key)].append(Message(value, partition_key=key))
        return messages

    def _send(self, left: dict[Place, list[Message]], deadline_s: float) -> None:
        """One request to each leader; takes off `left` what was acknowledged."""
        requests: dict[tuple[str, int], dict[Place, int]] = defaultdict(dict)
        for (topic, partition), messages in left.items():
            leader = self._cluster.leaders(topic)[partition]
            requests[leader][topic, partition] = _how_many(messages)
        for leader, counts in requests.items():
            timeout_s = min(ANSWER_S, max(0.05, deadline_s - time.monotonic()))
            request = ProduceRequest(required_acks=_ALL_COPIES, timeout=int(timeout_s * 1000))
            for (topic, partition), count in counts.items():
                for message in left[topic, partition][:count]:
                    request.add_message(message, topic, partition)
            answer = self._cluster.wires.ask(leader, request, ProduceResponse, timeout_s)
            _take_off(left, counts, answer)


def _how_many(messages: Sequence[Message]) -> int:
    """As many from the beginning as one batch may hold; at least one."""
    size_bytes = 0
    for count, message in enumerate(messages):
        size_bytes += len(message)
        if size_bytes > _MOST_BATCH_BYTES and count:
            return count
    return len(messages)


def _take_off(left: dict[Place, list[Message]], counts: dict[Place, int], answer: ProduceResponse) -> None:
    refused = 0
    for (topic, partition), count in counts.items():
        code = answer.topics[topic][partition].err
        if code:
            refused = code
        elif count == len(left[topic, partition]):
            del left[topic, partition]
        else:
            del left[topic, partition][:count]
    if refused:
        raise _Refused(f"Kafka did not take the events: error {refused}")
