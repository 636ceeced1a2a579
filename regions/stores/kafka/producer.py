"""Publishes events; all in-sync replicas have them before the call returns. Part of the Kafka events adapter."""

import random
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from pykafka.protocol import Message, ProduceRequest, ProduceResponse

from regions.errors import TooLarge, Unavailable
from regions.events.messages import MAX_ENVELOPE_BYTES, MAX_EVENT_BYTES, Event, to_text
from regions.events.topics import ENVELOPES
from regions.retry import backoff_s
from regions.stores.kafka.cluster import KafkaCluster
from regions.stores.kafka.connection import RESPONSE_S, BrokerAddress
from regions.stores.partitioner import partition_of

TopicPartition = tuple[bytes, int]

# All messages that one request has for a partition become one batch, and a consumer must be able to fetch it whole.
_MAX_BATCH_BYTES = MAX_ENVELOPE_BYTES + 1024
_PUBLISH_S = 8.0
# If no broker answers, the caller should know soon. If a broker answers with an error, as while a leader is being
# elected, it is worth trying until `_PUBLISH_S` have passed.
_ATTEMPTS = 3
_ALL_REPLICAS = -1


class _Rejected(Unavailable):
    """A broker answered, but with an error: it does not lead the partition, or too few replicas are in sync."""


class Producer:
    """Safe to share between threads."""

    def __init__(self, cluster: KafkaCluster, prefix: str) -> None:
        self._cluster = cluster
        self._prefix = prefix

    def publish(self, events: Sequence[Event]) -> None:
        """If it raises Unavailable, some events may have been published.

        Whatever is not acknowledged in time is sent again, so Kafka may have an event twice. Raises TooLarge, with
        nothing published, if an event has more than `MAX_EVENT_BYTES`.
        """
        messages = [(f"{self._prefix}.{event.topic}".encode(), event.key, _to_message(event)) for event in events]
        pending: dict[TopicPartition, list[Message]] = {}
        deadline_s = time.monotonic() + _PUBLISH_S
        attempt = 0
        while messages or pending:
            try:
                if messages:
                    pending, messages = self._by_partition(messages), []
                self._send(pending, deadline_s)
            except Unavailable as error:
                attempt += 1
                pause_s = backoff_s(attempt, random.random, first_s=0.02, max_s=0.5)
                unreachable = attempt >= _ATTEMPTS and not isinstance(error, _Rejected)
                if unreachable or time.monotonic() + pause_s > deadline_s:
                    raise
                self._cluster.forget()
                time.sleep(pause_s)

    def _by_partition(self, messages: Iterable[tuple[bytes, str, Message]]) -> dict[TopicPartition, list[Message]]:
        by_partition = defaultdict(list)
        for topic, key, message in messages:
            partition = partition_of(key, len(self._cluster.leaders(topic)))
            by_partition[topic, partition].append(message)
        return by_partition

    def _send(self, pending: dict[TopicPartition, list[Message]], deadline_s: float) -> None:
        """Sends one request to each leader, and removes from `pending` what was acknowledged."""
        counts_by_leader: dict[BrokerAddress, dict[TopicPartition, int]] = defaultdict(dict)
        for (topic, partition), messages in pending.items():
            leader = self._cluster.leaders(topic)[partition]
            counts_by_leader[leader][topic, partition] = _batch_count(messages)
        for leader, counts in counts_by_leader.items():
            timeout_s = min(RESPONSE_S, max(0.05, deadline_s - time.monotonic()))
            request = ProduceRequest(required_acks=_ALL_REPLICAS, timeout=int(timeout_s * 1000))
            for (topic, partition), count in counts.items():
                for message in pending[topic, partition][:count]:
                    request.add_message(message, topic, partition)
            response = self._cluster.connections.call(leader, request, ProduceResponse, timeout_s)
            _remove_acknowledged(pending, counts, response)


def _to_message(event: Event) -> Message:
    key, value = event.key.encode(), to_text(event).encode()
    most_bytes = MAX_ENVELOPE_BYTES if event.topic in ENVELOPES else MAX_EVENT_BYTES
    if len(key) + len(value) > most_bytes:
        raise TooLarge(f"an event may have {most_bytes} bytes")
    return Message(value, partition_key=key)


def _batch_count(messages: Sequence[Message]) -> int:
    """How many messages, from the first on, fit into one batch; at least one."""
    size_bytes = 0
    for count, message in enumerate(messages):
        size_bytes += len(message)
        if size_bytes > _MAX_BATCH_BYTES and count:
            return count
    return len(messages)


def _remove_acknowledged(
    pending: dict[TopicPartition, list[Message]], counts: Mapping[TopicPartition, int], response: ProduceResponse
) -> None:
    """`counts` is how many messages of each partition were in the request. Raises _Rejected if any were rejected."""
    error = 0
    for (topic, partition), count in counts.items():
        code = response.topics[topic][partition].err
        if code:
            error = code
        elif count == len(pending[topic, partition]):
            del pending[topic, partition]
        else:
            del pending[topic, partition][:count]
    if error:
        raise _Rejected(f"Kafka did not accept the events: error {error}")
