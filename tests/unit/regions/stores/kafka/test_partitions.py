"""How many partitions a topic of a real Kafka has: as its creator's URL says, and what Kafka says from then on."""

import os

from regions.events.messages import Event
from regions.events.topics import PHOTO_READY
from regions.stores.kafka import adapter as kafka
from regions.stores.partitioner import partition_of
from tests.builders.stores import created


def test_a_topic_keeps_the_partitions_that_it_was_created_with(address):
    """A program that was started with another number reads the real one, so that all agree where a key belongs."""
    prefix = f"test-{os.urandom(8).hex()}"
    first = created(kafka.events(f"kafka://{address}/{prefix}?partitions=7"))
    later = created(kafka.events(f"kafka://{address}/{prefix}?partitions=2"))
    for number, events in enumerate((first, later)):
        events.publish([Event(PHOTO_READY, f"p_{key}", f"{number}:{key}", 1, {}) for key in range(20)])
    expected = [2 * sum(partition_of(f"p_{key}", 7) == partition for key in range(20)) for partition in range(7)]
    assert list(later.lag(PHOTO_READY, "new").values()) == expected
    first.close()
    later.close()
