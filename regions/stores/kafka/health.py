"""The examination of a Kafka: its brokers, the requests they take, our topics, and a topic of its own.

Nothing can be taken off a log, so that what is written goes to a topic that is made for it and removed again.
"""

import secrets
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pykafka.protocol import (
    ApiVersionsRequest,
    ApiVersionsResponse,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    ListOffsetRequestV1,
    MetadataRequestV4,
    MetadataResponseV4,
    PartitionOffsetRequest,
)

from regions.errors import Unavailable
from regions.events.messages import Event
from regions.stores.events import PARTITIONS, partition_of
from regions.stores.health import CheckResult, HealthCheck, Level, clock, run_checks
from regions.stores.kafka.cluster import KafkaCluster
from regions.stores.kafka.connection import ANSWER_S, BrokerAddress, ConnectionPool, wait_for
from regions.stores.kafka.fetcher import Fetcher
from regions.stores.kafka.producer import Producer

# The requests that the adapter sends, by Kafka's numbers, and the version of each: produce, fetch, list offsets,
# metadata, commit, fetch commits, find coordinator, join, heartbeat, leave, sync, create topics.
_SENT = {0: 0, 1: 0, 2: 0, 3: 4, 8: 1, 9: 1, 10: 0, 11: 0, 12: 0, 13: 0, 14: 0, 19: 0}
_DELETE_S = 5.0
_KEEP_DAYS = 1
_MILLISECOND_S = 0.001
_SINCE_EVER_MS = 0
_KEY = "examination"
_REACH = "Check that the brokers at the topology's addresses are up, and their advertised listeners within reach."
_BROKER = "Start the broker again, or take it out of the topology's URL."
_SPEAK = "Run Kafka 3: Kafka 4 has dropped requests that the client sends."
_TOPICS = "Take another prefix, whose topics are made as they must be: to add partitions would move keys to other ones."
_COPIES = "Look for a broker that is down or slow (`kafka-topics.sh --describe --under-replicated-partitions`)."
_WRITE = "See that enough copies are in step (min.insync.replicas), and that topics may be made and deleted."


def check_health(
    wires: ConnectionPool, seeds: Sequence[BrokerAddress], topics: Sequence[bytes], prefix: str
) -> list[CheckResult]:
    """`seeds` are the brokers that the URL names, `topics` those that the adapter uses."""
    return run_checks(
        [
            HealthCheck("reachable", lambda: _reach(wires, seeds), _REACH),
            HealthCheck("requests", lambda: _requests(wires, seeds), _SPEAK),
            HealthCheck("topics", lambda: judge_topics(topics, _metadata(wires, seeds, topics)), _TOPICS),
            HealthCheck("write, read, delete", lambda: _write(wires, seeds, prefix), _WRITE),
        ]
    )


def judge_topics(topics: Sequence[bytes], metadata: Any) -> str | CheckResult:
    """Pure. Those that are not there yet are made when they are first needed."""
    found = [metadata.topics[topic] for topic in topics if not metadata.topics[topic].err]
    partitions = [one for topic in found for one in topic.partitions.values()]
    if other := [topic for topic in found if len(topic.partitions) != PARTITIONS]:
        said = ", ".join(f"{topic.name.decode()} has {len(topic.partitions)}" for topic in other)
        level = Level.FAILURE if any(len(topic.partitions) < PARTITIONS for topic in other) else Level.WARNING
        return CheckResult("topics", level, f"there must be {PARTITIONS} partitions: {said}", _TOPICS)
    if any(one.leader not in metadata.brokers for one in partitions):
        return CheckResult("topics", Level.FAILURE, "some partitions have no leader", _COPIES)
    if any(len(one.isr) < len(one.replicas) for one in partitions):
        return CheckResult("topics", Level.WARNING, "some partitions have copies that lag behind", _COPIES)
    return f"{len(found)} of {len(topics)} are made, of {PARTITIONS} partitions each"


