"""The health check of a Kafka: its brokers, the requests that they support, our topics, and a write and a read.

A single event can't be deleted from a log, so the write goes to a topic of its own, which is then deleted.
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
from regions.events.topics import TOPICS
from regions.stores.health import CheckResult, HealthCheck, Level, clock, run_checks
from regions.stores.kafka.cluster import UNKNOWN_TOPIC, KafkaCluster
from regions.stores.kafka.connection import RESPONSE_S, BrokerAddress, ConnectionPool, wait_for
from regions.stores.kafka.fetcher import Fetcher
from regions.stores.kafka.producer import Producer
from regions.stores.kafka.stamped_topics import KafkaLog
from regions.stores.stamp import StampCheck

# The requests that the adapter sends, by Kafka's numbers, and the version of each: produce, fetch, list offsets,
# metadata, commit, fetch commits, find coordinator, join, heartbeat, leave, sync, create topics.
_SENT = {0: 0, 1: 0, 2: 0, 3: 4, 8: 1, 9: 1, 10: 0, 11: 0, 12: 0, 13: 0, 14: 0, 19: 0}
_DELETE_S = 5.0
_KEEP_DAYS = 1
_MILLISECOND_S = 0.001
_SINCE_EVER_MS = 0
_KEY = "health-check"
_REACH = "Check that the brokers at the topology's addresses are up, and that their advertised listeners are reachable."
_PREPARE = "Run `darkroom prepare`, which creates them."
_BROKER = "Start the broker again, or take it out of the topology's URL."
_VERSION = "Run Kafka 3: Kafka 4 has dropped requests that the client sends."
_REPLICAS = "Look for a broker that is down or slow (`kafka-topics.sh --describe --under-replicated-partitions`)."
_WRITE = "See that enough replicas are in sync (min.insync.replicas), and that we may create and delete topics."


def check_health(connections: ConnectionPool, log: KafkaLog, stamp: StampCheck) -> list[CheckResult]:
    seeds, prefix, topics = log.seeds, log.prefix, [log.topic(name) for name in TOPICS]
    return run_checks(
        [
            HealthCheck("reachable", lambda: _reach(connections, seeds), _REACH),
            HealthCheck("requests", lambda: _requests(connections, seeds), _VERSION),
            HealthCheck("stamp", lambda: _owned(stamp), _PREPARE),
            HealthCheck("topics", lambda: evaluate_topics(topics, _metadata(connections, seeds, topics)), _REPLICAS),
            HealthCheck("write, read, delete", lambda: _write(connections, seeds, prefix), _WRITE),
        ]
    )


def evaluate_topics(topics: Sequence[bytes], metadata: Any) -> str | CheckResult:
    """Pure."""
    if missing := [topic.decode() for topic in topics if metadata.topics[topic].err == UNKNOWN_TOPIC]:
        return CheckResult("topics", Level.FAILURE, f"missing: {', '.join(missing)}", _PREPARE)
    found = [metadata.topics[topic] for topic in topics if not metadata.topics[topic].err]
    partitions = [partition for topic in found for partition in topic.partitions.values()]
    if any(partition.leader not in metadata.brokers for partition in partitions):
        return CheckResult("topics", Level.FAILURE, "some partitions have no leader", _REPLICAS)
    if any(len(partition.isr) < len(partition.replicas) for partition in partitions):
        return CheckResult("topics", Level.WARNING, "some partitions have replicas that lag behind", _REPLICAS)
    counts = sorted({len(topic.partitions) for topic in found})
    return f"{len(found)} of {len(topics)} exist, with {' or '.join(map(str, counts)) or 'no'} partitions each"


def _owned(stamp: StampCheck) -> str:
    stamp.require()
    return "this region's"


def _reach(connections: ConnectionPool, seeds: Sequence[BrokerAddress]) -> str | CheckResult:
    errors = []
    for seed in seeds:
        try:
            _versions(connections, seed)
        except Unavailable as error:
            errors.append(error.detail)
    if len(errors) == len(seeds):
        raise Unavailable(errors[0])
    if errors:
        return CheckResult("reachable", Level.WARNING, "; ".join(errors), _BROKER)
    return f"Kafka, all of {len(seeds)} brokers"


def _requests(connections: ConnectionPool, seeds: Sequence[BrokerAddress]) -> str | CheckResult:
    supported = _call_any(seeds, lambda seed: _versions(connections, seed))
    missing = [
        key
        for key, version in _SENT.items()
        if key not in supported or not supported[key].min <= version <= supported[key].max
    ]
    if missing:
        return CheckResult("requests", Level.FAILURE, f"it does not support the requests {missing}", _VERSION)
    return "it supports all that we send"


def _write(connections: ConnectionPool, seeds: Sequence[BrokerAddress], prefix: str) -> list[CheckResult]:
    name = f"health-check-{secrets.token_hex(8)}"
    topic = f"{prefix}.{name}".encode()
    cluster = KafkaCluster(seeds, {topic: _KEEP_DAYS}, partitions=1)
    try:
        cluster.create_missing()
        cluster.leaders(topic)
        sent_s = time.time()
        Producer(cluster, prefix).publish([Event(name, _KEY, name, int(sent_s * 1000), {})])
        received_s = time.time()
        _read(cluster, topic)
        appended_ms = _appended_at_ms(cluster, topic)
    finally:
        cluster.close()
        _delete(connections, seeds, topic)
    done = CheckResult("write, read, delete", Level.OK, "done, on a topic of its own")
    return [done, clock(appended_ms / 1000, _MILLISECOND_S, sent_s, received_s)]


def _read(cluster: KafkaCluster, topic: bytes) -> None:
    fetcher = Fetcher(cluster, topic)
    try:
        fetcher.request({0: 0})
        wait_for(fetcher.waiting(), RESPONSE_S)
        if not fetcher.take().get(0, (0, None))[1]:
            raise Unavailable("the event that was written could not be read")
    finally:
        fetcher.close()


def _appended_at_ms(cluster: KafkaCluster, topic: bytes) -> int:
    """When the leader appended our event, by its own clock: our topics have LogAppendTime timestamps."""
    request = ListOffsetRequestV1([PartitionOffsetRequest(topic, 0, _SINCE_EVER_MS, 1)])
    response = cluster.connections.call(cluster.leaders(topic)[0], request, bytes)
    # pykafka expects a list of offsets here, but this version of the response ends with error, timestamp and offset.
    _, appended_ms, _ = struct.unpack("!hqq", response[-18:])
    return int(appended_ms)


def _delete(connections: ConnectionPool, seeds: Sequence[BrokerAddress], topic: bytes) -> None:
    metadata = _metadata(connections, seeds, [topic])
    controller = metadata.brokers.get(metadata.controller_id)
    if controller is None:
        raise Unavailable("the cluster has no controller")
    if not metadata.topics[topic].err:
        request = DeleteTopicsRequest([topic], timeout=int(_DELETE_S * 1000))
        connections.call((controller.host.decode(), controller.port), request, DeleteTopicsResponse, 2 * _DELETE_S)


def _metadata(connections: ConnectionPool, seeds: Sequence[BrokerAddress], topics: Sequence[bytes]) -> Any:
    """Does not create the topics."""
    request = MetadataRequestV4(list(topics), False)
    return _call_any(seeds, lambda seed: connections.call(seed, request, MetadataResponseV4))


def _versions(connections: ConnectionPool, seed: BrokerAddress) -> Mapping[int, Any]:
    versions: Mapping[int, Any] = connections.call(seed, ApiVersionsRequest(), ApiVersionsResponse).api_versions
    return versions


def _call_any(seeds: Sequence[BrokerAddress], call: Callable[[BrokerAddress], Any]) -> Any:
    """What `call` returns for the first seed for which it doesn't raise Unavailable."""
    for seed in seeds[:-1]:
        with suppress(Unavailable):
            return call(seed)
    return call(seeds[-1])
