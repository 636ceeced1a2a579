"""What the benchmark of waiting computes."""

import random

import pytest

from bench.ready import percentiles, poisson, queue_alone


def test_arrivals_come_at_the_rate_that_was_asked_for():
    """In order, and at random."""
    arrivals_s = poisson(10.0, 5_000, random.Random(1))
    assert arrivals_s == sorted(arrivals_s)
    assert 5_000 / arrivals_s[-1] == pytest.approx(10.0, rel=0.05)


@pytest.mark.parametrize(("workers", "taken_s"), [(1, [2.0, 3.0, 5.0, 2.0]), (2, [2.0, 2.0, 3.0, 2.0]), (9, [2.0] * 4)])
def test_a_queue_alone_takes_the_work_and_the_wait_for_a_worker(workers, taken_s):
    """First come, first served."""
    assert queue_alone([0.0, 1.0, 1.0, 60.0], workers, 2.0) == taken_s


def test_percentiles():
    """Of the numbers from 0 to 100."""
    assert percentiles(list(range(101))) == (50, 99)
