"""`darkroom policy decisions`: what each region has decided about a photo or person, from its own audit log."""

import json
from contextlib import closing

import pytest

from darkroom.cli import main
from darkroom.local import data_folder
from regions import config, ids
from regions.records import AuditEntry

MACHINE = data_folder.read_machine()
PORTS = {process.name: 20_000 + number for number, process in enumerate(MACHINE.processes())}
PHOTO_ID = ids.to_public(ids.PHOTO, ids.compose(ids.Snowflake(ids.EPOCH_MS + 1, 1, 0, 0)))
USER_ID = ids.to_public(ids.USER, 7)
HASH = "0123456789abcdef" * 4
AT_MS = 1_800_000_000_000


def entry(about: str, place: str, allowed: bool = True, at_ms: int = AT_MS) -> AuditEntry:
    return AuditEntry(about, "rest_variants", place, allowed, "policy.yaml:52", HASH, at_ms)


@pytest.fixture
def logged(tmp_path):
    """`logged(region, *entries)` writes into the region's log."""
    loaded = data_folder.prepare(tmp_path, MACHINE, PORTS)

    def append(region: str, *entries: AuditEntry) -> None:
        with closing(config.open_catalog(loaded, region)) as catalog:
            catalog.audit.append(entries)

    return append


@pytest.fixture
def decisions(tmp_path, capsys):
    """`decisions(*arguments)`: the exit code, and what was printed on both streams."""

    def run(*arguments: str) -> tuple[int, str]:
        code = main(["policy", "decisions", *arguments, "--data", str(tmp_path)])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def test_the_decisions_of_both_ends_are_shown(logged, decisions, monkeypatch):
    """Each region's under its name, with the rule and the statement, also where a terminal is narrow."""
    monkeypatch.setenv("COLUMNS", "80")
    logged("eu-west", entry(PHOTO_ID, "eu-central"), entry(USER_ID, "sydney"))
    logged("eu-central", entry(PHOTO_ID, "eu-central", at_ms=AT_MS + 5_000))
    logged("us-central", entry(PHOTO_ID, "", allowed=False))
    code, printed = decisions(PHOTO_ID)
    rows = [line.split() for line in printed.splitlines() if "rest_variants" in line]
    assert (code, rows) == (
        0,
        [
            ["2027-01-15", "08:00:00", "rest_variants", "eu-central", "allow", "policy.yaml:52", "01234567"],
            ["2027-01-15", "08:00:05", "rest_variants", "eu-central", "allow", "policy.yaml:52", "01234567"],
            ["2027-01-15", "08:00:00", "rest_variants", "unknown", "deny", "policy.yaml:52", "01234567"],
        ],
    )
    assert [line.strip() for line in printed.splitlines() if line.strip() in MACHINE.regions] == list(MACHINE.regions)


def test_the_newest_of_each_region_are_enough(logged, decisions):
    logged("eu-west", *(entry(PHOTO_ID, "eu-central", at_ms=AT_MS + 1000 * second) for second in range(9)))
    code, printed = decisions(PHOTO_ID, "--limit", "2")
    assert (code, printed.count("rest_variants")) == (0, 2)
    assert "08:00:08" in printed and "--limit shows more" in printed
    assert "eu-central has logged no decision about" in printed
    for limit in ("0", "1001"):
        assert decisions(PHOTO_ID, "--limit", limit)[0] == 2


def test_one_region_is_asked_when_it_is_named(logged, decisions):
    logged("eu-west", entry(PHOTO_ID, "eu-central"))
    code, printed = decisions(PHOTO_ID, "--region", "us-central")
    assert code == 0 and "rest_variants" not in printed
    assert decisions(PHOTO_ID, "--region", "mars")[0] == 2


def test_programs_get_all_of_it_by_time(logged, decisions):
    logged("eu-west", entry(PHOTO_ID, "sydney", at_ms=AT_MS + 1))
    logged("us-central", entry(PHOTO_ID, "sydney", allowed=False))
    code, printed = decisions(PHOTO_ID, "--json")
    document = json.loads(printed)
    assert (code, document["away"]) == (0, {})
    assert document["decisions"][0] == {
        "at": "2027-01-15T08:00:00.000Z",
        "region": "us-central",
        "action": "rest_variants",
        "place": "sydney",
        "allowed": False,
        "rule": "policy.yaml:52",
        "statement": HASH,
    }
    assert [one["region"] for one in document["decisions"]] == ["us-central", "eu-west"]


def test_a_region_that_does_not_answer_hides_no_other(logged, decisions, tmp_path):
    """And the exit code says that not all was read."""
    logged("eu-west", entry(PHOTO_ID, "eu-central"))
    [file] = tmp_path.rglob("us-central/catalog.db")
    file.rename(file.with_name("elsewhere.db"))
    code, printed = decisions(PHOTO_ID)
    assert code == 1
    assert "rest_variants" in printed and "us-central was not asked" in printed
    code, printed = decisions(PHOTO_ID, "--json")
    assert (code, list(json.loads(printed)["away"])) == (1, ["us-central"])


def test_decisions_about_people_of_whom_no_more_is_known_stand_under_their_class(logged, decisions):
    logged("eu-west", entry("world us-central", "eu-west"))
    code, printed = decisions("world us-central")
    assert code == 0 and "rest_variants" in printed


@pytest.mark.parametrize(("about", "code"), [("ana@eu-west", 2), ("c_00000000001", 2), ("u_1", 1), ("world mars", 2)])
def test_what_no_decision_is_logged_by_is_explained(logged, decisions, about, code):
    assert decisions(about)[0] == code
