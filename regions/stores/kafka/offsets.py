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
from regions.stores.kafka.cluster import KafkaCluster, attempts
from regions.stores.kafka.connection import BrokerAddress

# How long a coordinator may need to read what it keeps.
_READY_S = 3.0


def offsets(cluster: KafkaCluster, topic: bytes, which: int) -> dict[int, int]:
    """By partition the first offset (pykafka's OffsetType.EARLIEST) or the one after the last (LATEST)."""
    requests: dict[BrokerAddress, list[PartitionOffsetRequest]] = defaultdict(list)
    for partition, leader in cluster.leaders(topic).items():
        requests[leader].append(PartitionOffsetRequest(topic, partition, which, 1))
    found: dict[int, int] = {}
    for leader, asked in requests.items():
        answer = _ask(cluster, leader, ListOffsetRequest(asked), ListOffsetResponse)
        for partition, said in answer.topics[topic].items():
            if said.err:
                cluster.forget()
                raise Unavailable(f"Kafka does not tell its offsets: error {said.err}")
            found[partition] = said.offset[0]
    return found


def committed(cluster: KafkaCluster, group: bytes, topic: bytes) -> dict[int, int | None]:
    """By partition the offset with which the group goes on; None where it never committed."""
    asked = [PartitionOffsetFetchRequest(topic, partition) for partition in range(PARTITIONS)]
    request = OffsetFetchRequestV1(group, asked)
    for _ in attempts(_READY_S):
        answer = _ask(cluster, cluster.coordinator(group), request, OffsetFetchResponseV1)
        # Empty while the coordinator is not ready: this version of the answer has no place for its error.
        said = answer.topics.get(topic, {})
        if said and not any(one.err for one in said.values()):
            return {partition: one.offset if one.offset >= 0 else None for partition, one in said.items()}
        cluster.forget()
    raise Unavailable(f"the commits of the group {group.decode()} are not to be had")


def _ask(cluster: KafkaCluster, address: BrokerAddress, request: object, decode: type) -> OffsetFetchResponseV1:
    try:
        return cluster.wires.ask(address, request, decode)
    except Unavailable:
        cluster.forget()
        raise
