"""`darkroom policy plan`: what a policy would change is known before anybody signs it."""

import json
from contextlib import closing

import pytest
from rich.console import Console

from darkroom.cli import main
from darkroom.local import data_folder
from darkroom.local.compliance import shipped_policy
from darkroom.operate.policy_plan import Change, Holding, changes, moved, show
from regions import config, ids
from regions.records import Photo, Status, Upload, Variant
from regions.residency.decide import Subject
from regions.residency.policy import Action
from regions.stores.objects import RAW, raw_key
from tests.builders.statements import POLICY_TEXT, Compliance

MACHINE = data_folder.read_machine()
PORTS = {process.name: 20_000 + number for number, process in enumerate(MACHINE.processes())}
EU, WORLD = Subject("eu", "eu-west"), Subject("world", "us-central")
SYDNEY_ENDS = "    rules:\n      - {deny: [serve, cache], at: [sydney], because: Notice was given.}\n"
AT_MS = 1_800_000_000_000


def holding(photos: int, raw_bytes: int) -> Holding:
    return Holding(photos, {Action.REST_RAW: raw_bytes, Action.REST_VARIANTS: 10, Action.REST_METADATA: 0})


def plan(text: str):
    """What the policy changes for three photos of the EU and two of others."""
    team = Compliance()
    before, after = team.states(), team.states(text)
    return changes(before, after, {EU: holding(3, 300), WORLD: holding(2, 200)}, AT_MS)


def test_the_same_policy_changes_nothing():
    assert plan(POLICY_TEXT) == []


def test_what_is_denied_at_an_edge_is_counted_by_class():
    """The EU's photos could be served there, and not be cached."""
    found = plan(POLICY_TEXT.replace("    rules:\n", SYDNEY_ENDS))
    assert [(one.residency_class, one.place, one.action, one.how, one.photos) for one in found] == [
        ("eu", "sydney", "serve", "denied", 3),
        ("world", "sydney", "serve", "denied", 2),
        ("world", "sydney", "cache", "denied", 2),
    ]
    assert all(one.rule.startswith("policy.yaml:") for one in found)


def test_what_rests_elsewhere_is_copied_erased_or_moved():
    """Raws of others go to eu-west instead of eu-central, with their bytes."""
    found = plan(POLICY_TEXT.replace("at: [eu-west]\n        because: Two", "at: [eu-central]\n        because: Two"))
    assert [(one.place, one.action, one.how, one.photos, one.size_bytes) for one in found] == [
        ("eu-west", "rest_raw", "copied", 2, 200),
        ("eu-central", "rest_raw", "erased", 2, 200),
    ]
    assert moved(found) == {("world", "us-central"): 2}


@pytest.fixture
def data(tmp_path):
    """A system with one photo in eu-west, of which another region has a copy."""
    loaded = data_folder.prepare(tmp_path, MACHINE, PORTS)
    photo_id = ids.to_public(ids.PHOTO, ids.compose(ids.Snowflake(ids.EPOCH_MS + 1, 1, 0, 0)))
    photo = Photo(photo_id, "u_00000000001", "eu", "eu-west", Status.UPLOADING, "", 3, None, 1,
                  variants=(Variant(320, 320, 200, 7, "ab" * 32),))  # fmt: skip
    with closing(config.open_catalog(loaded, "eu-west")) as catalog:
        catalog.photos.create(photo, Upload(photo_id, "m", "a.jpg", 3, 3, 2))
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    for region in ("eu-west", "eu-central"):
        config.open_objects(loaded, region).put(RAW, raw_key(photo_id), [b"abc"], sha256, "image/jpeg")
    return tmp_path


def test_the_rule_is_whole_where_a_terminal_is_narrow(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    change = Change(
        "world-without-rules", "us-central", "eu-central", "rest_variants", "erased", 1234567, 1, "policy.yaml:52"
    )
    show([change], Console())
    assert "policy.yaml:52" in capsys.readouterr().out


def test_the_id_of_a_user_is_explained(data, capsys):
    """`policy explain` is about photos."""
    assert main(["policy", "explain", "u_00000000001", "--data", str(data)]) == 2
    printed = " ".join(capsys.readouterr().err.split())
    assert "u_00000000001 is a user's id" in printed and "darkroom policy decisions" in printed


def test_photos_are_counted_once_at_their_home(data, capsys):
    """By class and home, from the catalogs; for programs as JSON."""
    file = data / "new.yaml"
    file.write_text(shipped_policy().replace("    rules:\n", SYDNEY_ENDS))
    assert main(["policy", "plan", str(file), "--json", "--data", str(data)]) == 0
    [change] = json.loads(capsys.readouterr().out)
    assert (change["place"], change["action"], change["how"], change["photos"]) == ("sydney", "serve", "denied", 1)
    assert main(["policy", "plan", str(file), "--data", str(data)]) == 0
    assert "denied" in capsys.readouterr().out
    file.write_text(shipped_policy())
    assert main(["policy", "plan", str(file), "--data", str(data)]) == 0
    assert "changes nothing" in " ".join(capsys.readouterr().out.split())
