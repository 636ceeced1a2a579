"""RateLimits that all processes share, while their store is away and when it is back."""

import pytest

from regions.errors import Unavailable
from regions.stores.fallback_limits import FallbackLimits
from regions.stores.limits import Limit, Wanted, is_granted
from regions.stores.memory_limits import MemoryLimits

THREE = [Wanted(Limit("three", 3, 600), "ana")]


class Breakable:
    """The shared limits, which do not answer while `is_away`. Counts who waits for them."""

    def __init__(self) -> None:
        self._limits, self.is_away, self.asked = MemoryLimits(lambda: 0), False, 0

    def take(self, wanted):
        return self._answer(self._limits.take, wanted)

    def give_back(self, wanted):
        return self._answer(self._limits.give_back, wanted)

    def _answer(self, call, wanted):
        self.asked += 1
        if self.is_away:
            raise Unavailable("no answer")
        return call(wanted)


@pytest.fixture
def shared() -> Breakable:
    return Breakable()


@pytest.fixture
def process(shared, clock):
    """One process's limits: `process.take(THREE)`."""
    return FallbackLimits(shared, MemoryLimits(lambda: 0), lambda: clock.now_ms() / 1000)


def granted(process, times: int) -> list[bool]:
    return [is_granted(process.take(THREE)) for _ in range(times)]


def test_while_the_store_is_away_nobody_is_refused_for_it_and_nobody_has_more(process, shared):
    shared.is_away = True
    assert granted(process, 5) == [True] * 3 + [False] * 2


def test_who_has_used_up_their_supply_gets_none_anew_when_the_store_goes_away(process, shared):
    assert granted(process, 3) == [True] * 3
    shared.is_away = True
    assert granted(process, 2) == [False] * 2


def test_one_request_a_second_waits_for_a_store_that_is_away(process, shared, clock):
    shared.is_away = True
    for _ in range(20):
        process.take(THREE)
        process.give_back(THREE)
    assert shared.asked == 1
    clock.advance(1000)
    for _ in range(20):
        process.take(THREE)
    assert shared.asked == 2


def test_when_the_store_is_back_it_counts_again(process, shared, clock):
    shared.is_away = True
    assert granted(process, 4) == [True] * 3 + [False]
    shared.is_away = False
    clock.advance(1000)
    assert granted(process, 4) == [True] * 3 + [False]


def test_what_another_process_let_through_is_not_held_against_one_while_the_store_is_away(shared, clock):
    one, other = (FallbackLimits(shared, MemoryLimits(lambda: 0), lambda: clock.now_ms() / 1000) for _ in range(2))
    assert (granted(one, 2), granted(other, 2)) == ([True] * 2, [True, False])
    shared.is_away = True
    assert (granted(one, 2), granted(other, 3)) == ([True, False], [True, True, False])


def test_what_is_given_back_counts_while_the_store_is_away(process, shared):
    shared.is_away = True
    assert granted(process, 4) == [True] * 3 + [False]
    process.give_back(THREE)
    assert granted(process, 2) == [True, False]
