"""`darkroom policy check` and `darkroom policy test`, on files."""

import json
from pathlib import Path

import pytest

from darkroom.cli import main
from darkroom.operate import policy_file
from regions.errors import TopologyError
from regions.topology import Place

DEPLOY = Path(__file__).parents[4] / "deploy"
SHIPPED = (DEPLOY / "policy.yaml").read_text()
MISTAKEN = SHIPPED.replace("at: [eu-west]", "at: [eu-wset]").replace("minimum_copies: 2", "minimum_copies: 9", 1)
DOUBTFUL = SHIPPED.replace("transfer_basis: standard_clauses", "transfer_basis: derogation", 1)
TABLE = "- {person: PT, action: rest_raw, at: [eu-west, us-central], expect: allow}\n"


def line_of(text: str, part: str) -> int:
    """Of the first line that has the part."""
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(SHIPPED)
    return path


@pytest.fixture
def table(policy):
    return policy.with_name("expectations.yaml")


@pytest.fixture
def run(tmp_path, capsys):
    """Gives a command in a data folder without a system; returns its exit code and its output."""

    def run(*arguments):
        code = main(["--data", str(tmp_path / "none"), "policy", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


def test_the_shipped_policy_has_no_mistake(run):
    """Compared with the places of the system on one machine, which the output says."""
    code, shown = run("check", DEPLOY / "policy.yaml")
    assert code == 0
    assert "0 errors, 0 warnings; compared with the 7 places of one_machine.toml" in " ".join(shown.split())


def test_the_shipped_policy_answers_as_the_table_beside_it_expects(run):
    """The policy is found by its name."""
    code, shown = run("test", DEPLOY / "policy-expectations.yaml")
    assert code == 0, shown
    assert "answers are as expected" in shown


def test_every_mistake_is_printed_with_its_line(run, policy):
    """As an editor can read it, however long; the exit code is 1."""
    policy.write_text(MISTAKEN)
    code, shown = run("check", policy)
    lines = shown.splitlines()
    assert code == 1
    misspelt = line_of(MISTAKEN, "deny: [rest_raw]")
    assert f"{policy}:{misspelt}: error: no place is called eu-wset" in lines
    assert sum(line.startswith(f"{policy}:{line_of(MISTAKEN, 'copies: 9')}: error: 9 copies") for line in lines) == 2
    assert "3 errors, 0 warnings" in shown


def test_warnings_do_not_fail(run, policy):
    """They are printed all the same."""
    policy.write_text(DOUBTFUL)
    code, shown = run("check", policy)
    assert code == 0
    assert f"{policy}:{line_of(DOUBTFUL, 'derogation') - 2}: warning: a derogation" in shown


def test_programs_get_json(run, policy):
    """With severity, place in the file, and message."""
    policy.write_text(MISTAKEN)
    code, shown = run("check", policy, "--json")
    document = json.loads(shown)
    assert code == 1
    assert document["places"] == "one_machine.toml"
    assert {"severity": "error", "where": f"{policy}:{line_of(MISTAKEN, 'deny: [rest_raw]')}"}.items() <= document[
        "diagnostics"
    ][-1].items()


def test_a_file_that_is_no_policy_is_a_mistake_with_a_line(run, policy):
    """Like any other."""
    policy.write_text("policy: 1\nclasses: [\n")
    code, shown = run("check", policy)
    assert code == 1
    assert f"{policy}:3: error: not YAML" in shown


def test_places_come_from_the_topology_that_is_named_or_from_that_of_the_system(run, policy, tmp_path):
    """The file needs neither addresses nor keys for that."""
    tables = '[regions.us-central]\njurisdiction = "US"\n[edges.porto]\njurisdiction = "EU"\n'
    for file, arguments in (("t.toml", ["--topology", tmp_path / "t.toml"]), ("none/topology.toml", [])):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(tables)
        code, shown = run("check", policy, *arguments)
        assert (code, "there is no region eu-west" in shown) == (1, True)
        assert f"the 2 places of {tmp_path / file}" in shown


def test_an_answer_that_is_not_expected_is_shown_with_the_rule_that_decided(run, table):
    """By the lines of both files; the exit code is 1."""
    table.write_text("# Promises.\n" + TABLE)
    code, shown = run("test", table)
    assert code == 1
    policy = table.with_name("policy.yaml")
    assert f"{table}:2: PT, rest_raw at us-central: expected allow, but {policy}:" in shown
    assert "answers deny: no rule of the class allows it" in shown


def test_a_right_answer_by_another_rule_is_not_expected(run, table):
    """`by` is a part of the reason of the rule that must decide."""
    row = "- {{person: US, action: rest_raw, at: eu-west, expect: deny, by: {}}}\n"
    table.write_text(row.format("expensive disks"))
    assert run("test", table)[0] == 0
    table.write_text(row.format("cheap disks"))
    code, shown = run("test", table)
    assert code == 1
    assert 'expected deny by a rule with "cheap disks"' in shown


def test_an_expectation_may_be_about_a_day(run, table):
    """Rules have ends. Without a date it is about now."""
    policy = table.with_name("policy.yaml")
    denial = "    rules:\n      - {deny: [serve], at: [sydney], until: 2999-12-31, because: Not yet.}\n"
    policy.write_text(SHIPPED.replace("    rules:\n", denial, 1))
    row = "- {{person: PT, action: serve, at: sydney, expect: {}{}}}\n"
    table.write_text(row.format("deny", "") + row.format("deny", ", date: 2999-12-31"))
    assert run("test", table)[0] == 0
    table.write_text(row.format("allow", ", date: 3000-01-01"))
    assert run("test", table)[0] == 0


def test_another_policy_can_be_tested_with_the_same_table(run, table, tmp_path):
    """By --policy: the one that is to follow."""
    table.write_text(TABLE)
    draft = tmp_path / "draft.yaml"
    draft.write_text(SHIPPED.replace("at: [jurisdiction:EU]", "at: [anywhere]", 1))
    assert run("test", table)[0] == 1
    assert run("test", table, "--policy", draft)[0] == 0


ROWS = {
    "an unknown place": ("us-central]", "us-east]", "us-east is not a place"),
    "an unknown action": ("rest_raw", "rest_rwa", "rest_rwa is not an action"),
    "an unknown country": ("PT", "Portugal", "Portugal is not a two-letter"),
    "an unknown answer": ("expect: allow", "expect: maybe", "maybe is not an answer"),
    "an unknown column": ("expect: allow", "expect: allow, if: possible", "if is unknown here"),
    "no answer": (", expect: allow", "", "expect is missing"),
    "no date": ("expect: allow", "expect: allow, date: today", "today is not a date"),
    "no place": ("[eu-west, us-central]", "[]", "expected a list"),
}


@pytest.mark.parametrize(("old", "new", "message"), ROWS.values(), ids=ROWS)
def test_a_row_that_is_not_understood_is_named_and_nothing_is_tested(run, table, old, new, message):
    """The exit code is 1: a table that is skipped would pass."""
    table.write_text(TABLE + TABLE.replace(old, new))
    code, shown = run("test", table)
    assert code == 1
    assert f"{table}:2: error: {message}" in shown
    assert "nothing was tested" in " ".join(shown.split())


@pytest.mark.parametrize("content", [b"", b"{}", b"5", b"\xff\xfe"], ids=["empty", "mapping", "number", "utf-16"])
def test_a_table_that_is_none_fails(run, table, content):
    """With a sentence."""
    table.write_bytes(content)
    code, shown = run("test", table)
    assert code == 1
    assert str(table.name) in shown.replace("\n", "")


@pytest.mark.parametrize("text", ["[", "regions = 5", "[regions]\neu = 5", "[regions.eu]\n", "edges = [1]"])
def test_a_topology_without_places_is_refused_with_what_it_needs(text):
    """By TopologyError."""
    with pytest.raises(TopologyError, match="jurisdiction"):
        policy_file.read_places(text)


def test_regions_come_before_edges():
    """As they stand in the file."""
    assert policy_file.read_places((DEPLOY / "one_machine.toml").read_text())[2:4] == [
        Place("us-central", "region", "US"),
        Place("lisbon", "edge", "EU"),
    ]


def test_a_policy_that_does_not_parse_is_not_tested(run, table):
    """Its line is named."""
    table.write_text(TABLE)
    table.with_name("policy.yaml").write_text("policy: 1\n")
    code, shown = run("test", table)
    assert code == 1
    assert "policy.yaml:1" in shown.replace("\n", "")
