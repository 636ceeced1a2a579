"""The exclusive upper bound of a page: above every id at first, and safe for any text from a client."""

from hypothesis import given
from hypothesis import strategies as st

from regions import ids
from regions.stores.paging import exclusive_upper_bound


@given(st.integers(0, (1 << 63) - 1))
def test_the_first_page_starts_above_every_id(number):
    """The highest one too."""
    assert exclusive_upper_bound(None) > ids.to_public(ids.PHOTO, number)


def test_an_id_is_its_own_bound():
    """So the next page starts directly below it."""
    assert exclusive_upper_bound("p_1") == "p_1"


@given(st.text(st.characters()))
def test_any_text_becomes_a_bound_that_a_store_can_encode(text):
    """Even half a surrogate pair, which UTF-8 can't encode."""
    exclusive_upper_bound(text).encode()


def test_half_a_surrogate_pair_becomes_a_question_mark():
    """The rest of the text stays."""
    assert exclusive_upper_bound("p_\ud800") == "p_?"
