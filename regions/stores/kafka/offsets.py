"""Where a log begins and ends, and what a group has committed. Part of the Kafka events adapter."""

from pykafka.protocol import (
    ListOffsetResponse,
    OffsetFetchRequestV1,
    OffsetFetchResponseV1,
    PartitionOffsetFetchRequest,
)

from regions.errors import Unavailable
from regions.stores.kafka.cluster import FIRST_PAUSE_S, MOST_PAUSE_S, KafkaCluster, offset_requests
from regions.waiting import attempts

# How long a coordinator may need to load the commits that it keeps.
_LOAD_COMMITS_S = 3.0


def log_offsets(cluster: KafkaCluster, topic: bytes, which: int) -> dict[int, int]:
    """For each partition the first offset (pykafka's OffsetType.EARLIEST) or the one after the last (LATEST)."""
    found: dict[int, int] = {}
    for leader, request in offset_requests(topic, cluster.leaders(topic), which).items():
        response = cluster.call(leader, request, ListOffsetResponse)
        for partition, result in response.topics[topic].items():
            if result.err:
                cluster.forget()
                raise Unavailable(f"Kafka does not return offsets: error {result.err}")
            found[partition] = result.offset[0]
    return found


def committed_offsets(cluster: KafkaCluster, group: bytes, topic: bytes) -> dict[int, int | None]:
    """For each partition the offset at which the group continues; None if it never committed."""
    partitions = [PartitionOffsetFetchRequest(topic, number) for number in cluster.leaders(topic)]
    request = OffsetFetchRequestV1(group, partitions)
    for _ in attempts(_LOAD_COMMITS_S, FIRST_PAUSE_S, MOST_PAUSE_S):
        response = cluster.call(cluster.coordinator(group), request, OffsetFetchResponseV1)
        # Empty while the coordinator is not ready: this version of the response has no field for that error.
        results = response.topics.get(topic, {})
        if results and not any(result.err for result in results.values()):
            return {number: result.offset if result.offset >= 0 else None for number, result in results.items()}
        cluster.forget()
    raise Unavailable(f"the commits of the group {group.decode()} are unavailable")
