"""The partition of a key: as Kafka's own clients choose it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.errors import TopologyError
from regions.stores.partitioner import MAX_PARTITIONS, murmur2, partition_of, partitions_in

# From Kafka's own test of `Utils.murmur2`, as signed numbers.
KAFKAS = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107,
}


@pytest.mark.parametrize("key", KAFKAS)
def test_a_key_has_the_hash_that_kafkas_clients_compute(key):
    """For each length of the rest that does not fill four bytes."""
    assert murmur2(key.encode()) == KAFKAS[key] % (1 << 32)


@given(st.text(), st.integers(1, MAX_PARTITIONS))
def test_a_key_is_in_one_of_the_partitions(key, partitions):
    """Always in the same one."""
    assert 0 <= partition_of(key, partitions) < partitions
    assert partition_of(key, partitions) == partition_of(key, partitions)


def test_keys_spread_over_the_partitions():
    """Of a thousand ids, each of 16 partitions has at least half of its share."""
    counts = [0] * 16
    for number in range(1000):
        counts[partition_of(f"p_{number:011d}", 16)] += 1
    assert min(counts) > 1000 / 16 / 2


def test_the_url_says_how_many_partitions_a_topic_gets():
    """Or it leaves that to the adapter."""
    assert partitions_in("kafka://host:9092/prefix?partitions=64", 256) == 64
    assert partitions_in("kafka://host:9092/prefix", 256) == 256


@pytest.mark.parametrize("text", ["0", "-1", "10001", "٤", "four", "", "4&partitions=5", "9" * 5000])
def test_a_url_with_no_number_of_partitions_is_refused(text):
    """A topic can't have none, nor more than a cluster can bear."""
    with pytest.raises(TopologyError, match="partitions must be a number from 1 to 10,000"):
        partitions_in(f"sqlite:///events.db?partitions={text}", 4)
