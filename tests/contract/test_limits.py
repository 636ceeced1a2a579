"""What every store of limits does."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from regions.stores.health import Level
from regions.stores.limits import Limit, Unit, Wanted, is_granted

TEN_A_MINUTE = Limit("ten", 10, 60)
TWO_A_SECOND = Limit("two", 2, 1)
BYTES = Limit("bytes", 1 << 30, 86_400, Unit.BYTES)


def wanted(limit: Limit, key: str = "ana", cost: int = 1) -> Wanted:
    return Wanted(limit, f"{limit.name}-{key}", cost)


def granted(limits, *several: Wanted) -> bool:
    return is_granted(limits.take(several))


def test_a_limit_grants_what_it_has_and_no_more(limits):
    """Then it says when there will be more: a tenth of a minute later."""
    assert [granted(limits, wanted(TEN_A_MINUTE)) for _ in range(12)] == [True] * 10 + [False] * 2
    (standing,) = limits.take([wanted(TEN_A_MINUTE)])
    assert standing.remaining == 0
    assert standing.retry_after_s == pytest.approx(6, abs=1)
    assert standing.refilled_in_s == pytest.approx(60, abs=1)


def test_everybody_has_their_own(limits):
    for _ in range(10):
        limits.take([wanted(TEN_A_MINUTE)])
    assert not granted(limits, wanted(TEN_A_MINUTE))
    assert granted(limits, wanted(TEN_A_MINUTE, "bob"))
    assert granted(limits, wanted(TWO_A_SECOND))


def test_units_come_back_with_time(limits, clock):
    assert [granted(limits, wanted(TWO_A_SECOND)) for _ in range(3)] == [True, True, False]
    clock.advance(520)
    assert [granted(limits, wanted(TWO_A_SECOND)) for _ in range(2)] == [True, False]
    clock.advance(1100)
    assert [granted(limits, wanted(TWO_A_SECOND)) for _ in range(3)] == [True, True, False]


def test_of_several_limits_all_are_taken_or_none(limits):
    """Also if the one that has too little is asked last."""
    limits.take([wanted(TWO_A_SECOND, cost=2)])
    standings = limits.take([wanted(TEN_A_MINUTE, cost=3), wanted(TWO_A_SECOND, cost=1)])
    assert [standing.limit for standing in standings] == [TEN_A_MINUTE, TWO_A_SECOND]
    assert (standings[0].retry_after_s, standings[0].remaining) == (0, 10)
    assert standings[1].retry_after_s > 0
    assert [standing.remaining for standing in limits.take([wanted(TEN_A_MINUTE, cost=3)])] == [7]


def test_what_was_given_back_can_be_taken_again(limits):
    """And a limit never has more than its most."""
    assert granted(limits, wanted(TEN_A_MINUTE, cost=10))
    limits.give_back([wanted(TEN_A_MINUTE, cost=4)])
    assert limits.take([wanted(TEN_A_MINUTE, cost=4)])[0].remaining == 0
    for _ in range(3):
        limits.give_back([wanted(TEN_A_MINUTE, cost=10)])
    assert [granted(limits, wanted(TEN_A_MINUTE, cost=5)) for _ in range(3)] == [True, True, False]


def test_large_numbers_are_counted_exactly(limits):
    """Bytes of a day: most of a gigabyte, then what is left, to a few bytes (a microsecond's worth is 12 kB)."""
    assert limits.take([wanted(BYTES, cost=1_000_000_000)])[0].remaining == pytest.approx(73_741_824, abs=30_000)
    assert granted(limits, wanted(BYTES, cost=73_700_000))
    assert not granted(limits, wanted(BYTES, cost=1_000_000))


def test_processes_count_together(open_limits):
    one, other = open_limits(), open_limits()
    assert [granted(each, wanted(TEN_A_MINUTE, cost=4)) for each in (one, other, one, other)] == [True, True] + [
        False
    ] * 2


def test_many_at_once_get_no_more_than_one_after_another(limits, threads: ThreadPoolExecutor):
    taken = list(threads.map(lambda number: granted(limits, wanted(TEN_A_MINUTE)), range(50)))
    assert sum(taken) == 10


def test_a_healthy_store_of_limits_says_so(limits):
    assert {result.level for result in limits.check_health()} == {Level.OK}
    assert granted(limits, wanted(TEN_A_MINUTE, cost=10))
