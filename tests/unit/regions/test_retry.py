"""Pauses between attempts grow, are half random, and stay within bounds."""

from hypothesis import given
from hypothesis import strategies as st

from regions.retry import backoff_s

jitters = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, 10**6), jitters)
def test_a_pause_is_bounded(attempt, jitter):
    """From 50 ms to 5 s, however often the work has failed."""
    assert 0.05 <= backoff_s(attempt, lambda: jitter) <= 5.0


@given(st.integers(1, 100), jitters)
def test_pauses_grow(attempt, jitter):
    """With the same jitter, a later attempt waits at least as long."""
    assert backoff_s(attempt, lambda: jitter) <= backoff_s(attempt + 1, lambda: jitter)


@given(st.integers(1, 30))
def test_half_of_a_pause_is_random(attempt):
    """So that processes that failed together don't all come back together."""
    least, most = backoff_s(attempt, lambda: 0.0), backoff_s(attempt, lambda: 1.0)
    assert most == 2 * least


@given(st.floats(0.001, 10), st.floats(0.001, 100), jitters)
def test_the_first_and_the_longest_pause_can_be_set(first_s, max_s, jitter):
    assert backoff_s(1, lambda: jitter, first_s, max_s) <= min(first_s, max_s)
    assert backoff_s(99, lambda: jitter, first_s, max_s) <= max_s
