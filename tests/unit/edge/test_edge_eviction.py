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
    """Compared with a dictionary from which the returned keys are dropped: it has exactly the keys that are counted."""
    eviction, sizes = Eviction(100), {}
    for step, key, size_bytes in steps:
        if step == "admit":
            sizes[key] = size_bytes
            for dropped in eviction.admit(key, size_bytes):
                del sizes[dropped]
        elif step == "touch":
            eviction.touch(key)
        else:
            eviction.remove(key)
            sizes.pop(key, None)
        assert eviction.used_bytes == sum(sizes.values()) <= 100
        assert {key for key in range(13) if key in eviction} == set(sizes)


def test_a_key_larger_than_the_budget_is_not_admitted():
    """And no other key is dropped for it."""
    eviction = Eviction(100)
    eviction.admit("a", 50)
    assert eviction.admit("b", 101) == ["b"]
    assert "a" in eviction


def test_keys_requested_once_do_not_push_out_keys_requested_often():
    """A scan of a thousand keys leaves the ten popular ones."""
    eviction = Eviction(100)
    popular = [f"popular {number}" for number in range(10)]
    for key in popular:
        eviction.admit(key, 5)
        eviction.touch(key)
    for number in range(1000):
        eviction.admit(number, 5)
        for key in popular:
            eviction.touch(key)
    assert all(key in eviction for key in popular)


def test_a_key_that_returns_soon_enters_the_main_queue():
    """So further new keys in the small queue don't push it out."""
    eviction = Eviction(100)
    for key in range(11):
        eviction.admit(key, 10)
    assert 0 not in eviction
    eviction.admit(0, 10)
    for key in range(100, 105):
        eviction.admit(key, 10)
    assert 0 in eviction
