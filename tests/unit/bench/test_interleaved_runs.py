"""Medians of turns, and percentiles."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.ports import interleaved_runs

values = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50)
shares = st.fractions(0, 1).filter(lambda share: share > 0)


@pytest.mark.parametrize(("share", "expected"), [(0.01, 1), (0.5, 50), (0.99, 99), (1.0, 100)])
def test_a_percentile_of_a_hundred_values_is_its_rank(share, expected):
    """Whatever order they come in."""
    assert interleaved_runs.percentile(range(100, 0, -1), share) == expected


@given(values, shares)
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(several, share):
    """It is one of the values: nothing is made up between two."""
    found = interleaved_runs.percentile(several, share)
    assert found in several
    assert Fraction(sum(value <= found for value in several), len(several)) >= share
    assert Fraction(sum(value < found for value in several), len(several)) < share


def test_the_median_of_each_measure_leaves_the_first_round_out():
    """The first round warms up: its 1,000 is not seen."""
    told = {"ours": iter([1000, 1, 9, 2]), "peer": iter([1000, 5, 4, 6])}
    contenders = {name: lambda each=each: {"wall_s": next(each)} for name, each in told.items()}
    assert interleaved_runs.medians(contenders, 3) == {"wall_s": {"ours": 2, "peer": 5}}


def test_contenders_take_turns():
    """So that whatever else the machine does meets all alike."""
    order = []
    interleaved_runs.medians(
        {name: lambda name=name: order.append(name) or {"wall_s": 1.0} for name in ("ours", "peer")}, 2
    )
    assert order == ["ours", "peer"] * 3


def test_rates_are_how_many_a_second():
    """Sixty in two seconds are thirty a second."""
    assert interleaved_runs.rates(60, {"ours": 2.0, "peer": 0.5}) == {"ours": 30.0, "peer": 120.0}


def test_a_row_compares_with_the_best_peer():
    """The fastest where more is better, and where it is not."""
    values = {"ours": 9.0, "one": 10.0, "other": 6.0}
    assert interleaved_runs.row("reads", "1/s", values, 0.9).ratio == pytest.approx(0.9)
    assert interleaved_runs.row("waits", "ms", values, 0.9, more_is_better=False).ratio == pytest.approx(6 / 9)
