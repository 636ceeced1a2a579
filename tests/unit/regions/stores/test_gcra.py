"""The arithmetic of limits, for all orders of requests and steps of the clock that Hypothesis thinks of."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.stores import gcra
from regions.stores.limits import Limit, Standing, Unit, Wanted
from regions.stores.memory_limits import MemoryLimits

LIMITS = st.builds(Limit, st.just("any"), st.integers(1, 10_000), st.integers(1, 86_400))
FORWARD_US = st.integers(0, 200_000_000)


class Bucket:
    """One limit of one person, in the memory of a process, and a clock that the test moves."""

    def __init__(self, limit: Limit) -> None:
        self.limit, self.now_us = limit, 1_800_000_000_000_000
        self.limits = MemoryLimits(lambda: self.now_us)

    def take(self, cost: int = 1) -> Standing:
        return self.limits.take([Wanted(self.limit, "ana", min(cost, self.limit.most))])[0]


@given(LIMITS, st.lists(st.tuples(FORWARD_US, st.integers(1, 10_000)), max_size=60))
def test_no_window_grants_more_than_the_most_and_what_was_refilled_in_it(limit, requests):
    """Each take may be a microsecond too cheap, which is less than one unit for each `most` takes."""
    bucket, granted = Bucket(limit), []
    for forward_us, cost in requests:
        bucket.now_us += forward_us
        if bucket.take(cost).retry_after_s == 0:
            granted.append((bucket.now_us, min(cost, limit.most)))
    for first in range(len(granted)):
        window_s = (granted[-1][0] - granted[first][0]) / 1e6
        rounding = len(granted) * limit.most / (limit.refilled_in_s * 1e6)
        total = sum(cost for _, cost in granted[first:])
        assert total <= limit.most * (1 + window_s / limit.refilled_in_s) + rounding + 1e-6


@given(LIMITS, st.integers(1, 10_000), st.lists(FORWARD_US, max_size=20))
def test_the_time_to_wait_shrinks_as_time_passes_and_is_enough(limit, cost, pauses):
    """Refusals cost nothing, so that asking too early does not make anybody wait longer."""
    bucket = Bucket(limit)
    bucket.take(limit.most)
    waits_s = []
    for forward_us in pauses:
        bucket.now_us += forward_us
        standing = bucket.take(cost)
        if standing.retry_after_s == 0:
            return
        waits_s.append(standing.retry_after_s)
    assert all(later <= earlier for earlier, later in pairwise(waits_s))
    bucket.now_us += round((waits_s[-1] if waits_s else limit.refilled_in_s) * 1e6) + 1
    assert bucket.take(cost).retry_after_s == 0


@given(LIMITS, st.lists(st.integers(-(10**12), 10**12), max_size=20))
def test_a_clock_that_steps_makes_nobody_wait_longer_than_a_refill(limit, steps):
    bucket = Bucket(limit)
    for step_us in steps:
        bucket.now_us = max(0, bucket.now_us + step_us)
        standing = bucket.take(limit.most)
        assert standing.retry_after_s <= limit.refilled_in_s
        assert 0 <= standing.remaining <= limit.most
    bucket.now_us += limit.refilled_in_s * 1_000_000
    assert bucket.take(limit.most).retry_after_s == 0


@given(LIMITS, st.lists(st.tuples(FORWARD_US, st.integers(1, 10_000), st.booleans()), max_size=40))
def test_giving_back_never_makes_a_limit_larger_than_its_most(limit, steps):
    bucket = Bucket(limit)
    for forward_us, cost, is_back in steps:
        bucket.now_us += forward_us
        if is_back:
            bucket.limits.give_back([Wanted(limit, "ana", min(cost, limit.most))])
        else:
            bucket.take(cost)
        assert 0 <= bucket.take(0).remaining <= limit.most


def test_a_whole_supply_can_be_taken_one_by_one():
    """Thirds of a second are no whole microseconds."""
    bucket = Bucket(Limit("thirds", 3, 1))
    assert [bucket.take().retry_after_s == 0 for _ in range(4)] == [True, True, True, False]


def test_what_can_never_be_had_is_a_mistake_of_who_asks():
    with pytest.raises(ValueError, match="never"):
        Wanted(Limit("few", 3, 1, Unit.BYTES), "ana", 4)


def test_a_flood_of_keys_forgets_first_those_that_have_nearly_all_their_units():
    limit, now_us = Limit("any", 10, 60), 0
    limits = MemoryLimits(lambda: now_us, max_keys=100)
    limits.take([Wanted(limit, "exhausted", 10)])
    for number in range(1000):
        limits.take([Wanted(limit, f"key {number}")])
    assert limits.take([Wanted(limit, "exhausted")])[0].retry_after_s > 0
    assert limits.take([Wanted(limit, "key 0")])[0].remaining == 9


def test_the_time_that_is_kept_is_one_that_can_be():
    """Whatever a clock has done since."""
    limit = Limit("any", 10, 60)
    assert gcra.held(None, limit, 5) == gcra.held(1, limit, 5) == 5
    assert gcra.held(10**15, limit, 5) == 60_000_005
