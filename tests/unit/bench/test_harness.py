"""When a goal holds, is missed, or is not judged; and the exit code of each."""

import io

import pytest
from rich.console import Console

from bench import harness
from bench.harness import Basis, GoalResult, compare, exit_code


def measured(ours: float, peers: dict[str, float], goal: float | None = 1.0, missing: dict[str, str] | None = None):
    return compare("figure", "1/s", ours, peers, more_is_better=True, goal=goal, missing=missing or {})


@pytest.mark.parametrize(
    ("ours", "outcome"), [(2.0, GoalResult.HOLDS), (1.0, GoalResult.HOLDS), (0.9, GoalResult.MISSED)]
)
def test_a_goal_is_judged_beside_the_best_peer(ours, outcome):
    """Not beside the one that is easiest to beat."""
    assert measured(ours, {"slow": 0.1, "fast": 1.0}).outcome is outcome


def test_a_goal_can_be_set_beside_some_peers_only():
    """The others are published in the same row."""
    row = compare("figure", "1/s", 6.0, {"slow": 2.0, "fast": 9.0}, more_is_better=True, goal=2.5, beside=["slow"])
    assert (row.ratio, row.outcome, row.peers["fast"]) == (3.0, GoalResult.HOLDS, 9.0)


@pytest.mark.parametrize(
    ("ours", "more_is_better", "lead", "outcome"),
    [
        (-5.05, True, -0.05, GoalResult.HOLDS),
        (-5.25, True, -0.25, GoalResult.MISSED),
        (-8.25, False, 0.25, GoalResult.HOLDS),
    ],
)
def test_a_lead_is_a_difference(ours, more_is_better, lead, outcome):
    """Of scores that may be negative, a ratio would say nothing."""
    peers = {"one": -5.0, "other": -8.0}
    row = compare("figure", "points", ours, peers, more_is_better=more_is_better, goal=-0.1, basis=Basis.LEAD)
    assert (row.lead, row.outcome, row.ratio) == (pytest.approx(lead), outcome, None)


@pytest.mark.parametrize(("ours", "outcome"), [(10.0, GoalResult.HOLDS), (9.9, GoalResult.MISSED)])
def test_a_goal_for_our_own_figure_needs_no_peer(ours, outcome):
    """There is none that does the same."""
    assert compare("figure", "1/s", ours, {}, more_is_better=True, goal=10.0, basis=Basis.OURS).outcome is outcome


def test_a_missing_peer_leaves_the_goal_unjudged():
    """However good the figure looks beside the installed peers."""
    row = measured(9.0, {"slow": 1.0}, missing={"fast": "install it"})
    assert (row.outcome, row.missing) == (GoalResult.NOT_JUDGED, {"fast": "install it"})


def test_no_peer_at_all_leaves_the_goal_unjudged():
    """There is nothing to compare with."""
    assert measured(9.0, {}).outcome is GoalResult.NOT_JUDGED


def test_a_figure_without_a_goal_is_published():
    """It is for information, even if a peer is missing."""
    assert measured(0.1, {"fast": 1.0}, goal=None, missing={"other": "install it"}).outcome is GoalResult.PUBLISHED


def test_missed_and_unjudged_goals_have_exit_codes_of_their_own():
    """A missed goal is worse, and takes precedence."""
    holds, missed = measured(2.0, {"a": 1.0}), measured(0.1, {"a": 1.0})
    unjudged = measured(2.0, {}, missing={"a": "install it"})
    assert [exit_code(rows) for rows in ([holds], [holds, unjudged], [unjudged, missed])] == [0, 3, 1]


def test_brackets_in_a_figure_are_printed(tmp_path, monkeypatch):
    """They are not taken for markup."""
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    printed = io.StringIO()
    row = compare("reads a second [before: 5]", "1/s", 9.0, {}, more_is_better=True)
    harness.publish("any", [row], Console(file=printed, width=200))
    assert "reads a second [before: 5]" in printed.getvalue()
