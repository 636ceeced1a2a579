"""Fetches the next events of some partitions, from all their leaders at once. Part of the Kafka events adapter.

This is long polling: a leader delays its response until it has an event, for at most a second. So an idle consumer
costs one request a second.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from pykafka.protocol import FetchRequest, FetchResponse, PartitionFetchRequest

from regions.errors import Unavailable
from regions.stores.kafka.cluster import KafkaCluster
from regions.stores.kafka.connection import RESPONSE_S, BrokerAddress, BrokerConnection

_LONG_POLL_S = 1.0
# More than the largest batch that a publisher writes, because Kafka 3 does not return part of a batch.
_MAX_BYTES = 1024 * 1024
_OUT_OF_RANGE = 1


class Fetched(NamedTuple):
    offset: int
    value: bytes


class Fetcher:
    """At most one request is in flight to each leader.

    If a method raises Unavailable, the connection to that leader is closed; call `request` again.
    """

    def __init__(self, cluster: KafkaCluster, topic: bytes) -> None:
        self._cluster, self._topic = cluster, topic
        self._connections: dict[BrokerAddress, BrokerConnection] = {}
        # The offsets in the request that is in flight to each leader, by partition.
        self._requested: dict[BrokerAddress, Mapping[int, int]] = {}

    def request(self, offsets: Mapping[int, int]) -> None:
        """Requests events from these offsets on, by partition. Skips leaders whose last response has yet to come."""
        by_leader: dict[BrokerAddress, dict[int, int]] = defaultdict(dict)
        for partition, offset in offsets.items():
            by_leader[self._cluster.leaders(self._topic)[partition]][partition] = offset
        for leader in by_leader.keys() - self._requested.keys():
            self._send(leader, by_leader[leader])

    def waiting(self) -> list[BrokerConnection]:
        """The connections on which a response has yet to come."""
        return [self._connections[leader] for leader in self._requested]

    def take(self) -> dict[int, tuple[int, list[Fetched] | None]]:
        """What has come, without waiting. By partition: the offset that was requested, and the events from there on.

        None instead of events if Kafka does not have that offset (any more). Partitions without new events are left
        out.
        """
        taken: dict[int, tuple[int, list[Fetched] | None]] = {}
        for leader in list(self._requested):
            response = self._receive(leader)
            if response is None:
                continue
            requested = self._requested.pop(leader)
            for partition, result in response.topics[self._topic].items():
                if result.err == _OUT_OF_RANGE:
                    taken[partition] = (requested[partition], None)
                elif result.err:
                    self._reset(leader)
                    raise Unavailable(f"Kafka does not return events: error {result.err}")
                else:
                    # Kafka returns whole batches, so a batch may start before the offset that was requested.
                    start = requested[partition]
                    found = [Fetched(one.offset, one.value or b"") for one in result.messages if one.offset >= start]
                    if found:
                        taken[partition] = (start, found)
        return taken

    def close(self) -> None:
        for leader in list(self._connections):
            self._disconnect(leader)

    def _send(self, leader: BrokerAddress, offsets: Mapping[int, int]) -> None:
        requests = [
            PartitionFetchRequest(self._topic, number, offset, _MAX_BYTES) for number, offset in offsets.items()
        ]
        try:
            if leader not in self._connections:
                self._connections[leader] = BrokerConnection(leader)
            self._connections[leader].send(FetchRequest(requests, timeout=int(_LONG_POLL_S * 1000), min_bytes=1))
        except Unavailable:
            self._reset(leader)
            raise
        self._requested[leader] = offsets

    def _receive(self, leader: BrokerAddress) -> FetchResponse | None:
        """None if the response has yet to come."""
        connection = self._connections[leader]
        try:
            return connection.receive(FetchResponse) if connection.ready(_LONG_POLL_S + RESPONSE_S) else None
        except Unavailable:
            self._reset(leader)
            raise

    def _reset(self, leader: BrokerAddress) -> None:
        self._disconnect(leader)
        self._cluster.forget()

    def _disconnect(self, leader: BrokerAddress) -> None:
        self._requested.pop(leader, None)
        connection = self._connections.pop(leader, None)
        if connection is not None:
            connection.close()
