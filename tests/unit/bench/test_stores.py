"""What the benchmark of the stores says when it can't run."""

import re

import pytest

from bench import harness, stores


def test_servers_that_are_not_installed_are_named_with_what_installs_them(tmp_path, monkeypatch, capsys):
    """On standard error; the exit code says that nothing was judged, not that a goal was missed."""
    monkeypatch.setattr(stores, "ROOT", tmp_path)
    with pytest.raises(SystemExit) as ended:
        stores.run()
    assert ended.value.code == harness.NOT_JUDGED_EXIT
    assert re.search(r"cassandra, redis.*make servers-install", capsys.readouterr().err)
