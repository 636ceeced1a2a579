"""Which broker to call: the leaders of partitions and the coordinators of groups. Creates topics.

Part of the Kafka events adapter.
"""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from pykafka.common import OffsetType
from pykafka.exceptions import GroupCoordinatorNotAvailable
from pykafka.protocol import (
    CreateTopicRequest,
    CreateTopicsRequest,
    GroupCoordinatorRequest,
    GroupCoordinatorResponse,
    ListOffsetRequest,
    ListOffsetResponse,
    MetadataRequestV4,
    MetadataResponseV4,
    PartitionOffsetRequest,
)

from regions.errors import StoreMissing, Unavailable
from regions.stores.kafka.connection import BrokerAddress, ConnectionPool, Decode
from regions.waiting import attempts

Leaders = Mapping[int, BrokerAddress]

# Pauses between attempts while Kafka gets ready.
FIRST_PAUSE_S, MOST_PAUSE_S = 0.03, 0.5
# How long it may take until all brokers know a new topic, or until a partition has another leader.
_READY_S = 15.0
REFRESH_S = 60.0
# A call within this time of a failed one fails at once. Callers wait for one lock, so a broker that hangs
# would otherwise delay every thread by a whole timeout, one after another.
_FAIL_FAST_S = 0.5
UNKNOWN_TOPIC = 3
_DAY_MS = 24 * 3600 * 1000


class KafkaCluster:
    """Safe to share between threads.

    `keep_days`: how long each topic keeps its events, None forever. `create_missing` creates each of them with so many
    `partitions`. `require_stamp` raises until it is sure that the topics are ours.
    """

    def __init__(
        self,
        seeds: Sequence[BrokerAddress],
        keep_days: Mapping[bytes, int | None],
        partitions: int,
        require_stamp: Callable[[], None] = lambda: None,
    ) -> None:
        self.connections = ConnectionPool()
        self._seeds = list(seeds)
        self._keep_days, self._partitions, self._require_stamp = keep_days, partitions, require_stamp
        self._lock = threading.Lock()
        self._leaders: dict[bytes, tuple[float, Leaders]] = {}
        self._coordinators: dict[bytes, BrokerAddress] = {}
        self._last_failure: tuple[float, str] = (float("-inf"), "")

    def leaders(self, topic: bytes) -> Leaders:
        """The leader of each partition that the topic has. Raises Unavailable, also if any has no leader now.

        Read again after `REFRESH_S`, so that partitions that were added become known (docs/adr/0009).
        """
        self._require_stamp()
        with self._lock:
            read_at_s, leaders = self._leaders.get(topic, (0.0, {}))
            if not leaders or time.monotonic() - read_at_s > REFRESH_S:
                leaders = self._find_leaders(topic)
                self._leaders[topic] = time.monotonic(), leaders
            return leaders

    def coordinator(self, group: bytes) -> BrokerAddress:
        """The broker that keeps the group's members and commits. Raises Unavailable."""
        self._require_stamp()
        with self._lock:
            if group not in self._coordinators:
                self._coordinators[group] = self._find_coordinator(group)
            return self._coordinators[group]

    def call(self, address: BrokerAddress, request: Any, decode: Decode) -> Any:
        """The broker's response. Raises Unavailable; then the next call finds out again which broker to call."""
        try:
            return self.connections.call(address, request, decode)
        except Unavailable:
            self.forget()
            raise

    def create_missing(self) -> None:
        """Returns when all topics exist. Raises Unavailable."""
        for _ in attempts(_READY_S, FIRST_PAUSE_S, MOST_PAUSE_S):
            metadata = self._metadata()
            missing = [name for name in self._keep_days if metadata.topics[name].err == UNKNOWN_TOPIC]
            if not missing:
                return
            self._create(missing, metadata)
        raise Unavailable(f"the topics {b', '.join(missing).decode()} could not be created")

    def topics_under(self, prefix: bytes) -> list[bytes]:
        """The names of all topics that start with `prefix`. Raises Unavailable."""
        metadata = self._call_any(MetadataRequestV4([], False), MetadataResponseV4)
        return sorted(name for name in metadata.topics if name.startswith(prefix))

    def forget(self) -> None:
        """Drops what is cached. Call it when a broker failed, or was not the leader or coordinator that we expected."""
        with self._lock:
            self._leaders.clear()
            self._coordinators.clear()

    def close(self) -> None:
        self.connections.close()

    def _find_coordinator(self, group: bytes) -> BrokerAddress:
        for _ in attempts(_READY_S, FIRST_PAUSE_S, MOST_PAUSE_S):
            found: BrokerAddress | None = self._call_any(GroupCoordinatorRequest(group), _read_coordinator)
            if found is not None:
                return found
        raise Unavailable(f"the group {group.decode()} has no coordinator")

    def _find_leaders(self, topic: bytes) -> Leaders:
        for _ in attempts(_READY_S, FIRST_PAUSE_S, MOST_PAUSE_S):
            metadata = self._metadata()
            leaders = _read_leaders(topic, metadata)
            if leaders is not None and self._leaders_ready(topic, leaders):
                return leaders
        if metadata.topics[topic].err == UNKNOWN_TOPIC:
            raise StoreMissing(f"there is no topic {topic.decode()}")
        raise Unavailable(f"the topic {topic.decode()} does not have a leader for each partition")

    def _metadata(self) -> Any:
        # Version 4 is pykafka's newest, and the first that does not create the topics that it names with the broker's
        # defaults.
        return self._call_any(MetadataRequestV4(list(self._keep_days), False), MetadataResponseV4)

    def _leaders_ready(self, topic: bytes, leaders: Leaders) -> bool:
        """Whether each leader itself knows that it leads.

        A broker can learn of a new topic later than the others, and until then rejects every request for it. So we ask
        each for an offset.
        """
        for leader, request in offset_requests(topic, leaders, OffsetType.LATEST).items():
            response = self.connections.call(leader, request, ListOffsetResponse)
            if any(partition.err for partition in response.topics[topic].values()):
                return False
        return True

    def _create(self, topics: Collection[bytes], metadata: Any) -> None:
        """Kafka leaves a topic alone that another process creates at the same time, so the response isn't read."""
        requests = [
            _create_request(topic, self._keep_days[topic], self._partitions, len(metadata.brokers)) for topic in topics
        ]
        controller = metadata.brokers.get(metadata.controller_id)
        if requests and controller is not None:
            address = (controller.host.decode(), controller.port)
            self.connections.call(address, CreateTopicsRequest(requests, timeout=2000), bytes)

    def _call_any(self, request: Any, decode: Decode) -> Any:
        """The response of the first seed that gives one. The order is random, so that the seeds share the load."""
        failed_at_s, reason = self._last_failure
        if time.monotonic() - failed_at_s < _FAIL_FAST_S:
            raise Unavailable(reason)
        for address in random.sample(self._seeds, len(self._seeds)):
            try:
                return self.connections.call(address, request, decode)
            except Unavailable as error:
                reason = error.detail
        self._last_failure = (time.monotonic(), reason)
        raise Unavailable(reason)


