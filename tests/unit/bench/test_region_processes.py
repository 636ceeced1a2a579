"""How much workers did, and how it adds up."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.region.processes import Done, number_of, per_second, repeated


def steps(*counts):
    """A step that does so much each time it is called."""
    return iter(counts).__next__


def seconds():
    """A clock that goes on by a second between two looks."""
    return count(100.0).__next__


def test_a_worker_goes_on_until_its_time_is_over():
    """What was begun before that counts, with all its time."""
    assert repeated(steps(5, 5, 5, 5), 2.5, seconds()) == Done(15, 3.0)


def test_a_worker_ends_when_nothing_is_left():
    """The time in which it looked for more in vain does not count."""
    assert repeated(steps(7, 3, 0), 9.0, seconds()) == Done(10, 2.0)


def test_a_worker_without_work_did_nothing():
    """And took no time."""
    assert repeated(steps(0), 9.0, seconds()) == Done(0, 0.0)


@given(st.lists(st.builds(Done, st.integers(1, 1000), st.floats(0.1, 10))))
def test_the_rates_of_workers_add_up(parts):
    """Those of workers that did nothing are none."""
    assert per_second([*parts, Done(0, 0.0)]) == pytest.approx(sum(part.count / part.taken_s for part in parts))


def test_one_process_and_several_are_named():
    """For the table."""
    assert [number_of(1), number_of(8)] == ["1 process", "8 processes"]
