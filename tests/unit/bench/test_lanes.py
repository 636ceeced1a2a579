"""What the benchmark of lanes makes of seconds, and what it says when it can't run."""

import re

import pytest

from bench import __main__ as command
from bench import harness, lanes
from bench.copies import rclone, store_pair

SET = lanes.ObjectSet("200 KB", 200_000, 125, ("150.jpg", "320.jpg", "640.jpg", ""))
FOUND = {
    "wall_s": {"ours": 2.0, rclone.NAME: 2.5, "threads": 1.0},
    "core_s": {"ours": 1.0, rclone.NAME: 2.0, "threads": 0.5},
    "servers_core_s": {"ours": 1.0, rclone.NAME: 1.0, "threads": 1.0},
}


def without_rclone():
    return {measure: {name: one for name, one in by.items() if name != rclone.NAME} for measure, by in FOUND.items()}


def test_servers_that_are_not_installed_are_named_with_what_installs_them(tmp_path, monkeypatch, capsys):
    """Nothing is judged then."""
    monkeypatch.setattr(store_pair, "ROOT", tmp_path)
    assert command.main(["lanes"]) == harness.NOT_JUDGED_EXIT
    assert re.search(r"versitygw.*make servers-install", capsys.readouterr().err)


@pytest.mark.parametrize(("goal", "outcome"), [(1.1, harness.GoalResult.HOLDS), (1.3, harness.GoalResult.MISSED)])
def test_the_goal_is_set_beside_rclone(goal, outcome):
    """Threads without a border show what it costs, and decide nothing."""
    rate, each, *_ = lanes.rows(SET, lanes.Distance("80 ms", None, goal), FOUND)
    assert (rate.figure, rate.unit, rate.ours) == ("copies of 200 KB, 80 ms: MB/s", "MB/s", 50.0)
    assert (rate.ratio, rate.outcome) == (1.25, outcome)
    assert (each.ours, each.peers, each.outcome) == (250.0, {rclone.NAME: 200.0, "threads": 500.0}, "published")


def test_core_seconds_are_of_a_thousand_objects():
    """Fewer are better."""
    *_, copier, servers = lanes.rows(SET, lanes.DISTANCES[0], FOUND)
    assert (copier.ours, copier.peers[rclone.NAME], copier.ratio) == (2.0, 4.0, 2.0)
    assert servers.ours == 2.0


def test_nothing_is_judged_without_rclone():
    """And the table says how to get it."""
    rate, *_ = lanes.rows(SET, lanes.DISTANCES[0], without_rclone())
    assert rate.outcome is harness.GoalResult.NOT_JUDGED and "bench-peers" in rate.missing[rclone.NAME]
