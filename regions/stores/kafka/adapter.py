"""The event log on Kafka, for `regions.config`."""

from functools import partial

from regions.stores.events import EventLog
from regions.stores.kafka import stamped_topics
from regions.stores.kafka.events import KafkaEvents
from regions.stores.stamp import StoreLocation


def events(url: str) -> StoreLocation[EventLog]:
    """`kafka://HOST:PORT[,HOST:PORT]/PREFIX[?partitions=N]`. Raises TopologyError."""
    log = stamped_topics.parse_url(url)
    return StoreLocation(
        partial(KafkaEvents, log), partial(stamped_topics.read_stamp, log), partial(stamped_topics.create, log)
    )
