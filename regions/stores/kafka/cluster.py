"""Which broker to ask: leaders of partitions, coordinators of groups; and the topics, made where they are not there.

Part of the Kafka events adapter.
"""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
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

from regions.errors import Unavailable
from regions.retry import backoff_s
from regions.stores.events import PARTITIONS
from regions.stores.kafka.connection import BrokerAddress, ConnectionPool, Decode

Leaders = Mapping[int, BrokerAddress]

# How long new topics may take to be known to all, or partitions to get another leader.
_READY_S = 15.0
# Who asks so soon after a failure fails too, so that a broker that hangs does not hold up every thread in turn.
_FAIL_FAST_S = 0.5
_UNKNOWN_TOPIC = 3
_DAY_MS = 24 * 3600 * 1000


class KafkaCluster:
    """Safe to share between threads. `keep_days` says of each topic how long its events are kept; None is for ever."""

    def __init__(self, seeds: Sequence[BrokerAddress], keep_days: Mapping[bytes, int | None]) -> None:
        self.wires = ConnectionPool()
        self._seeds = list(seeds)
        self._keep_days = keep_days
        self._lock = threading.Lock()
        self._leaders: dict[bytes, Leaders] = {}
        self._coordinators: dict[bytes, BrokerAddress] = {}
        self._failed: tuple[float, str] = (float("-inf"), "")

    def leaders(self, topic: bytes) -> Leaders:
        """Of all partitions. Raises Unavailable, also where one has no leader now."""
        with self._lock:
            if topic not in self._leaders:
                self._leaders[topic] = self._learn(topic)
            return self._leaders[topic]

    def coordinator(self, group: bytes) -> BrokerAddress:
        """Who keeps the members and the commits of the group. Raises Unavailable."""
        with self._lock:
            if group not in self._coordinators:
                self._coordinators[group] = self._find_coordinator(group)
            return self._coordinators[group]

    def forget(self) -> None:
        """When somebody was not where we thought: to be asked again."""
        with self._lock:
            self._leaders.clear()
            self._coordinators.clear()

    def close(self) -> None:
        self.wires.close()

    def _find_coordinator(self, group: bytes) -> BrokerAddress:
        for _ in attempts(_READY_S):
            found: BrokerAddress | None = self._ask_any(GroupCoordinatorRequest(group), _read_coordinator)
            if found is not None:
                return found
        raise Unavailable(f"nobody coordinates the group {group.decode()}")

    def _learn(self, topic: bytes) -> Leaders:
        for _ in attempts(_READY_S):
            # pykafka's newest form, the first in which asking for a topic does not make it with the broker's defaults.
            metadata = self._ask_any(MetadataRequestV4(list(self._keep_days), False), MetadataResponseV4)
            leaders = _leaders_of(topic, metadata)
            if leaders is not None and self._lead(topic, leaders):
                return leaders
            self._create([name for name in self._keep_days if metadata.topics[name].err == _UNKNOWN_TOPIC], metadata)
        raise Unavailable(f"the topic {topic.decode()} has not a leader for each of {PARTITIONS} partitions")

    def _lead(self, topic: bytes, leaders: Leaders) -> bool:
        """Whether they know it themselves: that a topic is new, a broker may learn later than others say it."""
        asked: dict[BrokerAddress, list[PartitionOffsetRequest]] = defaultdict(list)
        for partition, leader in leaders.items():
            asked[leader].append(PartitionOffsetRequest(topic, partition, OffsetType.LATEST, 1))
        for leader, requests in asked.items():
            answer = self.wires.ask(leader, ListOffsetRequest(requests), ListOffsetResponse)
            if any(said.err for said in answer.topics[topic].values()):
                return False
        return True

    def _create(self, topics: Collection[bytes], metadata: Any) -> None:
        """What another process makes at the same time Kafka leaves alone."""
        requests = [_to_create(topic, self._keep_days[topic], len(metadata.brokers)) for topic in topics]
        controller = metadata.brokers.get(metadata.controller_id)
        if requests and controller is not None:
            address = (controller.host.decode(), controller.port)
            self.wires.ask(address, CreateTopicsRequest(requests, timeout=2000), bytes)

    def _ask_any(self, request: Any, decode: Decode) -> Any:
        """The first seed that answers, begun with any, so that they share the work."""
        since_s, why = self._failed
        if time.monotonic() - since_s < _FAIL_FAST_S:
            raise Unavailable(why)
        for address in random.sample(self._seeds, len(self._seeds)):
            try:
                return self.wires.ask(address, request, decode)
            except Unavailable as error:
                why = error.detail
        self._failed = (time.monotonic(), why)
        raise Unavailable(why)


def attempts(within_s: float) -> Iterator[int]:
    """Numbers, with growing pauses between them, for as long as Kafka may need to get ready."""
    deadline_s, attempt = time.monotonic() + within_s, 0
    while time.monotonic() < deadline_s:
        yield attempt
        time.sleep(backoff_s(attempt, random.random, first_s=0.03, most_s=0.5))
        attempt += 1


def _leaders_of(topic: bytes, metadata: Any) -> Leaders | None:
    """None where a partition that we need has no leader that is known."""
    found = metadata.topics.get(topic)
    if found is None or found.err:
        return None
    leading = {number: metadata.brokers.get(found.partitions[number].leader) for number in found.partitions}
    if any(leading.get(partition) is None for partition in range(PARTITIONS)):
        return None
    return {partition: (leading[partition].host.decode(), leading[partition].port) for partition in range(PARTITIONS)}


def _to_create(topic: bytes, keep_days: int | None, brokers: int) -> Any:
    """Three copies of which two must have an event before it is acknowledged, where there are so many brokers."""
    settings = {
        b"retention.ms": b"-1" if keep_days is None else str(keep_days * _DAY_MS).encode(),
        b"min.insync.replicas": b"2" if brokers >= 3 else b"1",
        # The messages that pykafka writes carry no time, and without one Kafka can't tell what is old.
        b"message.timestamp.type": b"LogAppendTime",
    }
    return CreateTopicRequest(topic, PARTITIONS, min(3, brokers), [], list(settings.items()))


def _read_coordinator(answer: Any) -> BrokerAddress | None:
    """None while there is none yet: before the first group of all, Kafka makes the topic that keeps the commits."""
    try:
        found = GroupCoordinatorResponse(answer)
    except GroupCoordinatorNotAvailable:
        return None
    return found.coordinator_host.decode(), found.coordinator_port
