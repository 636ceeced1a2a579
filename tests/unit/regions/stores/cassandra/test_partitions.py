"""Cassandra: partitions, time UUIDs, keys and addresses."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions import ids
from regions.errors import TopologyError
from regions.stores.cassandra.address import CassandraAddress, key, parse_address
from regions.stores.cassandra.partitions import (
    FIRST_YEAR,
    TimeUuidGenerator,
    partition_year,
    shard_of,
    time_uuid_ms,
    tombstone_partition,
    years,
)
from regions.stores.paging import exclusive_upper_bound

LAST_MS = ids.EPOCH_MS + (1 << 41) - 1
TIMES = st.integers(ids.EPOCH_MS, LAST_MS)


@given(at_ms=TIMES, later_ms=st.integers(0, 10 * 365 * 86_400_000))
def test_a_reader_of_a_list_reads_the_year_of_every_id(at_ms, later_ms):
    """Also when the id was made by a process whose clock is a day ahead."""
    made_ms = min(at_ms + 86_400_000, LAST_MS)
    public = ids.to_public(ids.USER, ids.compose(ids.Snowflake(made_ms, 1, 1, 1)))
    assert partition_year(public) in years(at_ms + later_ms)


@given(at_ms=TIMES)
def test_years_are_newest_first_and_without_gap(at_ms):
    """They end with the first year in which ids were made."""
    found = years(at_ms)
    assert found == list(range(found[0], FIRST_YEAR - 1, -1))


@given(text=st.text())
def test_a_text_that_is_not_an_id_falls_in_some_year(text):
    """A client may send any text as an id."""
    assert partition_year(text) >= FIRST_YEAR


@given(text=st.text(st.characters(exclude_categories=[])))
def test_any_text_becomes_a_key_that_cassandra_takes(text):
    """It is UTF-8, not empty, and short. The bound of a page is cut off in the same way."""
    assert 1 <= len(key(text).encode()) <= 400
    assert shard_of(key(text)) in range(4)
    assert key(exclusive_upper_bound(text)) == key(text)


@given(at_ms=TIMES)
def test_a_time_uuid_contains_the_time_at_which_it_was_generated(at_ms):
    """It is a UUID of version 1, as Cassandra requires."""
    time_uuid = TimeUuidGenerator(lambda: at_ms).next()
    assert time_uuid_ms(time_uuid) == at_ms
    assert UUID(str(time_uuid)).version == 1


@given(clock=st.lists(TIMES, min_size=1, max_size=30))
def test_time_uuids_grow_even_when_the_clock_steps_back(clock):
    """Also two of the same millisecond."""
    moments = iter(clock)
    uuids = TimeUuidGenerator(lambda: next(moments))
    times = [uuids.next().time for _ in clock]
    assert times == sorted(set(times))


def test_two_processes_generate_different_time_uuids_at_the_same_moment():
    """Otherwise one's row would overwrite the other's."""
    assert TimeUuidGenerator(lambda: LAST_MS).next() != TimeUuidGenerator(lambda: LAST_MS).next()


def test_the_first_position_starts_the_first_partition():
    """And the last position of a partition is followed by the first of the next."""
    assert [tombstone_partition(position) for position in (1, 5000, 5001, 10_000, 10_001)] == [0, 0, 1, 1, 2]


def test_an_address_has_hosts_a_keyspace_a_datacenter_and_the_replication():
    """The defaults are Cassandra's port, `datacenter1`, and one copy."""
    url = "cassandra://a:9043,b/darkroom_eu?datacenter=lisbon-1&replication=3"
    assert parse_address(url) == CassandraAddress((("a", 9043), ("b", 9042)), "darkroom_eu", "lisbon-1", 3)
    assert parse_address("cassandra://a/k") == CassandraAddress((("a", 9042),), "k", "datacenter1", 1)


@pytest.mark.parametrize(
    "url",
    [
        "cassandra://a",
        "cassandra:///k",
        "cassandra://a:x/k",
        "cassandra://ana:secret@a/k",
        "cassandra://a/k;DROP",
        "cassandra://a/K",
        "cassandra://a/k?datacenter=x'y",
        "cassandra://a/k?replication=0",
    ],
)
def test_an_invalid_address_is_rejected(url):
    """Before any part of it gets into a statement. The message does not repeat a secret."""
    with pytest.raises(TopologyError) as raised:
        parse_address(url)
    assert "secret@" not in str(raised.value)
