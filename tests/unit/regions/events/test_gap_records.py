"""Records of gaps: a further one makes a record larger, and a record that can't be read is still one."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from regions.events.gap_records import PREFIX, GapRecord, from_text, key_of, recorded, to_text, with_gaps
from regions.stores.events import Gap
from regions.stores.settings import MAX_KEY_CHARS, Setting, is_key

offsets = st.integers(0, 1 << 62)
gaps = st.builds(
    lambda partition, ends: Gap(partition, *sorted(ends)),
    st.integers(0, 3),
    st.lists(offsets, min_size=2, max_size=2, unique=True),
)
EMPTY = GapRecord("lane-us-central", "photo_ready", {}, 0)


@given(st.lists(gaps, max_size=6), st.randoms())
def test_gaps_may_be_added_in_any_order_and_as_often_as_one_likes(found, random):
    """The record is the same, and every gap is within it."""
    record = with_gaps(EMPTY, found, 5)
    again = found * 2
    random.shuffle(again)
    assert with_gaps(with_gaps(EMPTY, again[:3], 5), again[3:], 5) == record
    for gap in found:
        first, end = record.ranges[gap.partition]
        assert first <= gap.first < gap.end <= end
    assert record.most_events >= max([gap.end - gap.first for gap in found], default=0)


@given(st.lists(gaps, max_size=6), st.integers(0, 1 << 50))
def test_a_record_is_read_as_it_was_written(found, at_ms):
    record = with_gaps(EMPTY, found, at_ms)
    assert from_text(record.group, record.topic, to_text(record)) == record


@given(
    st.text() | st.sampled_from(['{"ranges": {"x": [1, 2]}}', '{"at_ms": 1, "ranges": {"1": [2, 1]}}', "[]", "null"])
)
def test_a_text_that_is_no_record_is_one_without_ranges(text):
    """So that nobody takes a damaged record for none."""
    assert replace(from_text("group", "topic", text), at_ms=0) == GapRecord("group", "topic", {}, 0)


def test_each_group_and_topic_has_a_record_of_its_own():
    """The records of a region, in the order of their keys."""
    one, two = replace(EMPTY, ranges={3: (5, 9)}, at_ms=7), replace(EMPTY, topic="photo_deleted", at_ms=8)
    keys = {key_of(record.group, record.topic): record for record in (one, two)}
    assert all(is_key(key) and key.startswith(PREFIX) and len(key) < MAX_KEY_CHARS for key in keys)
    assert recorded({key: Setting(to_text(record), 1) for key, record in keys.items()}) == [two, one]
