"""Waits grow, have jitter, and stay within bounds."""

from hypothesis import given
from hypothesis import strategies as st

from regions.retry import backoff_s

jitters = st.floats(0, 1, exclude_max=True)


@given(st.integers(0, 10**6), jitters)
def test_a_wait_is_bounded(attempt, jitter):
    """Never nothing, never more than the most, however often it failed."""
    assert 0.05 <= backoff_s(attempt, lambda: jitter) <= 5.0


@given(st.integers(0, 100), jitters)
def test_waits_grow(attempt, jitter):
    """With the same luck a later attempt waits at least as long."""
    assert backoff_s(attempt, lambda: jitter) <= backoff_s(attempt + 1, lambda: jitter)


@given(st.integers(0, 30))
def test_half_of_a_wait_is_chance(attempt):
    """So that those who failed together do not come back together."""
    least, most = backoff_s(attempt, lambda: 0.0), backoff_s(attempt, lambda: 1.0)
    assert most == 2 * least


@given(st.floats(0.001, 10), st.floats(0.001, 100), jitters)
def test_the_bounds_can_be_said(first_s, most_s, jitter):
    """The first wait and the longest."""
    assert backoff_s(0, lambda: jitter, first_s, most_s) <= min(first_s, most_s)
    assert backoff_s(99, lambda: jitter, first_s, most_s) <= most_s
