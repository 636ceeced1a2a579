"""When photos arrive, how long the queue alone takes, and when the promise holds."""

import pytest

from bench import ready
from bench.harness import GoalResult


def test_photos_arrive_at_random_at_their_rate():
    """Those of a seed in the same pattern, however fast; in order."""
    slow, fast = ready.poisson_s(10_000, 2.0), ready.poisson_s(10_000, 4.0)
    assert slow == sorted(slow)
    assert slow[-1] == pytest.approx(5_000, rel=0.05)
    assert slow == pytest.approx([2 * at_s for at_s in fast])


@pytest.mark.parametrize(("workers", "expected"), [(1, [2, 4, 5, 2]), (2, [2, 2, 3, 2]), (3, [2, 2, 2, 2])])
def test_a_photo_waits_for_the_first_free_worker(workers, expected):
    """In the order of arrival."""
    assert ready.queued_s([0, 0, 1, 9], workers, 2) == expected


def test_at_80_percent_of_one_worker_p99_is_eleven_jobs_long():
    """That of the queue M/D/1."""
    taken_s = sorted(ready.queued_s(ready.poisson_s(200_000, 0.8), 1, 1.0))
    assert taken_s[198_000] == pytest.approx(11.3, abs=0.7)


def test_a_rate_leaves_the_first_third_out():
    """In any order."""
    assert ready.rate_of([0.5, 11, 3, 10, 2, 12]) == pytest.approx(3 / 9)


@pytest.mark.parametrize(("slowest_s", "outcome"), [(2.0, GoalResult.HOLDS), (2.1, GoalResult.MISSED)])
def test_the_promise_has_its_own_bound(slowest_s, outcome):
    """It is not judged beside a peer, however fast that is."""
    *published, promise = ready.rows({"ours": [0.2, slowest_s], "peer": [0.1, 0.1]})
    assert promise.outcome is outcome
    assert {row.outcome for row in published} == {GoalResult.PUBLISHED}
