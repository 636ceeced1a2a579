"""The events port over Kafka 3: topics `PREFIX.TOPIC`, groups `PREFIX.GROUP.TOPIC`.

A group's name includes its topic, because Kafka's groups span topics: a member that joins for one topic would
interrupt those that read another. Kafka keeps events for `KEEP_DAYS`, whether or not they were committed, and dead
letters forever. A group that had no member for a week (Kafka's offsets.retention.minutes) starts again with the oldest
event. No thread is started: callers do what has to be done, such as heartbeats, within their calls.
"""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from pykafka.common import OffsetType

from regions.errors import TopologyError
from regions.events.messages import Event
from regions.events.topics import DEAD_LETTERS, TOPICS
from regions.stores.events import Consumer
from regions.stores.health import CheckResult
from regions.stores.kafka import health
from regions.stores.kafka.cluster import KafkaCluster
from regions.stores.kafka.connection import BrokerAddress
from regions.stores.kafka.consumer import KafkaConsumer
from regions.stores.kafka.offsets import committed_offsets, log_offsets
from regions.stores.kafka.producer import Producer
from regions.stores.partitioner import partitions_in

KEEP_DAYS = 28
PARTITIONS = 256
"""How many a topic gets when it is created, unless the URL says another number: the most processors of a region."""
# The characters that Kafka allows in the names of topics.
_PREFIX = r"[A-Za-z0-9._-]{1,100}"


class KafkaEvents:
    """Safe to share between threads. Close the consumers first. Connects, and creates topics, only when needed."""

    def __init__(self, url: str) -> None:
        """`kafka://host:port[,host:port]/PREFIX[?partitions=N]`: some of the brokers, which know the others.

        A topic that is missing is created with N partitions. Raises TopologyError.
        """
        self._seeds, self._prefix = _parse(url)
        keep_days = {self._topic(topic): None if topic == DEAD_LETTERS else KEEP_DAYS for topic in TOPICS}
        self._cluster = KafkaCluster(self._seeds, keep_days, partitions_in(url, PARTITIONS))
        self._producer = Producer(self._cluster, self._prefix)

    def publish(self, events: Sequence[Event]) -> None:
        """In the given order for each key. Raises TooLarge, with nothing published, if an event is over 512 KiB."""
        self._producer.publish(events)

    def consumer(self, topic: str, group: str, member: str) -> Consumer:
        """Kafka gives members their ids itself, so two consumers never share one."""
        return KafkaConsumer(self._cluster, self._topic(topic), self._group(topic, group), topic)

    def lag(self, topic: str, group: str) -> dict[int, int]:
        name = self._topic(topic)
        committed = committed_offsets(self._cluster, self._group(topic, group), name)
        first = log_offsets(self._cluster, name, OffsetType.EARLIEST)
        end = log_offsets(self._cluster, name, OffsetType.LATEST)
        return {partition: end[partition] - max(first[partition], committed[partition] or 0) for partition in end}

    def check_health(self) -> list[CheckResult]:
        """Takes a moment, because it creates a topic and deletes it."""
        topics = [self._topic(topic) for topic in TOPICS]
        return health.check_health(self._cluster.connections, self._seeds, topics, self._prefix)

    def close(self) -> None:
        self._cluster.close()

    def _group(self, topic: str, group: str) -> bytes:
        return f"{self._prefix}.{group}.{topic}".encode()

    def _topic(self, topic: str) -> bytes:
        return f"{self._prefix}.{topic}".encode()


def _parse(url: str) -> tuple[list[BrokerAddress], str]:
    split = urlsplit(url)
    prefix = split.path.strip("/")
    hosts = [host.rpartition(":") for host in split.netloc.split(",")]
    if not re.fullmatch(_PREFIX, prefix) or not all(host and port.isdecimal() for host, _, port in hosts):
        raise TopologyError(f"{url!r} must be kafka://host:port[,host:port]/PREFIX[?partitions=N]")
    return [(host, int(port)) for host, _, port in hosts], prefix
