"""A region's topics: where they are, and their stamp, which is the name of a topic without events.

Kafka has no place for a text of ours beside a topic, but the names of topics can be listed.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

from regions.errors import TopologyError, WrongStore
from regions.events.topics import DEAD_LETTERS, TOPICS
from regions.stores.kafka.cluster import KafkaCluster
from regions.stores.kafka.connection import BrokerAddress
from regions.stores.partitioner import partitions_in
from regions.stores.stamp import Stamp, StoreRegion, require_region
from regions.waiting import attempts

KEEP_DAYS = 28
PARTITIONS = 256
"""How many a topic gets when it is created, unless the URL says another number: the most processors of a region."""
# The characters that Kafka allows in the names of topics.
_PREFIX = r"[A-Za-z0-9._-]{1,100}"
_SEEN_WITHIN_S = 15.0
_STAMP = re.compile(r"stamp\.([A-Za-z0-9_-]+)\.([0-9]{1,3})\.([0-9a-f]{1,32})")


@dataclass(frozen=True, slots=True)
class KafkaLog:
    """Some of the brokers, which know the others, and the prefix of the topics and groups."""

    seeds: Sequence[BrokerAddress]
    prefix: str
    partitions: int

    def topic(self, name: str) -> bytes:
        return f"{self.prefix}.{name}".encode()

    def connect(self, require_stamp: Callable[[], None] = lambda: None) -> KafkaCluster:
        """Sends no request yet. `require_stamp` is called before the first one."""
        keep_days = {self.topic(name): None if name == DEAD_LETTERS else KEEP_DAYS for name in TOPICS}
        return KafkaCluster(self.seeds, keep_days, self.partitions, require_stamp)


def parse_url(url: str) -> KafkaLog:
    """`kafka://host:port[,host:port]/PREFIX[?partitions=N]`. Raises TopologyError."""
    split = urlsplit(url)
    prefix = split.path.strip("/")
    hosts = [host.rpartition(":") for host in split.netloc.split(",")]
    if not re.fullmatch(_PREFIX, prefix) or not all(host and port.isdecimal() for host, _, port in hosts):
        raise TopologyError(f"{url!r} must be kafka://host:port[,host:port]/PREFIX[?partitions=N]")
    return KafkaLog([(host, int(port)) for host, _, port in hosts], prefix, partitions_in(url, PARTITIONS))


def read_stamp(log: KafkaLog) -> Stamp | None:
    """Raises Unavailable, and WrongStore if several regions have set one."""
    with closing(log.connect()) as cluster:
        names = cluster.topics_under(log.topic("stamp."))
    found = [_STAMP.fullmatch(name.decode().removeprefix(f"{log.prefix}.")) for name in names]
    stamps = [Stamp(StoreRegion(one[1], int(one[2])), one[3]) for one in found if one]
    if len({stamp.region for stamp in stamps}) > 1:
        raise WrongStore(f"several regions use the topics {log.prefix}.*: {', '.join(str(s.region) for s in stamps)}")
    return stamps[0] if stamps else None


def create(log: KafkaLog, stamp: Stamp) -> Stamp:
    """Also over topics that are there already: an operator may create them with more partitions or replicas."""
    found = read_stamp(log)
    if found is not None:
        require_region(found, stamp.region)
    else:
        name = f"stamp.{stamp.region.name}.{stamp.region.number}.{stamp.store_id}"
        with closing(KafkaCluster(log.seeds, {log.topic(name): None}, partitions=1)) as cluster:
            cluster.create_missing()
    with closing(log.connect()) as cluster:
        cluster.create_missing()
    for is_last in attempts(_SEEN_WITHIN_S):
        # Not every broker knows a new topic at once. Another process may have been first.
        if (found := read_stamp(log)) is not None or is_last:
            break
    return require_region(found, stamp.region)
