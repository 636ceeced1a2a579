"""Which bucket a follower is in, when a level is raised, and the order and the cursors of a walk."""

from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.errors import BadRequest
from regions.stores.cassandra import follower_buckets
from regions.stores.cassandra.follower_buckets import (
    BUCKET_ROWS,
    COUNT_ONE_IN,
    MAX_LEVEL,
    START,
    WalkPosition,
    after_counting,
    bucket_of,
    from_cursor,
    next_bucket,
    to_cursor,
)

LEVELS = st.integers(0, MAX_LEVEL)
POSITIONS = LEVELS.flatmap(
    lambda level: st.builds(WalkPosition, st.just(level), st.integers(0, (1 << level) - 1), st.text(max_size=20))
)


def walk(most_levels: int) -> list[WalkPosition]:
    positions = [START]
    while positions[-1].level < most_levels:
        positions.append(next_bucket(positions[-1]))
    return list(takewhile(lambda position: position.level < most_levels, positions))


def test_a_walk_goes_through_all_buckets_of_all_levels_once():
    """From the lowest level to the highest, each bucket from its start."""
    assert walk(4) == [WalkPosition(level, bucket, "") for level in range(4) for bucket in range(1 << level)]


@given(st.text(), LEVELS)
def test_a_follower_is_in_one_of_the_buckets_of_a_level(follower_id, level):
    """Always in the same one."""
    assert 0 <= bucket_of(follower_id, level) < 1 << level
    assert bucket_of(follower_id, level) == bucket_of(follower_id, level)


def test_a_followers_bucket_never_changes():
    """A program with another hash would not find the rows of this one."""
    assert [bucket_of("u_0000000002Z", level) for level in (0, 1, 4, 12)] == [0, 1, 11, 4011]


@pytest.mark.parametrize("level", [0, 1, 5])
def test_a_level_is_raised_when_its_buckets_are_full(level):
    """So many follows as all its buckets are meant for, counted by a sample. The next level starts at none."""
    capacity = BUCKET_ROWS << level
    assert after_counting(level, capacity - COUNT_ONE_IN - 1) == (level, capacity - 1)
    assert after_counting(level, capacity - COUNT_ONE_IN) == (level + 1, 0)


def test_the_highest_level_is_not_raised(monkeypatch):
    """It goes on counting."""
    monkeypatch.setattr(follower_buckets, "BUCKET_ROWS", 1)
    assert after_counting(MAX_LEVEL - 1, 1 << 60)[0] == MAX_LEVEL
    assert after_counting(MAX_LEVEL, 1 << 60) == (MAX_LEVEL, (1 << 60) + COUNT_ONE_IN)


@given(POSITIONS)
def test_a_cursor_keeps_the_position(position):
    """Whatever text the follower's id is. Without a cursor a walk starts at the beginning."""
    assert from_cursor(to_cursor(position)) == position
    assert from_cursor(None) == START


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "0",
        "0.0",
        "u_00000000001",
        "-1.0.u",
        "0.1.u",
        "1.2.u",
        "17.0.u",
        "0.-1.u",
        "0.00000000.u",
        "٣.0.u",
        "0.0.\ud800",
    ],
)
def test_a_text_that_no_page_has_returned_is_no_cursor(cursor):
    """A bucket that its level does not have, for instance."""
    with pytest.raises(BadRequest):
        from_cursor(cursor)
