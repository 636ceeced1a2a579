"""When a lane and the edges keep their promises."""

import pytest

from bench import lane_lag
from bench.harness import GoalResult

NINETY_NINE = [0.5] * 98 + [1.0]


@pytest.mark.parametrize(("slowest_s", "outcome"), [(5.0, GoalResult.HOLDS), (5.1, GoalResult.MISSED)])
@pytest.mark.parametrize("which", ["lag", "gone"])
def test_each_promise_is_judged_by_itself(which, slowest_s, outcome):
    """Whatever the other is, and however far below S3's promise it is."""
    slow, fast = [0.5] * 10 + [slowest_s], [0.5]
    found = lane_lag.rows(slow, fast) if which == "lag" else lane_lag.rows(fast, slow)
    judged = {row.figure: row.outcome for row in found if row.goal is not None}
    begins = {"lag": "ready at home", "gone": "deleted"}[which]
    assert [each for figure, each in judged.items() if figure.startswith(begins)] == [outcome]
    assert [each for figure, each in judged.items() if not figure.startswith(begins)] == [GoalResult.HOLDS]


def test_one_of_a_hundred_may_be_late():
    """That is what P99 says; the slowest is shown, too."""
    found = {row.figure: row for row in lane_lag.rows([*NINETY_NINE, 60.0], [1.0])}
    p99 = next(row for figure, row in found.items() if figure.startswith("ready") and figure.endswith("P99"))
    slowest = next(row for figure, row in found.items() if figure.endswith("the slowest"))
    assert (p99.ours, p99.outcome) == (1.0, GoalResult.HOLDS)
    assert (slowest.ours, slowest.peers) == (60.0, {lane_lag.S3_PROMISE: lane_lag.S3_PROMISE_S})
