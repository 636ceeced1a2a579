"""Fetches the next events of some partitions, from all their leaders at once. Part of the Kafka events adapter.

This is long polling: a leader delays its response until it has an event, for at most a second. So an idle consumer
costs one request a second.
"""

import struct
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from pykafka.protocol import FetchRequest, PartitionFetchRequest
from pykafka.protocol.fetch import FetchResponseV1

from regions.errors import Unavailable
from regions.stores.kafka.cluster import KafkaCluster
from regions.stores.kafka.connection import RESPONSE_S, BrokerAddress, BrokerConnection

_LONG_POLL_S = 1.0
# What a response contains at most, of one partition and in all. A batch that is larger comes only if its partition is
# the first in the request that has any; so each is first in turn.
_PARTITION_BYTES, _RESPONSE_BYTES = 16 << 10, 1 << 20
_OUT_OF_RANGE = 1
# In a message's attributes: its time is that of the broker.
_BROKERS_TIME = 1 << 3
# If a topic compresses, which ours don't: as by this version of Kafka and all later ones.
_COMPRESSED_AS_BY = "0.10.0"


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
        # The partition that came first in the last request to each leader.
        self._first: dict[BrokerAddress, int] = {}

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
        last_first = self._first.get(leader, -1)
        in_turn = sorted(offsets, key=lambda number: (number <= last_first, number))
        self._first[leader] = in_turn[0]
        requests = [PartitionFetchRequest(self._topic, one, offsets[one], _PARTITION_BYTES) for one in in_turn]
        try:
            if leader not in self._connections:
                self._connections[leader] = BrokerConnection(leader)
            self._connections[leader].send(_BoundedFetchRequest(requests))
        except Unavailable:
            self._reset(leader)
            raise
        self._requested[leader] = offsets

    def _receive(self, leader: BrokerAddress) -> FetchResponseV1 | None:
        """None if the response has yet to come."""
        connection = self._connections[leader]
        try:
            return connection.receive(_FetchResponse) if connection.ready(_LONG_POLL_S + RESPONSE_S) else None
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


class _BoundedFetchRequest(FetchRequest):  # type: ignore[misc]
    """Version 3 of the request, the first that bounds the response as a whole; pykafka has up to 2 (KIP-74).

    Without that bound, the response about many partitions with a backlog may have any size.
    """

    def __init__(self, requests: list[PartitionFetchRequest]) -> None:
        super().__init__(requests, timeout=int(_LONG_POLL_S * 1000), min_bytes=1, api_version=3)

    def __len__(self) -> int:
        return int(super().__len__()) + 4

    def get_bytes(self) -> bytes:
        """With the bound behind the other three numbers: the replica, the time and the least bytes to wait for."""
        unbounded, at = super().get_bytes()[:-4], self.HEADER_LEN + 12
        return bytes(unbounded[:at] + struct.pack("!i", _RESPONSE_BYTES) + unbounded[at:])


class _FetchResponse(FetchResponseV1):  # type: ignore[misc]
    """Version 3 of the response. Messages have a time, and pykafka takes the bit that says whose for a compression."""

    def _unpack_message_set(self, buff: bytes, partition_id: int = -1, broker_version: str = "") -> list[Any]:
        plain = _without_brokers_time(buff)
        messages: list[Any] = super()._unpack_message_set(plain, partition_id, _COMPRESSED_AS_BY)
        return messages


def _without_brokers_time(messages: bytes) -> bytearray:
    """Of each message the offset, 8 bytes, its length, 4 bytes, a checksum that pykafka ignores, its version, 1 byte,
    and its attributes. The last one may be cut off."""
    changed, at = bytearray(messages), 0
    while at + 18 <= len(changed):
        changed[at + 17] &= ~_BROKERS_TIME
        at += 12 + struct.unpack_from("!i", changed, at + 8)[0]
    return changed
