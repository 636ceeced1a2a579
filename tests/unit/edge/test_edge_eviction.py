"""What is dropped when a tier is full."""

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.eviction import Eviction

STEPS = st.lists(
    st.tuples(st.sampled_from(["admit", "touch", "remove"]), st.integers(0, 12), st.integers(1, 40)), max_size=80
)


@given(STEPS)
@settings(max_examples=200)
def test_the_budget_holds_and_every_key_is_accounted_for(steps):
    """Against a plain dictionary: whoever drops what is named holds exactly what the eviction counts."""
    eviction, held = Eviction(100), {}
    for step, key, size_bytes in steps:
        if step == "admit":
            held[key] = size_bytes
            for dropped in eviction.admit(key, size_bytes):
                del held[dropped]
        elif step == "touch":
            eviction.touch(key)
        else:
            eviction.remove(key)
            held.pop(key, None)
        assert eviction.used_bytes == sum(held.values()) <= 100
        assert {key for key in range(13) if key in eviction} == set(held)


def test_what_is_larger_than_all_of_it_is_not_taken():
    """And nothing else goes for its sake."""
    eviction = Eviction(100)
    eviction.admit("a", 50)
    assert eviction.admit("b", 101) == ["b"]
    assert "a" in eviction


def test_photos_seen_once_don_t_push_out_those_seen_often():
    """A scan of a thousand leaves the ten that people look at."""
    eviction = Eviction(100)
    loved = [f"loved {number}" for number in range(10)]
    for key in loved:
        eviction.admit(key, 5)
        eviction.touch(key)
    for number in range(1000):
        eviction.admit(number, 5)
        for key in loved:
            eviction.touch(key)
    assert all(key in eviction for key in loved)


def test_who_returns_soon_is_kept():
    """A key that left the small queue goes to the main one when it comes back."""
    eviction = Eviction(100)
    for key in range(11):
        eviction.admit(key, 10)
    assert 0 not in eviction
    eviction.admit(0, 10)
    for key in range(100, 105):
        eviction.admit(key, 10)
    assert 0 in eviction
