"""The event log on Kafka, as `regions.config` opens it."""

from regions.stores.events import Events
from regions.stores.kafka.events import KafkaEvents


def open_events(url: str) -> Events:
    """`kafka://HOST:PORT[,HOST:PORT]/PREFIX[?partitions=N]`. Raises TopologyError."""
    return KafkaEvents(url)
