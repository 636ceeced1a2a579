"""One member of a consumer group: reads, commits and stays a member, all in its caller's thread.

Part of the Kafka events adapter.
"""

import logging
import time
from collections import deque

from pykafka.common import OffsetType
from pykafka.protocol import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    PartitionOffsetCommitRequest,
)

from regions.errors import Unavailable
from regions.events.messages import read
from regions.stores.events import Delivery, Gap
from regions.stores.kafka.cluster import KafkaCluster
from regions.stores.kafka.connection import wait_for
from regions.stores.kafka.fetcher import Fetched, Fetcher
from regions.stores.kafka.group import ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER_ID, Membership
from regions.stores.kafka.offsets import committed_offsets, log_offsets

log = logging.getLogger(__name__)

_BROKER_SETS_TIME = -1
# A commit with one of these errors came during or after a rebalance, which `Membership.poll` learns of by itself.
_REBALANCING = {ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, REBALANCE_IN_PROGRESS}


class KafkaConsumer:
    """`name` is what the port calls the topic: without the prefix.

    All dicts below are by partition, and hold only partitions that are ours.

    _next        the offset to deliver next
    _fetched     events that have come from there on and are yet to be delivered
    _gaps        those that begin there: Kafka has no event at that offset any more
    _committed   the offset that the group has committed, as far as we know
    _to_commit   offsets that our caller has committed and Kafka has not accepted yet
    """

    def __init__(self, cluster: KafkaCluster, topic: bytes, group: bytes, name: str) -> None:
        self._cluster, self._topic, self._group, self._name = cluster, topic, group, name
        self._membership = Membership(cluster, group, topic)
        self._fetcher = Fetcher(cluster, topic)
        self._epoch = 0
        self._next: dict[int, int] = {}
        self._fetched: dict[int, deque[Fetched]] = {}
        self._gaps: dict[int, Gap] = {}
        self._committed: dict[int, int] = {}
        self._to_commit: dict[int, int] = {}
        self._polls = 0
        self._closed = False
        self._membership.poll()

    def poll(self, limit: int, timeout_s: float) -> list[Delivery]:
        deadline_s = time.monotonic() + timeout_s
        while True:
            owned = self.owned()
            deliveries = self._deliver(limit, owned)
            if deliveries or self._closed:
                return deliveries
            # Only when nothing is left to deliver, so that no more than a response of each leader is in memory.
            wanted = [number for number in owned if not self._fetched[number] and number not in self._gaps]
            self._fetcher.request({number: self._next[number] for number in wanted})
            left_s = deadline_s - time.monotonic()
            connections = self._fetcher.waiting()
            if self._membership.waiting_connection is not None:
                connections.append(self._membership.waiting_connection)
            wait_for(connections, min(left_s, self._membership.idle_s()))
            if not self._take_fetched() and left_s <= 0:
                return []

    def commit(self, partition: int, offset: int) -> None:
        if partition in self._next and not self._closed:
            self._to_commit[partition] = max(offset + 1, self._to_commit.get(partition, 0))
            self._send_commits()

    def owned(self) -> set[int]:
        if self._closed:
            return set()
        self._membership.poll()
        self._follow_assignment()
        return set(self._next)

    def generation(self) -> int:
        return self._membership.generation

    def gaps(self) -> list[Gap]:
        return list(self._gaps.values())

    def skip(self, gap: Gap) -> None:
        if self._gaps.get(gap.partition) == gap:
            del self._gaps[gap.partition]
            self._next[gap.partition] = gap.end
            if self._committed[gap.partition] == gap.first:
                self.commit(gap.partition, gap.end - 1)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._fetcher.close()
        try:
            self._send_commits()
        finally:
            self._next.clear()
            self._membership.leave()

    def _follow_assignment(self) -> None:
        """Drops partitions that are no longer ours; starts new ones at the group's commit.

        In a new epoch it drops all first, so that each starts again at the group's commit: another member may have
        read and committed it in between (`group` says why).
        """
        if self._membership.epoch != self._epoch:
            self._epoch = self._membership.epoch
            self._keep_only(frozenset())
        self._keep_only(self._membership.partitions)
        added = self._membership.partitions - self._next.keys()
        if added:
            start = committed_offsets(self._cluster, self._group, self._topic)
            for partition in added:
                self._committed[partition] = self._next[partition] = start[partition] or 0
                self._fetched[partition] = deque()
        if self._to_commit:
            self._send_commits()

    def _keep_only(self, partitions: frozenset[int]) -> None:
        for partition in self._next.keys() - partitions:
            for by_partition in (self._next, self._fetched, self._gaps, self._committed, self._to_commit):
                by_partition.pop(partition, None)

    def _deliver(self, limit: int, owned: set[int]) -> list[Delivery]:
        # Each poll starts with another partition, so that a busy one does not starve the others.
        self._polls += 1
        first = self._polls % max(1, len(owned))
        deliveries: list[Delivery] = []
        for partition in [*sorted(owned)[first:], *sorted(owned)[:first]]:
            waiting = self._fetched[partition]
            while waiting and len(deliveries) < limit:
                fetched = waiting.popleft()
                self._next[partition] = fetched.offset + 1
                deliveries.append(self._decode(partition, fetched))
        return deliveries

    def _decode(self, partition: int, fetched: Fetched) -> Delivery:
        text = (fetched.value or b"").decode(errors="backslashreplace")
        event = read(self._name, f"{partition}:{fetched.offset}", text)
        return Delivery(event, partition, fetched.offset)

    def _take_fetched(self) -> bool:
        """Whether anything came.

        A response can be out of date: the partition was taken from us since the request, we have another position in
        it, or, after a change of leader, both leaders responded. Such a response is thrown away.
        """
        took = False
        for partition, (requested, found) in self._fetcher.take().items():
            if self._next.get(partition) != requested or self._fetched[partition]:
                continue
            if found is None:
                self._leave_range(partition)
            else:
                self._fetched[partition].extend(found)
            took = True
        return took

    def _leave_range(self, partition: int) -> None:
        """Kafka has no event at our offset: it has deleted what was there, or lost the end of the log with a broker."""
        first, position = log_offsets(self._cluster, self._topic, OffsetType.EARLIEST)[partition], self._next[partition]
        if first > position:
            self._gaps[partition] = Gap(partition, position, first)
        else:
            log.error("the log has lost its end: read again from its beginning", extra={"partition": partition})
            self._next[partition] = first

    def _send_commits(self) -> None:
        """A commit that is rejected because of a rebalance stays in `_to_commit`, and is sent again at each poll.

        It is dropped with its partition, or with all partitions in a new epoch.
        """
        ahead = {number: to for number, to in self._to_commit.items() if to > self._committed.get(number, 0)}
        errors = self._request_commit(ahead) if ahead else {}
        if unexpected := set(errors.values()) - {0} - _REBALANCING:
            self._cluster.forget()
            raise Unavailable(f"Kafka did not accept the commit: errors {unexpected}")
        for partition, to in ahead.items():
            if not errors[partition]:
                self._committed[partition] = to
        self._to_commit = {partition: to for partition, to in ahead.items() if errors[partition]}

    def _request_commit(self, offsets: dict[int, int]) -> dict[int, int]:
        """Kafka's error code for each partition, 0 if there is none."""
        requests = [
            PartitionOffsetCommitRequest(self._topic, partition, to, _BROKER_SETS_TIME, b"")
            for partition, to in offsets.items()
        ]
        request = OffsetCommitRequest(self._group, self._membership.generation, self._membership.member_id, requests)
        response = self._cluster.call(self._cluster.coordinator(self._group), request, OffsetCommitResponse)
        return {partition: response.topics[self._topic][partition].err for partition in offsets}
