"""A store's stamp as text, and whose store it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.errors import StoreMissing, WrongStore
from regions.stores import stamp as stamps
from regions.stores.stamp import Stamp, StampCheck, StoreRegion, require_region

OURS, THEIRS = StoreRegion("eu-west", 1), StoreRegion("us-central", 2)


@given(st.from_regex("[a-z0-9-]{1,40}", fullmatch=True), st.integers(0, 63))
def test_a_stamp_is_read_as_it_was_written(region, number):
    stamp = Stamp(StoreRegion(region, number), stamps.new_id())
    assert stamps.from_text(stamp.to_text()) == stamp


@given(st.text())
def test_any_other_text_is_refused(text):
    """It is not taken for an empty place, where a new store could be created."""
    try:
        stamps.from_text(text)
    except WrongStore:
        return
    assert len(text.split()) == 3


def test_only_the_owner_may_open_a_store():
    """The message names both regions. One with another number is another region."""
    stamp = Stamp(OURS, "1")
    assert require_region(stamp, OURS) == stamp
    with pytest.raises(WrongStore, match=r"eu-west \(number 1\), not to region us-central \(number 2\)"):
        require_region(stamp, THEIRS)
    with pytest.raises(WrongStore):
        require_region(stamp, StoreRegion("eu-west", 3))
    with pytest.raises(StoreMissing):
        require_region(None, OURS)


def test_the_stamp_is_read_until_it_was_right_once():
    """As when the store is created after the process has started."""
    found = [None, Stamp(OURS, "1")]
    check = StampCheck(OURS, lambda: found.pop(0))
    with pytest.raises(StoreMissing):
        check.require()
    check.require()
    check.require()
