"""Ids sort by time as text, contain what they were made of, and never repeat."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions import ids
from regions.errors import LeaseLost, NotFound
from regions.ids import EPOCH_MS, MAX_PROCESSES, MAX_REGIONS, IdGenerator, Snowflake

NOW_MS = EPOCH_MS + 86_400_000
NEVER_MS = 1 << 60

numbers = st.integers(0, (1 << 63) - 1)
kinds = st.sampled_from([ids.PHOTO, ids.USER, ids.COMMENT])
flakes = st.builds(
    Snowflake,
    st.integers(EPOCH_MS, EPOCH_MS + (1 << 41) - 1),
    st.integers(0, MAX_REGIONS - 1),
    st.integers(0, MAX_PROCESSES - 1),
    st.integers(0, 63),
)


def generator(times_ms, floor_ms: int = 0, limit_ms: int = NEVER_MS) -> IdGenerator:
    """An id generator whose clock returns these times one after another."""
    return IdGenerator(3, 5, floor_ms, lambda: limit_ms, iter(times_ms).__next__)


@given(flakes)
def test_an_id_can_be_taken_apart(flake):
    """Time, region, process and sequence, in 63 bits."""
    number = ids.compose(flake)
    assert ids.take_apart(number) == flake
    assert 0 <= number < 1 << 63


@given(kinds, numbers)
def test_the_public_form_of_an_id_has_an_inverse(kind, number):
    """A letter, `_` and eleven digits."""
    public = ids.to_public(kind, number)
    assert ids.to_number(kind, public) == number
    assert len(public) == 13


@given(kinds, flakes, flakes)
def test_ids_sort_by_time_as_text(kind, one, other):
    """So that a store which sorts text sorts ids by time."""
    texts = ids.to_public(kind, ids.compose(one)), ids.to_public(kind, ids.compose(other))
    assert (texts[0] < texts[1]) == (one < other)


@given(kinds, st.text(max_size=20))
def test_any_other_text_is_not_found(kind, text):
    """Any text in a path is either an id that could have been made, or NotFound."""
    try:
        number = ids.to_number(kind, text)
    except NotFound:
        return
    assert ids.to_public(kind, number) == text


@pytest.mark.parametrize(
    "text",
    ["", "p_", "p_0000000000", "p_000000000000", "u_00000000001", "p_0000000000!", "p_zzzzzzzzzzz", "P_00000000001"],
)
def test_an_invalid_photo_id_is_not_found(text):
    """Too short, too long, of another kind, with a character that is not a digit, over 63 bits."""
    with pytest.raises(NotFound):
        ids.parse(ids.PHOTO, text)


def test_the_error_shortens_a_long_id():
    """It may be hostile, and of any length."""
    with pytest.raises(NotFound) as raised:
        ids.parse(ids.PHOTO, "x" * 100_000)
    assert len(raised.value.detail) < 200


@given(st.lists(st.integers(NOW_MS - 50, NOW_MS + 50), min_size=1, max_size=60))
def test_ids_grow_even_if_the_clock_stops_or_steps_back(times_ms):
    made = generator(times_ms)
    numbers = [ids.to_number(ids.PHOTO, made.next(ids.PHOTO)) for _ in times_ms]
    assert numbers == sorted(set(numbers))


def test_after_64_ids_in_a_millisecond_the_next_one_is_used():
    """Without repeating an id, and without waiting."""
    made = generator([NOW_MS] * 190)
    flakes = [ids.parse(ids.PHOTO, made.next(ids.PHOTO)) for _ in range(190)]
    assert len(set(flakes)) == 190
    assert {flake.at_ms for flake in flakes} == {NOW_MS, NOW_MS + 1, NOW_MS + 2}


def test_an_id_contains_its_region_and_process():
    """And the clock's time."""
    assert ids.parse(ids.USER, generator([NOW_MS]).next(ids.USER)) == Snowflake(NOW_MS, 3, 5, 0)


def test_no_id_is_made_after_the_lease():
    """One is made in its last millisecond, none at its end. After the clock steps back, ids are possible again."""
    made = generator([NOW_MS - 1, NOW_MS, NOW_MS + 1, NOW_MS - 1], limit_ms=NOW_MS)
    made.next(ids.PHOTO)
    for _ in range(2):
        with pytest.raises(LeaseLost):
            made.next(ids.PHOTO)
    assert ids.parse(ids.PHOTO, made.next(ids.PHOTO)).at_ms == NOW_MS - 1


def test_a_full_last_millisecond_does_not_use_one_of_the_next_holder():
    """LeaseLost instead."""
    made = generator([NOW_MS - 1] * 65, limit_ms=NOW_MS)
    for _ in range(64):
        made.next(ids.PHOTO)
    with pytest.raises(LeaseLost):
        made.next(ids.PHOTO)


@given(st.integers(NOW_MS - 1000, NOW_MS + 1000), st.integers(1, 200))
def test_two_holders_of_a_number_never_make_the_same_id(floor_ms, count):
    """The second starts where the ids of the first ended, even if its clock is behind."""
    first = generator([NOW_MS] * count)
    before = [first.next(ids.PHOTO) for _ in range(count)]
    second = generator([floor_ms] * 10, floor_ms=first.used_until_ms)
    assert not set(before) & {second.next(ids.PHOTO) for _ in range(10)}


def test_threads_can_share_a_generator():
    """No two threads get the same id."""
    made, found = IdGenerator(1, 1, 0, lambda: NEVER_MS, lambda: NOW_MS), []
    threads = [
        threading.Thread(target=lambda: found.extend([made.next(ids.PHOTO) for _ in range(2000)])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == len(found) == 8000
