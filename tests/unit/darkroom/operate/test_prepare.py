"""`darkroom prepare`: creates what stores need, and publishes a policy if there is none."""

import shutil
from pathlib import Path

import pytest

from darkroom.cli import main
from darkroom.local import data_folder
from regions import config
from regions.stores.settings import POLICY

MACHINE = data_folder.read_machine()


@pytest.fixture
def bare(tmp_path):
    """A topology with its secrets, but without stores."""
    data_folder.prepare(tmp_path, MACHINE, {process.name: 1 for process in MACHINE.processes()})
    shutil.rmtree(tmp_path / "regions")
    return tmp_path


def policies(data) -> list[str]:
    loaded = config.load(data / "topology.toml", {})
    opened = [config.open_settings(loaded, region) for region in MACHINE.regions]
    found = [settings.values.read(POLICY) for settings in opened]
    for settings in opened:
        settings.close()
    return [setting.value if setting else "" for setting in found]


def test_every_store_is_created_and_has_a_policy(bare, capsys):
    """The output names each region."""
    assert main(["prepare", "--data", str(bare)]) == 0
    shown = capsys.readouterr().out
    assert all(region in shown for region in MACHINE.regions)
    assert all((bare / "regions" / region / "objects" / "raw").is_dir() for region in MACHINE.regions)
    assert len(set(policies(bare))) == 1


def test_preparing_again_keeps_an_existing_policy(bare):
    """The operator's policy is not replaced."""
    assert main(["prepare", "--data", str(bare)]) == 0
    loaded = config.load(bare / "topology.toml", {})
    settings = config.open_settings(loaded, "eu-west")
    settings.values.write(POLICY, "theirs")
    settings.close()
    assert main(["prepare", "--topology", str(bare / "topology.toml")]) == 0
    assert policies(bare)[list(MACHINE.regions).index("eu-west")] == "theirs"


def test_a_topology_that_the_default_policy_does_not_fit_needs_its_own(bare, capsys):
    """The stores are ready, and the advice explains where to write a policy."""
    path = bare / "topology.toml"
    path.write_text(path.read_text().replace("us-central", "us-north"))
    for secret in (bare / "secrets").glob("us-central.*"):
        secret.rename(secret.with_name(secret.name.replace("us-central", "us-north")))
    assert main(["prepare", "--data", str(bare)]) == 1
    assert "--policy FILE" in capsys.readouterr().err
    assert (bare / "regions" / "us-north" / "objects" / "raw").is_dir()


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


def test_a_policy_of_ones_own_is_published(bare, tmp_path):
    """Where a region has none yet: with regions of other names, the default one would not fit."""
    own = tmp_path / "own.yaml"
    own.write_text("# ours\n" + (Path(__file__).parents[4] / "deploy" / "policy.yaml").read_text())
    assert main(["prepare", "--data", str(bare), "--policy", str(own)]) == 0
    assert all(text.startswith("# ours") for text in policies(bare))