def offset_requests(topic: bytes, leaders: Leaders, which: int) -> dict[BrokerAddress, ListOffsetRequest]:
    """For each leader the request for the first or last offset (pykafka's OffsetType) of all its partitions."""
    by_leader: dict[BrokerAddress, list[PartitionOffsetRequest]] = defaultdict(list)
    for partition, leader in leaders.items():
        by_leader[leader].append(PartitionOffsetRequest(topic, partition, which, 1))
    return {leader: ListOffsetRequest(requests) for leader, requests in by_leader.items()}


def _read_leaders(topic: bytes, metadata: Any) -> Leaders | None:
    """None if the topic is missing or any of its partitions has no known leader."""
    found = metadata.topics.get(topic)
    if found is None or found.err:
        return None
    leaders = {number: metadata.brokers.get(partition.leader) for number, partition in found.partitions.items()}
    if None in leaders.values() or not leaders:
        return None
    return {number: (leader.host.decode(), leader.port) for number, leader in sorted(leaders.items())}


def _create_request(topic: bytes, keep_days: int | None, partitions: int, brokers: int) -> Any:
    """With three brokers or more: three replicas, of which two must have an event before it is acknowledged."""
    settings = {
        b"retention.ms": b"-1" if keep_days is None else str(keep_days * _DAY_MS).encode(),
        b"min.insync.replicas": b"2" if brokers >= 3 else b"1",
        # pykafka's messages have no timestamp, and without one Kafka can't tell which are old. So the broker sets it.
        b"message.timestamp.type": b"LogAppendTime",
    }
    return CreateTopicRequest(topic, partitions, min(3, brokers), [], list(settings.items()))


def _read_coordinator(response: Any) -> BrokerAddress | None:
    """None if there is none yet: Kafka creates the topic that stores commits when the first group of all appears."""
    try:
        found = GroupCoordinatorResponse(response)
    except GroupCoordinatorNotAvailable:
        return None
    return found.coordinator_host.decode(), found.coordinator_port