def _reach(wires: ConnectionPool, seeds: Sequence[BrokerAddress]) -> str | CheckResult:
    away = []
    for seed in seeds:
        try:
            _versions(wires, seed)
        except Unavailable as error:
            away.append(error.detail)
    if len(away) == len(seeds):
        raise Unavailable(away[0])
    if away:
        return CheckResult("reachable", Level.WARNING, "; ".join(away), _BROKER)
    return f"Kafka, all of {len(seeds)} brokers"


def _requests(wires: ConnectionPool, seeds: Sequence[BrokerAddress]) -> str | CheckResult:
    takes = _ask_any(seeds, lambda seed: _versions(wires, seed))
    refused = [key for key, sent in _SENT.items() if key not in takes or not takes[key].min <= sent <= takes[key].max]
    if refused:
        return CheckResult("requests", Level.FAILURE, f"it does not take the requests {refused}", _SPEAK)
    return "it takes all that we send"


def _write(wires: ConnectionPool, seeds: Sequence[BrokerAddress], prefix: str) -> list[CheckResult]:
    own = f"examination-{secrets.token_hex(8)}"
    topic = f"{prefix}.{own}".encode()
    cluster = KafkaCluster(seeds, {topic: _KEEP_DAYS})
    try:
        cluster.leaders(topic)
        sent_s = time.time()
        Producer(cluster, prefix).publish([Event(own, _KEY, own, int(sent_s * 1000), {})])
        received_s = time.time()
        _read(cluster, topic)
        said_ms = _taken_at_ms(cluster, topic)
    finally:
        cluster.close()
        _delete(wires, seeds, topic)
    done = CheckResult("write, read, delete", Level.OK, "done, on a topic of its own")
    return [done, clock(said_ms / 1000, _MILLISECOND_S, sent_s, received_s)]


def _read(cluster: KafkaCluster, topic: bytes) -> None:
    partition, fetcher = partition_of(_KEY), Fetcher(cluster, topic)
    try:
        fetcher.ask({partition: 0})
        wait_for(fetcher.waiting(), ANSWER_S)
        if not fetcher.take().get(partition, (0, None))[1]:
            raise Unavailable("what was written was not read again")
    finally:
        fetcher.close()


def _taken_at_ms(cluster: KafkaCluster, topic: bytes) -> int:
    """When the leader appended our event, by its clock: the topics are made so that it says that (LogAppendTime)."""
    partition = partition_of(_KEY)
    request = ListOffsetRequestV1([PartitionOffsetRequest(topic, partition, _SINCE_EVER_MS, 1)])
    answer = cluster.wires.ask(cluster.leaders(topic)[partition], request, bytes)
    # pykafka reads a list of offsets here, where this version of the answer has one: error, time, offset at its end.
    _, said_ms, _ = struct.unpack("!hqq", answer[-18:])
    return int(said_ms)


def _delete(wires: ConnectionPool, seeds: Sequence[BrokerAddress], topic: bytes) -> None:
    metadata = _metadata(wires, seeds, [topic])
    controller = metadata.brokers.get(metadata.controller_id)
    if controller is None:
        raise Unavailable("the cluster has no controller")
    if not metadata.topics[topic].err:
        request = DeleteTopicsRequest([topic], timeout=int(_DELETE_S * 1000))
        wires.ask((controller.host.decode(), controller.port), request, DeleteTopicsResponse, 2 * _DELETE_S)


def _metadata(wires: ConnectionPool, seeds: Sequence[BrokerAddress], topics: Sequence[bytes]) -> Any:
    """Makes no topic."""
    request = MetadataRequestV4(list(topics), False)
    return _ask_any(seeds, lambda seed: wires.ask(seed, request, MetadataResponseV4))


def _versions(wires: ConnectionPool, seed: BrokerAddress) -> Mapping[int, Any]:
    found: Mapping[int, Any] = wires.ask(seed, ApiVersionsRequest(), ApiVersionsResponse).api_versions
    return found


def _ask_any(seeds: Sequence[BrokerAddress], ask: Callable[[BrokerAddress], Any]) -> Any:
    """The answer of the first that gives one."""
    for seed in seeds[:-1]:
        with suppress(Unavailable):
            return ask(seed)
    return ask(seeds[-1])
