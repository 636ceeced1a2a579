"""What the benchmark of the stores says where it can't run."""

import pytest

from bench import stores


def test_servers_that_are_not_installed_are_named_with_what_installs_them(tmp_path, monkeypatch):
    """A text as the exit's code goes to standard error, and the code is then 1."""
    monkeypatch.setattr(stores, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match=r"cassandra, redis.*make servers-install"):
        stores.run()
