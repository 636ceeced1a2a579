"""In which region the copy of a record lies: the first other one of the statement where it may."""

import pytest

from regions.border.second_region import second_region
from regions.errors import Unavailable
from regions.residency.decide import Subject
from regions.residency.policy import Action
from regions.residency.rules import Rules
from tests.builders.statements import DEPLOYED, POLICY_TEXT, Compliance

ANA, BOB = Subject("eu", "eu-west"), Subject("world", "us-central")
ALL = "rest_metadata, rest_account, cache, reference"


def bound(*places: str) -> str:
    """Accounts of the world may rest there alone."""
    assert ALL in POLICY_TEXT
    rule = f"      - {{allow: [rest_account], at: [{', '.join(places)}], because: A test.}}\n"
    return POLICY_TEXT.replace(ALL, ALL.replace("rest_account, ", "")) + rule


AT_HOME = bound("us-central")


def rules(text=POLICY_TEXT, pending="", leased=True) -> Rules:
    compliance = Compliance()
    in_force = compliance.states(text)
    return Rules(in_force, [compliance.states(pending)] if pending else [], leased)


def second(rules: Rules, subject: Subject, here: str) -> str | None:
    return second_region(rules, subject, Action.REST_ACCOUNT, here)


def test_it_is_where_the_persons_rules_let_an_account_rest():
    assert second(rules(), ANA, "eu-west") == "eu-central"


def test_it_is_the_first_of_the_statement():
    """Of several; and the same for everybody of a class and home."""
    regions = [place.name for place in DEPLOYED if place.number >= 0 and place.name != "us-central"]
    assert second(rules(), BOB, "us-central") == regions[0]


def test_it_is_never_the_one_where_the_record_is():
    """What a European likes in America goes to Europe, and their home may be the place."""
    assert second(rules(), ANA, "us-central") == "eu-west"


def test_without_a_permitted_one_there_is_none():
    """Of a class without such a rule, or that nobody knows, and before there is a statement."""
    assert second(rules(AT_HOME), BOB, "us-central") is None
    assert second(rules(), Subject("mars", "eu-west"), "eu-west") is None
    assert second(Rules(None, [], leased=True), ANA, "eu-west") is None


def test_a_statement_that_tightens_counts_when_it_arrives():
    assert second(rules(pending=AT_HOME), BOB, "us-central") is None
    assert second(rules(AT_HOME, pending=POLICY_TEXT), BOB, "us-central") is None


def test_while_nobody_can_tell_there_is_no_next_one():
    """If the first may not be asked for a while, the second is not taken in its place."""
    text = bound("us-central", "eu-west", "eu-central")
    assert second(rules(text), BOB, "us-central") is not None
    with pytest.raises(Unavailable):
        second(rules(text, leased=False), BOB, "us-central")
