"""What the benchmark of the stores says when it can't run."""

import re

import pytest

from bench import __main__ as command
from bench import harness, stores


@pytest.fixture
def no_servers(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "ROOT", tmp_path)


def test_servers_that_are_not_installed_are_named_with_what_installs_them(no_servers, capsys):
    """On standard error; the exit code says that nothing was judged, not that a goal was missed."""
    assert command.main(["stores"]) == harness.NOT_JUDGED_EXIT
    assert re.search(r"cassandra, redis.*make servers-install", capsys.readouterr().err)


def test_a_missed_goal_is_not_hidden_by_a_benchmark_that_cant_run():
    """Whichever of the two came first."""
    missed = harness.compare("figure", "1/s", 0.1, {"peer": 1.0}, more_is_better=True, goal=1.0)
    assert harness.exit_code([missed], all_measured=False) == 1
