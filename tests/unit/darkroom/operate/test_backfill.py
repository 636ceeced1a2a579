"""Which photos a run is about, and how far it has come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.operate.backfill import Selection, Walk, from_text, pages
from regions import ids

T0_MS = ids.EPOCH_MS + 1_000
selections = st.builds(
    Selection, st.integers(1, 99), st.none() | st.integers(0, 1 << 41), st.none() | st.integers(0, 1 << 41),
    st.booleans(),
)  # fmt: skip


def photo_id(at_ms: int, region: int = 3) -> str:
    return ids.to_public(ids.PHOTO, ids.compose(ids.Snowflake(at_ms, region, 0, 0)))


@pytest.mark.parametrize(
    ("since_ms", "until_ms", "expected"),
    [
        (None, None, True), (T0_MS, None, True), (T0_MS + 1, None, False), (None, T0_MS, False),
        (None, T0_MS + 1, True), (T0_MS, T0_MS + 1, True),
    ],
)  # fmt: skip
def test_a_selection_is_a_range_of_times(since_ms, until_ms, expected):
    """With the first millisecond and without the last. The times are in the ids."""
    assert Selection(2, since_ms, until_ms).has(photo_id(T0_MS), 3) is expected


@pytest.mark.parametrize("other", [photo_id(T0_MS, region=4), "u_00000000001", "stamp", ""])
def test_a_selection_has_photos_of_one_region_only(other):
    """The bucket may also have copies of others' raws."""
    assert not Selection(2).has(other, 3)


@given(selections, st.text(max_size=20), st.integers(0, 1 << 40), st.booleans())
def test_a_walk_is_read_as_it_was_written(selection, after, published, is_finished):
    """For the next run."""
    walk = Walk(selection, after, published, is_finished)
    assert from_text(walk.to_text()) == walk


@given(st.text(max_size=40))
def test_any_other_text_is_no_walk(text):
    """And nothing is raised."""
    assert from_text(text) is None


@given(st.lists(st.text("abc", max_size=3), unique=True), st.text("abc", max_size=3), st.integers(1, 4))
def test_pages_have_each_key_behind_the_last_one_once_in_order(keys, after, size):
    """However a store lists them."""
    found = list(pages(keys, after, size))
    assert [key for page in found for key in page] == sorted(key for key in keys if key > after)
    assert all(0 < len(page) <= size for page in found)
