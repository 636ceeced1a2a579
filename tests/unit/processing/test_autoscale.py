"""How many workers are wanted: enough for the promise, within the limits, and without swinging."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.autoscale import PROMISE_S, Autoscaler, Limits, Load, target
from regions.processing_status import wait_s

LIMITS = Limits(1, 5_000)
IDLE = Load(0, 0.0, 0.1)
loads = st.builds(Load, st.integers(0, 10**6), st.floats(0, 50_000), st.floats(0.001, 60))
limits = st.integers(1, 50).flatmap(lambda least: st.builds(Limits, st.just(least), st.integers(least, 10_000)))


@given(loads, limits)
def test_the_target_is_within_the_limits(load, limits):
    """Whatever the load is."""
    assert limits.least <= target(load, limits) <= limits.most


@given(loads, loads)
def test_more_load_never_needs_fewer_workers(one, other):
    """More photos that wait, more that arrive, or slower ones."""
    more = Load(one.waiting + other.waiting, one.arriving_per_s + other.arriving_per_s, max(one.work_s, other.work_s))
    assert target(more, LIMITS) >= target(one, LIMITS)


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        (IDLE, 1),
        (Load(0, 44_000.0, 0.09), 4950),
        (Load(150, 0.0, 0.1), 1),
        (Load(15_000, 0.0, 0.1), 100),
        (Load(0, 8.0, 1.0), 10),
    ],
)
def test_the_target_for_a_load(load, expected):
    """The second is the peak of the whole world at a worker's 11 photos a second."""
    assert target(load, LIMITS) == expected


@given(st.integers(0, 10**6), st.floats(0.001, 5))
def test_with_the_wanted_workers_a_backlog_is_worked_off_within_the_promise(waiting, work_s):
    """As long as the limit allows that many."""
    workers = target(Load(waiting, 0.0, work_s), Limits(1, 10**9))
    assert wait_s(waiting, workers, work_s) <= PROMISE_S


def test_more_workers_come_at_once():
    """A crowd does not wait for a pause."""
    scaler = Autoscaler(LIMITS)
    assert [scaler.step(load, 0.0) for load in (IDLE, Load(15_000, 0.0, 0.1))] == [1, 100]


def test_workers_go_slowly():
    """A tenth of them after each calm minute, and the last ones one by one."""
    scaler = Autoscaler(LIMITS)
    scaler.step(Load(15_000, 0.0, 0.1), 0.0)
    assert [scaler.step(IDLE, now_s) for now_s in (1, 59, 60, 61, 119, 120)] == [100, 100, 90, 90, 90, 81]
    assert [scaler.step(IDLE, 120.0 + 60 * minute) for minute in range(1, 100)][-1] == 1


def test_workers_that_were_needed_during_the_minute_stay():
    """A load that comes and goes within a minute keeps its workers."""
    scaler, crowd = Autoscaler(LIMITS), Load(15_000, 0.0, 0.1)
    scaler.step(crowd, 0.0)
    seen = [scaler.step(crowd if second % 40 == 0 else IDLE, second) for second in range(1, 600)]
    assert set(seen) == {100}


@given(st.lists(st.tuples(loads, st.floats(0, 120)), max_size=60), limits)
def test_there_are_never_fewer_workers_than_are_needed_now(steps, limits):
    """And never more than the limit."""
    scaler, now_s = Autoscaler(limits), 0.0
    for load, pause_s in steps:
        now_s += pause_s
        assert target(load, limits) <= scaler.step(load, now_s) <= limits.most
