"""What the benchmark of a region's walls says when it can't run, and the rows that it makes."""

import re

import pytest

from bench import __main__ as command
from bench import harness, walls
from bench.region import deletions
from bench.region.processes import Done


def test_servers_that_are_not_installed_are_named(tmp_path, monkeypatch, capsys):
    """With what installs them; nothing is measured on the others."""
    monkeypatch.setattr(walls, "ROOT", tmp_path)
    assert command.main(["walls"]) == harness.NOT_JUDGED_EXIT
    assert re.search(r"cassandra, kafka.*make servers-install", capsys.readouterr().err)


def test_deletions_are_compared_with_those_of_one_process():
    """Their rounds of Paxos are counted for each deletion, over all processes."""
    alone, both = [(Done(10, 1.0), 20)], [(Done(8, 1.0), 20), (Done(2, 0.5), 10)]
    rate, rounds = deletions.rows_of(2, both, alone)
    assert (rate.ours, rate.peers, rate.ratio) == (12.0, {"1 process": 10.0}, pytest.approx(1.2))
    assert (rounds.ours, rounds.ratio) == (3.0, None)


def test_what_a_figure_was_before_is_in_brackets():
    """Only where it is known."""
    alone = [(Done(10, 1.0), 20)]
    before = {count: deletions.rows_of(count, alone, alone)[0].figure for count in deletions.PROCESSES}
    assert {count for count, figure in before.items() if re.search(r"\[before: .*\]$", figure)} == {*deletions.BEFORE}


def test_speed_has_no_goal():
    """It is published, since it depends on the machine."""
    alone = [(Done(10, 1.0), 20)]
    assert {row.outcome for row in deletions.rows_of(1, alone, alone)} == {harness.GoalResult.PUBLISHED}
