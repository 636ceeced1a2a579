"""When a request that arrives slowly, or a response that is taken slowly, is given up."""

from hypothesis import given
from hypothesis import strategies as st

from darkroom.processes.pace import Pace, PaceLimits

LIMITS = PaceLimits(grace_s=10, slowest_bytes_per_s=1000)


def given_up_at(arrivals: list[tuple[float, int]]) -> float | None:
    """`arrivals` are (seconds since the last look, bytes that came in them)."""
    pace, now_s, received_bytes = Pace(0), 0.0, 0
    for passed_s, new_bytes in arrivals:
        now_s, received_bytes = now_s + passed_s, received_bytes + new_bytes
        if pace.is_too_slow(now_s, received_bytes, LIMITS):
            return now_s
    return None


@given(st.lists(st.floats(0.1, 2), max_size=200))
def test_a_client_that_sends_fast_enough_is_never_given_up(looks):
    """However long it takes, and whenever one looks."""
    assert given_up_at([(passed_s, int(passed_s * 1001) + 1) for passed_s in looks]) is None


@given(st.integers(0, 999), st.integers(0, 1 << 30), st.integers(0, 30))
def test_a_client_that_becomes_slow_is_given_up_within_two_graces(rate, first_bytes, fast_s):
    """However fast it was before."""
    at_s = given_up_at([(1, first_bytes)] * fast_s + [(1, rate)] * 40)
    assert at_s is not None
    assert at_s <= fast_s + 2 * LIMITS.grace_s


@given(st.lists(st.floats(0.1, 2), max_size=100))
def test_nothing_is_given_up_within_the_grace(looks):
    """A head or a small body that stops on its way has that long."""
    at_s = given_up_at([(passed_s, 0) for passed_s in looks])
    assert at_s is None or at_s >= LIMITS.grace_s
