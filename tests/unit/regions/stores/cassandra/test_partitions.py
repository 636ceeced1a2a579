"""Which partition of Cassandra a row falls in, and the time UUIDs that order rows."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions import ids
from regions.errors import TopologyError
from regions.stores.cassandra.address import CassandraAddress, exclusive_upper_bound, key, parse_address
from regions.stores.cassandra.partitions import (
    FIRST_YEAR,
    TimeUuidGenerator,
    shard_of,
    time_uuid_ms,
    tombstone_partition,
    year_of,
    years,
)

LAST_MS = ids.EPOCH_MS + (1 << 41) - 1
TIMES = st.integers(ids.EPOCH_MS, LAST_MS)


@given(at_ms=TIMES, later_ms=st.integers(0, 10 * 365 * 86_400_000))
def test_whoever_reads_a_list_looks_into_the_year_of_every_id(at_ms, later_ms):
    """Of every id made until then, and by a clock that is a day ahead."""
    made_ms = min(at_ms + 86_400_000, LAST_MS)
    public = ids.to_public(ids.USER, ids.compose(ids.Snowflake(made_ms, 1, 1, 1)))
    assert year_of(public) in years(at_ms + later_ms)


@given(at_ms=TIMES)
def test_years_are_newest_first_and_without_gap(at_ms):
    """Down to the first in which there were ids."""
    found = years(at_ms)
    assert found == list(range(found[0], FIRST_YEAR - 1, -1))


@given(text=st.text())
def test_what_is_no_id_falls_in_some_year(text):
    """Any text does."""
    assert year_of(text) >= FIRST_YEAR


@given(text=st.text(st.characters(exclude_categories=[])))
def test_any_text_becomes_a_key_that_cassandra_takes(text):
    """UTF-8, not empty, and short."""
    assert 1 <= len(key(text).encode()) <= 400
    assert shard_of(key(text)) in range(4)
    assert exclusive_upper_bound(text) == key(text)


@given(at_ms=TIMES)
def test_a_tick_says_when_it_was_drawn(at_ms):
    """And is a UUID of version 1, as Cassandra wants it."""
    stamp = TimeUuidGenerator(lambda: at_ms).next()
    assert time_uuid_ms(stamp) == at_ms
    assert UUID(str(stamp)).version == 1


@given(clock=st.lists(TIMES, min_size=1, max_size=30))
def test_ticks_grow_whatever_the_clock_does(clock):
    """Two in one millisecond, or after it stepped back."""
    moments = iter(clock)
    uuids = TimeUuidGenerator(lambda: next(moments))
    times = [uuids.next().time for _ in clock]
    assert times == sorted(set(times))


def test_two_processes_draw_different_ticks_in_one_moment():
    """Else one's row would take the other's place."""
    assert TimeUuidGenerator(lambda: LAST_MS).next() != TimeUuidGenerator(lambda: LAST_MS).next()


def test_the_first_position_begins_the_first_bucket():
    """And the last of a bucket is followed by the first of the next."""
    assert [tombstone_partition(position) for position in (1, 5000, 5001, 10_000, 10_001)] == [0, 0, 1, 1, 2]


def test_an_address_says_all_there_is_to_know():
    """With the usual port and one copy where nothing else is said."""
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
def test_an_address_that_can_not_be_used_is_refused(url):
    """Before anything of it stands in a statement; and a secret is not repeated."""
    with pytest.raises(TopologyError) as refused:
        parse_address(url)
    assert "secret@" not in str(refused.value)
