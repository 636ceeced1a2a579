"""A statement is written and read without loss, and follows the one before."""

from dataclasses import replace

import pytest

from regions.errors import StatementError
from regions.residency import statement_document
from regions.residency.statement import Kind, Operator, Role
from tests.builders.statements import DEPLOYED, POLICY_TEXT, Compliance, place


def test_what_is_written_is_read():
    """Places, signers, operators, policy and why."""
    team = Compliance(2, 2)
    operators = {"ana": Operator(frozenset({Role.OPERATOR, Role.AUDITOR}), team.signers.keys["officer-1"])}
    text = statement_document.draft(POLICY_TEXT, DEPLOYED, team.signers, "wegen Ä", None, 7, operators)
    read = statement_document.parse(text, "")
    assert (read.serial, read.previous, read.because, read.lease_s) == (1, "", "wegen Ä", 7)
    assert (read.places, read.signers, read.operators) == (
        {one.name: one for one in DEPLOYED}, team.signers, operators,
    )  # fmt: skip
    assert (read.policy_text, read.hash) == (POLICY_TEXT, statement_document.hash_of(text))


def test_each_statement_names_the_one_before():
    """By its hash and its serial."""
    team = Compliance()
    first, second = team.states(), team.states()
    assert (second.serial, second.previous) == (2, first.hash)
    statement_document.check_follows(second, first)


def test_links_that_do_not_match_are_refused():
    """Another one before, or a serial that is left out."""
    team = Compliance()
    first, second, third = team.states(), team.states(), team.states()
    for one, before in ((third, first), (second, third), (replace(second, serial=3), first)):
        with pytest.raises(StatementError, match="does not follow"):
            statement_document.check_follows(one, before)


def test_one_region_or_witness_is_added_or_removed_at_a_time():
    """Otherwise two majorities need not meet. Edges come and go as they like."""
    team = Compliance()
    first = team.states()
    witnesses = [place(f"w{number}", Kind.WITNESS, "CH") for number in (1, 2)]
    with pytest.raises(StatementError, match="w1, w2; one region or witness at a time"):
        team.states(places=[*DEPLOYED, *witnesses])
    second = team.states(places=[*DEPLOYED, witnesses[0], place("tokyo", Kind.EDGE, "JP")], previous=first)
    assert second.voters - first.voters == {"w1"}
    with pytest.raises(StatementError, match="w1, w2; one region or witness at a time"):
        team.states(places=[*DEPLOYED, witnesses[1]], previous=second)
