"""A process gets the secrets of its own node."""

import pytest

from darkroom.local import process_secrets
from darkroom.local.machine import Process
from darkroom.processes.entry_points import _KINDS

REGIONS = ("eu-west", "eu-west-2")
FILES = [f"{region}.{rest}" for region in REGIONS for rest in ("node.k1.pem", "node.k2.pem", "users.k1.pem")]
FILES += [
    f"{region}.{store}" for region in REGIONS for store in ("objects", "s3", "catalog", "feeds", "settings", "limits")
]
FILES += [f"eu-west.dask.{end}" for end in ("ca", "cert", "key")] + ["lisbon.node.k1.pem", "madrid.node.k1.pem", "x"]
STORES = {"eu-west.objects", "eu-west.s3", "eu-west.catalog", "eu-west.feeds", "eu-west.settings"}
NODE = {"eu-west.node.k1.pem", "eu-west.node.k2.pem"}
DASK = {"eu-west.dask.ca", "eu-west.dask.cert", "eu-west.dask.key"}


@pytest.fixture
def given(tmp_path):
    """`given(kind, node)`: the names of the files that the process gets."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in FILES:
        (secrets / name).write_text(name)

    def given(kind, node) -> set[str]:
        folder = process_secrets.give(Process(kind, node, False), secrets, tmp_path / "given")
        assert folder.stat().st_mode & 0o777 == 0o700
        return {file.name for file in folder.iterdir()}

    return given


def test_each_kind_of_process_gets_what_it_needs(given):
    """And nothing of a region whose name begins alike."""
    assert given("edge", "lisbon") == {"lisbon.node.k1.pem"}
    assert given("origin", "eu-west") == STORES | NODE | {"eu-west.users.k1.pem", "eu-west.limits"}
    assert given("object-server", "eu-west") == {"eu-west.objects"}
    assert given("janitor", "eu-west") == STORES
    assert given("replicator", "eu-west") == STORES | NODE | DASK
    assert given("processor", "eu-west") == given("worker", "eu-west") == STORES | DASK


def test_every_kind_is_in_the_table():
    """So that nobody adds one without saying what it may have."""
    assert set(process_secrets._NEEDED) == set(_KINDS)


def test_what_was_given_before_is_gone(given, tmp_path):
    """A key that was taken out is no longer there at the next start."""
    given("edge", "lisbon")
    (tmp_path / "secrets" / "lisbon.node.k1.pem").rename(tmp_path / "secrets" / "lisbon.node.k2.pem")
    assert given("edge", "lisbon") == {"lisbon.node.k2.pem"}
