"""Medians of interleaved runs, and percentiles."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import interleaved_runs
from bench.harness import GoalResult

values = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50)
shares = st.fractions(0, 1).filter(lambda share: share > 0)


@pytest.mark.parametrize(("share", "expected"), [(0.01, 1), (0.5, 50), (0.99, 99), (1.0, 100)])
def test_a_percentile_of_a_hundred_values_is_its_rank(share, expected):
    """In any order."""
    assert interleaved_runs.percentile(range(100, 0, -1), share) == expected


@given(values, shares)
def test_a_percentile_is_the_smallest_value_that_this_share_does_not_exceed(several, share):
    """It is one of the values, never interpolated between two."""
    found = interleaved_runs.percentile(several, share)
    assert found in several
    assert Fraction(sum(value <= found for value in several), len(several)) >= share
    assert Fraction(sum(value < found for value in several), len(several)) < share


def test_the_median_of_each_measure_leaves_the_first_round_out():
    """The first round warms up, so its 1,000 does not count."""
    times = {"ours": iter([1000, 1, 9, 2]), "peer": iter([1000, 5, 4, 6])}
    contenders = {name: lambda each=each: {"wall_s": next(each)} for name, each in times.items()}
    assert interleaved_runs.medians(contenders, 3) == {"wall_s": {"ours": 2, "peer": 5}}


def test_contenders_take_turns():
    """So that other load on the machine slows all of them alike."""
    order = []
    interleaved_runs.medians(
        {name: lambda name=name: order.append(name) or {"wall_s": 1.0} for name in ("ours", "peer")}, 2
    )
    assert order == ["ours", "peer"] * 3


def test_a_rate_is_how_many_were_done_in_a_second():
    """Sixty in two seconds are thirty a second."""
    assert interleaved_runs.rates(60, {"ours": 2.0, "peer": 0.5}) == {"ours": 30.0, "peer": 120.0}


def test_a_row_compares_with_the_best_peer():
    """The best one, whether more or less is better."""
    values = {"ours": 9.0, "one": 10.0, "other": 6.0}
    assert interleaved_runs.row("reads", "1/s", values, 0.9).ratio == pytest.approx(0.9)
    assert interleaved_runs.row("waits", "ms", values, 0.9, more_is_better=False).ratio == pytest.approx(6 / 9)


def test_a_row_without_a_peer_that_is_not_installed_names_it():
    """Its goal can't be judged."""
    row = interleaved_runs.row("reads", "1/s", {"ours": 9.0}, 0.9, missing={"peer": "apt-get install peer"})
    assert (row.outcome, row.missing) == (GoalResult.NOT_JUDGED, {"peer": "apt-get install peer"})
