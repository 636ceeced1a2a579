"""`darkroom prepare`: creates what stores need, and missing keys."""

import shutil

import pytest

from darkroom.cli import main
from darkroom.local import data_folder

MACHINE = data_folder.read_machine()


@pytest.fixture
def bare(tmp_path):
    """A topology with its secrets, but without stores."""
    data_folder.prepare(tmp_path, MACHINE, {process.name: 1 for process in MACHINE.processes()})
    shutil.rmtree(tmp_path / "regions")
    return tmp_path


def test_every_store_is_created(bare, capsys):
    """The output names each region, and that nobody can sign up before there is a statement."""
    assert main(["prepare", "--data", str(bare)]) == 0
    shown = capsys.readouterr().out
    assert all(region in shown for region in MACHINE.regions)
    assert all((bare / "regions" / region / "objects" / "raw").is_dir() for region in MACHINE.regions)
    assert "No statement" in shown


def test_missing_keys_are_made_and_others_stay(bare, capsys):
    """Each is named, so that its public half can be put into the next statement."""
    kept, lost = bare / "secrets" / "lisbon.node.k1.pem", bare / "secrets" / "sydney.node.k1.pem"
    before = kept.read_text()
    lost.unlink()
    assert main(["prepare", "--data", str(bare)]) == 0
    assert "sydney.node.k1.pem" in "".join(capsys.readouterr().out.split())
    assert (kept.read_text(), lost.stat().st_mode & 0o777) == (before, 0o600)


def test_a_store_that_is_gone_ends_the_command_with_advice(bare, capsys):
    """The advice works: the named store is created, and no other."""
    assert main(["prepare", "--data", str(bare)]) == 0
    shutil.rmtree(bare / "regions" / "eu-west" / "objects")
    assert main(["prepare", "--data", str(bare)]) == 1
    shown = capsys.readouterr()
    assert "objects of eu-west" in " ".join(shown.out.split())
    assert "--replace REGION/PORT" in " ".join(shown.err.split())
    assert main(["prepare", "--data", str(bare), "--replace", "eu-west/objects"]) == 0
    assert "created: objects" in capsys.readouterr().out


def test_an_unknown_store_is_a_wrong_use(bare, capsys):
    assert main(["prepare", "--data", str(bare), "--replace", "eu-west/disk"]) == 2
    assert "eu-west/objects" in capsys.readouterr().err


def test_a_region_whose_store_is_gone_does_not_keep_another_from_being_prepared(bare, capsys):
    """Each is mended on its own."""
    assert main(["prepare", "--data", str(bare)]) == 0
    for region in ("eu-west", "us-central"):
        shutil.rmtree(bare / "regions" / region / "objects")
    assert main(["prepare", "--data", str(bare), "--replace", "us-central/objects"]) == 1
    assert (bare / "regions" / "us-central" / "objects" / "stamp").exists()
    assert not (bare / "regions" / "eu-west" / "objects").exists()
