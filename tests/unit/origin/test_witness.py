"""A witness confirms what it holds on its disk, so that two regions and it have a majority of three."""

import pytest
from falcon.testing import TestClient

from origin.witness import DiskStatement, create
from regions import node_tokens
from regions.clock import now_s
from regions.node_tokens import Call
from regions.residency.chain import Links
from regions.residency.live import LiveRules
from regions.residency.statement import Kind
from regions.residency.statement_folder import StatementFolder
from tests.builders.statements import DEPLOYED, BootClock, Compliance, hear_all, node_key, place

PLACES = (*DEPLOYED, place("oslo", Kind.WITNESS, "NO"))


@pytest.fixture
def compliance():
    return Compliance()


@pytest.fixture
def rules(tmp_path, compliance):
    return LiveRules("oslo", StatementFolder(tmp_path), compliance.signers, BootClock())


@pytest.fixture
def disk(tmp_path, rules):
    return DiskStatement(StatementFolder(tmp_path), rules)


def get(rules, path, node="eu-west"):
    token = node_tokens.issue(node, "k1", node_key(node), Call("oslo", "GET", path), now_s())
    return TestClient(create(rules)).simulate_get(path, headers={node_tokens.HEADER: token})


def test_a_witness_reports_what_its_disk_holds(rules, disk, compliance):
    """Not before it is there; and it gives the statement to who asks for it by its hash."""
    statement = compliance.states(places=PLACES)
    rules.take(statement.signed, Links(lambda hash: ""))
    assert get(rules, "/border/v1/statement").json["hash"] == ""
    disk.run_once()
    report = get(rules, "/border/v1/statement").json
    assert (report["region"], report["serial"], report["hash"]) == ("oslo", 1, statement.hash)
    assert get(rules, f"/border/v1/statement/{statement.hash}").json == {"signed": statement.signed}
    assert get(rules, f"/border/v1/statement/{'0' * 64}").status_code == 404


def test_a_witness_counts_for_the_majority(rules, disk, compliance):
    """Two of four have confirmed: it and one region are not enough, with another one they are."""
    statement = compliance.states(places=PLACES)
    rules.take(statement.signed, Links(lambda hash: ""))
    disk.run_once()
    assert rules.current().in_force is None
    hear_all(rules, statement)
    assert rules.current().in_force == statement


def test_a_disk_that_takes_nothing_confirms_nothing(tmp_path, rules, compliance, monkeypatch):
    """A restart could forget the statement then."""
    disk = DiskStatement(StatementFolder(tmp_path / "file" / "below"), rules)
    (tmp_path / "file").write_text("not a folder")
    rules.take(compliance.states(places=PLACES).signed, Links(lambda hash: ""))
    disk.run_once()
    assert get(rules, "/border/v1/statement").json["hash"] == ""


def test_only_places_of_the_statement_are_answered(rules, disk, compliance):
    """401 without a token; a witness serves nothing else."""
    rules.take(compliance.states(places=PLACES).signed, Links(lambda hash: ""))
    disk.run_once()
    assert TestClient(create(rules)).simulate_get("/border/v1/statement").status_code == 401
    assert get(rules, "/border/v1/statement", "sydney").status_code == 200
    assert get(rules, "/v1/users").status_code == 404
