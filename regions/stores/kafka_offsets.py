"""Where a log begins and ends, and where a group is in it. Part of the Kafka events adapter."""

from collections import defaultdict

from pykafka.protocol import (
    ListOffsetRequest,
    ListOffsetResponse,
    OffsetFetchRequestV1,
    OffsetFetchResponseV1,
    PartitionOffsetFetchRequest,
    PartitionOffsetRequest,
)

from regions.errors import Unavailable
from regions.stores.events import PARTITIONS
from regions.stores.kafka_cluster import Cluster
from regions.stores.kafka_wire import Address


def offsets(cluster: Cluster, topic: bytes, which: int) -> dict[int, int]:
    """By partition the first offset (pykafka's OffsetType.EARLIEST) or the one after the last (LATEST)."""
    requests: dict[Address, list[PartitionOffsetRequest]] = defaultdict(list)
    for partition, leader in cluster.leaders(topic).items():
        requests[leader].append(PartitionOffsetRequest(topic, partition, which, 1))
    found: dict[int, int] = {}
    for leader, asked in requests.items():
        answer = _ask(cluster, leader, ListOffsetRequest(asked), ListOffsetResponse)
        for partition, said in answer.topics[topic].items():
            _check(cluster, said.err)
            found[partition] = said.offset[0]
    return found


def committed(cluster: Cluster, group: bytes, topic: bytes) -> dict[int, int | None]:
    """By partition the offset with which the group goes on; None where it never committed."""
    asked = [PartitionOffsetFetchRequest(topic, partition) for partition in range(PARTITIONS)]
    request = OffsetFetchRequestV1(group, asked)
    answer = _ask(cluster, cluster.coordinator(group), request, OffsetFetchResponseV1)
    for said in answer.topics[topic].values():
        _check(cluster, said.err)
    return {partition: said.offset if said.offset >= 0 else None for partition, said in answer.topics[topic].items()}


def _ask(cluster: Cluster, address: Address, request: object, decode: type) -> OffsetFetchResponseV1:
    try:
        return cluster.wires.ask(address, request, decode)
    except Unavailable:
        cluster.forget()
        raise


def _check(cluster: Cluster, code: int) -> None:
    if code:
        cluster.forget()
        raise Unavailable(f"Kafka does not tell its offsets: error {code}")
