"""Shares that add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.shares import shares

wanted = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 50), min_size=1)


@given(st.integers(0, 100), wanted)
def test_shares_add_up_to_the_slots(slots, wanted):
    """To one each, if there are more who want some than slots."""
    divided = shares(slots, wanted)
    assert sum(divided.values()) == max(slots, len(wanted))
    assert min(divided.values()) >= 1


@given(st.integers(0, 100), wanted)
def test_nobody_has_more_while_another_wants_some(slots, wanted):
    """Who lacks slots has no fewer than anybody else, but for one that can't be divided."""
    divided = shares(slots, wanted)
    for name, share in divided.items():
        if share < wanted[name]:
            assert share >= max(divided.values()) - 1


@pytest.mark.parametrize(
    ("wanted", "divided"),
    [
        ({"a": 0}, {"a": 8}),
        ({"a": 50, "b": 50}, {"a": 4, "b": 4}),
        ({"a": 50, "b": 0}, {"a": 7, "b": 1}),
        ({"a": 1, "b": 1}, {"a": 4, "b": 4}),
        ({"a": 50, "b": 2, "c": 50}, {"a": 3, "b": 2, "c": 3}),
    ],
)
def test_eight_slots_divided(wanted, divided):
    """By what each could run at once."""
    assert shares(8, wanted) == divided


def test_among_nobody_nothing_is_divided():
    assert shares(8, {}) == {}
