"""One member of a consumer group, which reads, commits and keeps its place in one thread. Part of the Kafka adapter."""

import logging
import time
from collections import deque
from collections.abc import Mapping

from pykafka.common import OffsetType
from pykafka.protocol import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    PartitionOffsetCommitRequest,
)

from regions.errors import Unavailable
from regions.events.messages import from_text
from regions.stores.events import PARTITIONS, Delivery
from regions.stores.kafka.cluster import KafkaCluster
from regions.stores.kafka.connection import wait_for
from regions.stores.kafka.fetcher import Fetched, Fetcher
from regions.stores.kafka.group import ILLEGAL_GENERATION, REBALANCE, UNKNOWN_MEMBER, Membership
from regions.stores.kafka.offsets import committed, offsets

log = logging.getLogger(__name__)

_NOW = -1


class KafkaConsumer:
    """`_next` holds the offset to be given next of each partition that is ours."""

    def __init__(self, cluster: KafkaCluster, topic: bytes, group: bytes) -> None:
        self._cluster, self._topic, self._group = cluster, topic, group
        self._place = Membership(cluster, group, topic)
        self._fetcher = Fetcher(cluster, topic)
        self._tenure = 0
        self._next: dict[int, int] = {}
        self._fetched: dict[int, deque[Fetched]] = {}
        self._committed: dict[int, int] = {}
        self._to_commit: dict[int, int] = {}
        self._turn = 0
        self._closed = False
        try:
            self._place.turn()
        except Unavailable:
            self._fetcher.close()
            raise

    def poll(self, limit: int, timeout_s: float) -> list[Delivery]:
        deadline_s = time.monotonic() + timeout_s
        while True:
            mine = self.owned()
            deliveries = self._give(limit, mine)
            if deliveries or self._closed:
                return deliveries
            self._fetcher.ask({partition: self._next[partition] for partition in mine if not self._fetched[partition]})
            left_s = deadline_s - time.monotonic()
            self._wait(min(left_s, self._place.rest_s()))
            if not self._take() and left_s <= 0:
                return []

    def commit(self, partition: int, offset: int) -> None:
        if partition in self._next and not self._closed:
            self._to_commit[partition] = max(offset + 1, self._to_commit.get(partition, 0))
            self._send_commits()

    def owned(self) -> set[int]:
        if self._closed:
            return set()
        self._place.turn()
        self._follow()
        return set(self._next)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._fetcher.close()
        try:
            self._send_commits()
        finally:
            self._next.clear()
            self._place.leave()

    def _follow(self) -> None:
        """Drops what is no longer ours, and begins what is new where the group is."""
        if self._place.tenure != self._tenure:
            self._tenure = self._place.tenure
            self._keep_only(frozenset())
        self._keep_only(self._place.partitions)
        new = self._place.partitions - self._next.keys()
        if new:
            begin = committed(self._cluster, self._group, self._topic)
            if any(begin[partition] is None for partition in new):
                first = offsets(self._cluster, self._topic, OffsetType.EARLIEST)
                begin = {partition: first[partition] if at is None else at for partition, at in begin.items()}
            for partition in new:
                self._committed[partition] = self._next[partition] = begin[partition] or 0
                self._fetched[partition] = deque()
        if self._to_commit:
            self._send_commits()

    def _keep_only(self, partitions: frozenset[int]) -> None:
        for partition in self._next.keys() - partitions:
            for about in (self._next, self._fetched, self._committed, self._to_commit):
                about.pop(partition, None)

    def _give(self, limit: int, mine: set[int]) -> list[Delivery]:
        # Another partition is asked first each time, so that a busy one does not keep the others waiting.
        self._turn += 1
        deliveries: list[Delivery] = []
        for partition in sorted(mine, key=lambda partition: (partition - self._turn) % PARTITIONS):
            waiting = self._fetched[partition]
            while waiting and len(deliveries) < limit:
                deliveries += self._read(partition, waiting.popleft())
        return deliveries

    def _read(self, partition: int, fetched: Fetched) -> list[Delivery]:
        """None of what no publisher of ours has written, so that it does not stop all that comes after it."""
        self._next[partition] = fetched.offset + 1
        try:
            return [Delivery(from_text(fetched.value.decode()), partition, fetched.offset)]
        except (ValueError, TypeError):
            log.exception("not an event", extra={"partition": partition, "offset": fetched.offset})
            return []

    def _take(self) -> bool:
        """Whether anything came. An answer about a place where we no longer are is thrown away."""
        took = False
        for partition, (asked, found) in self._fetcher.take().items():
            if self._next.get(partition) != asked or self._fetched[partition]:
                continue
            if found is None:
                # What was there is deleted already.
                self._next[partition] = offsets(self._cluster, self._topic, OffsetType.EARLIEST)[partition]
            else:
                self._fetched[partition].extend(found)
            took = True
        return took

    def _wait(self, timeout_s: float) -> None:
        wires = self._fetcher.waiting()
        if self._place.wire is not None:
            wires.append(self._place.wire)
        wait_for(wires, timeout_s)

    def _send_commits(self) -> None:
        """What a change of generation refuses stays to be committed, for as long as the partition stays ours."""
        ahead = {at: to for at, to in self._to_commit.items() if to > self._committed.get(at, 0)}
        refused = self._ask_commit(ahead) if ahead else {}
        if unexpected := set(refused.values()) - {0, ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCE}:
            self._cluster.forget()
            raise Unavailable(f"Kafka did not take the commit: errors {unexpected}")
        for partition, to in ahead.items():
            if not refused[partition]:
                self._committed[partition] = to
        self._to_commit = {at: to for at, to in ahead.items() if refused[at]}

    def _ask_commit(self, ahead: Mapping[int, int]) -> dict[int, int]:
        requests = [PartitionOffsetCommitRequest(self._topic, at, to, _NOW, b"") for at, to in ahead.items()]
        request = OffsetCommitRequest(self._group, self._place.generation, self._place.member_id, requests)
        try:
            answer = self._cluster.wires.ask(self._cluster.coordinator(self._group), request, OffsetCommitResponse)
        except Unavailable:
            self._cluster.forget()
            raise
        return {partition: answer.topics[self._topic][partition].err for partition in ahead}
