"""Fetches what comes next of some partitions, from each of their leaders at once. Part of the Kafka events adapter.

Each leader holds its answer back until there is something, so that an idle consumer costs one request a second.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pykafka.protocol import FetchRequest, FetchResponse, Message, PartitionFetchRequest

from regions.errors import Unavailable
from regions.stores.kafka.cluster import KafkaCluster
from regions.stores.kafka.connection import ANSWER_S, BrokerAddress, BrokerConnection

_HOLD_BACK_MS = 1000
# More than the largest batch that a publisher makes: Kafka 3 does not give a part of one.
_MOST_BYTES = 1024 * 1024
_OUT_OF_RANGE = 1


class Fetched(NamedTuple):
    offset: int
    value: bytes


class _Asked(NamedTuple):
    wire: BrokerConnection
    offsets: Mapping[int, int]


class Fetcher:
    """At most one request is under way to each leader. Where a method raises Unavailable, ask again."""

    def __init__(self, cluster: KafkaCluster, topic: bytes) -> None:
        self._cluster, self._topic = cluster, topic
        self._wires: dict[BrokerAddress, BrokerConnection] = {}
        self._asked: dict[BrokerAddress, Mapping[int, int]] = {}

    def ask(self, offsets: Mapping[int, int]) -> None:
        """From these offsets on, by partition; of leaders that have not answered the last time, not yet."""
        by_leader: dict[BrokerAddress, dict[int, int]] = defaultdict(dict)
        for partition, offset in offsets.items():
            by_leader[self._cluster.leaders(self._topic)[partition]][partition] = offset
        for leader in by_leader.keys() - self._asked.keys():
            self._send(leader, by_leader[leader])

    def waiting(self) -> list[BrokerConnection]:
        return [self._wires[leader] for leader in self._asked]

    def take(self) -> dict[int, tuple[int, list[Fetched] | None]]:
        """By partition what was asked and what came since; None where nothing of that offset is kept."""
        taken: dict[int, tuple[int, list[Fetched] | None]] = {}
        for leader in [leader for leader in self._asked if self._ready(leader)]:
            asked = self._asked.pop(leader)
            answer = self._receive(leader)
            for partition, said in answer.topics[self._topic].items():
                if said.err == _OUT_OF_RANGE:
                    taken[partition] = (asked[partition], None)
                elif said.err:
                    self._drop(leader)
                    raise Unavailable(f"Kafka does not give events: error {said.err}")
                elif found := list(_from(asked[partition], said.messages)):
                    taken[partition] = (asked[partition], found)
        return taken

    def close(self) -> None:
        for leader in list(self._wires):
            self._hang_up(leader)

    def _send(self, leader: BrokerAddress, offsets: Mapping[int, int]) -> None:
        requests = [PartitionFetchRequest(self._topic, at, offset, _MOST_BYTES) for at, offset in offsets.items()]
        try:
            if leader not in self._wires:
                self._wires[leader] = BrokerConnection(leader)
            self._wires[leader].send(FetchRequest(requests, timeout=_HOLD_BACK_MS, min_bytes=1))
        except Unavailable:
            self._drop(leader)
            raise
        self._asked[leader] = offsets

    def _ready(self, leader: BrokerAddress) -> bool:
        try:
            return self._wires[leader].ready(_HOLD_BACK_MS / 1000 + ANSWER_S)
        except Unavailable:
            self._drop(leader)
            raise

    def _receive(self, leader: BrokerAddress) -> FetchResponse:
        try:
            return self._wires[leader].receive(FetchResponse)
        except Unavailable:
            self._drop(leader)
            raise

    def _drop(self, leader: BrokerAddress) -> None:
        self._hang_up(leader)
        self._cluster.forget()

    def _hang_up(self, leader: BrokerAddress) -> None:
        self._asked.pop(leader, None)
        wire = self._wires.pop(leader, None)
        if wire is not None:
            wire.close()


def _from(offset: int, messages: Iterable[Message]) -> Iterable[Fetched]:
    """A batch is given whole, also what lies in it before the offset."""
    return (Fetched(one.offset, one.value or b"") for one in messages if one.offset >= offset)
