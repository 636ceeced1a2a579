"""The events port over Kafka 3: topics `PREFIX.TOPIC`, groups `PREFIX.GROUP.TOPIC`.

A group's name includes its topic, because Kafka's groups span topics: a member that joins for one topic would
interrupt those that read another. Kafka keeps events for `KEEP_DAYS`, whether or not they were committed, and dead
letters forever. So a group that is further behind finds a gap. One that had no member for a week (Kafka's
offsets.retention.minutes) starts again with the oldest event, and finds one too, unless that is the first of all. No
thread is started: callers do what has to be done, such as heartbeats, within their calls.
"""

from collections.abc import Sequence
from functools import partial

from pykafka.common import OffsetType

from regions.events.messages import Event
from regions.stores.events import LogConsumer
from regions.stores.health import CheckResult
from regions.stores.kafka import health
from regions.stores.kafka.consumer import KafkaConsumer
from regions.stores.kafka.offsets import committed_offsets, log_offsets
from regions.stores.kafka.producer import Producer
from regions.stores.kafka.stamped_topics import KafkaLog, read_stamp
from regions.stores.stamp import StampCheck, StoreRegion


class KafkaEvents:
    """Safe to share between threads. Close the consumers first. Connects only when needed."""

    def __init__(self, log: KafkaLog, ours: StoreRegion) -> None:
        stamp = StampCheck(ours, partial(read_stamp, log))
        self._log, self._stamp = log, stamp
        self._cluster = log.connect(stamp.require)
        self._producer = Producer(self._cluster, log.prefix)

    def publish(self, events: Sequence[Event]) -> None:
        """In the given order for each key. Raises TooLarge, with nothing published, if an event is over 512 KiB."""
        self._producer.publish(events)

    def consumer(self, topic: str, group: str, member: str) -> LogConsumer:
        """Kafka gives members their ids itself, so two consumers never share one."""
        return KafkaConsumer(self._cluster, self._log.topic(topic), self._group(topic, group), topic)

    def lag(self, topic: str, group: str) -> dict[int, int]:
        name = self._log.topic(topic)
        committed = committed_offsets(self._cluster, self._group(topic, group), name)
        first = log_offsets(self._cluster, name, OffsetType.EARLIEST)
        end = log_offsets(self._cluster, name, OffsetType.LATEST)
        return {partition: end[partition] - max(first[partition], committed[partition] or 0) for partition in end}

    def check_health(self) -> list[CheckResult]:
        """Takes a moment, because it creates a topic and deletes it."""
        return health.check_health(self._cluster.connections, self._log, self._stamp)

    def close(self) -> None:
        self._cluster.close()

    def _group(self, topic: str, group: str) -> bytes:
        return f"{self._log.prefix}.{group}.{topic}".encode()
