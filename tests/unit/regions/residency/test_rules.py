"""A statement tightens on arrival and loosens when it is in force; without a lease nothing bound to places leaves."""

from dataclasses import replace

import pytest

from regions.residency import rules as rules_module
from regions.residency.decide import Subject
from regions.residency.policy import Action
from regions.residency.rules import Rules
from regions.residency.statement import Kind, Purpose, StatedPlace, Statement
from tests.builders.statements import DEPLOYED, POLICY_TEXT, Compliance, place

EU, WORLD = Subject("eu", "eu-west"), Subject("world", "us-central")
TEAM = Compliance()
FIRST = TEAM.states()
NO_SERVING_IN_SYDNEY = POLICY_TEXT.replace(
    "    rules:\n", "    rules:\n      - deny: [serve]\n        at: [sydney]\n        because: not there\n", 1
)


def after(policy_text: str = POLICY_TEXT, places=DEPLOYED, previous: Statement = FIRST) -> Statement:
    return TEAM.states(policy_text, places, previous=previous)


DENYING = after(NO_SERVING_IN_SYDNEY)
ALLOWING = after(previous=DENYING)


def moved(name: str, jurisdiction: str) -> list[StatedPlace]:
    return [replace(one, jurisdiction=jurisdiction) if one.name == name else one for one in DEPLOYED]


def serves(rules: Rules, place_name: str, subject: Subject = EU) -> bool:
    return rules.decide(subject, Action.SERVE, place_name).allowed


def test_what_a_new_statement_denies_is_denied_on_arrival():
    """The decision names that statement and its rule."""
    assert serves(Rules(FIRST, (), True), "sydney")
    decision = Rules(FIRST, (DENYING,), True).decide(EU, Action.SERVE, "sydney")
    assert (decision.allowed, decision.because, decision.policy_version) == (False, "not there", DENYING.hash)
    assert not decision.passing


def test_what_only_a_new_statement_allows_waits_until_it_is_in_force():
    """Whatever came between."""
    assert not serves(Rules(DENYING, (ALLOWING,), True), "sydney")
    assert not serves(Rules(FIRST, (DENYING, ALLOWING), True), "sydney")
    assert serves(Rules(ALLOWING, (), True), "sydney")


def test_all_statements_must_allow():
    """Each combination of three has the answer of the strictest."""
    for in_force in (FIRST, DENYING):
        for pending in ((), (DENYING,), (ALLOWING,), (ALLOWING, DENYING), (DENYING, ALLOWING)):
            assert serves(Rules(in_force, pending, True), "sydney") == (DENYING not in (in_force, *pending))


def test_without_a_lease_what_is_bound_to_places_stays_in_its_jurisdiction():
    """And the answer says that it will pass."""
    rules = Rules(FIRST, (), False)
    for place_name in ("sydney", "chicago", "us-central", ""):
        decision = rules.decide(EU, Action.SERVE, place_name)
        assert (decision.allowed, decision.passing, decision.rule) == (False, True, rules_module.NO_LEASE)
    for place_name in ("lisbon", "frankfurt", "eu-west", "eu-central"):
        assert serves(rules, place_name)
        assert rules.decide(EU, Action.CACHE, place_name).allowed
    assert rules.decide(EU, Action.REST_RAW, "eu-central").allowed


def test_without_a_lease_what_may_be_anywhere_goes_on():
    """Until a statement that binds it arrives."""
    assert serves(Rules(FIRST, (), False), "sydney", WORLD)
    assert serves(Rules(FIRST, (), False), "", WORLD)
    head, _, tail = POLICY_TEXT.rpartition("at: [anywhere]")
    bound = after(f"{head}at: [us-central, eu-central, sydney]{tail}")
    decision = Rules(FIRST, (bound,), False).decide(WORLD, Action.SERVE, "sydney")
    assert (decision.allowed, decision.passing) == (False, True)


def test_before_any_statement_is_in_force_nothing_leaves():
    """Also what may be anywhere; and with no statement at all nobody can tell."""
    for subject in (EU, WORLD):
        decision = Rules(None, (FIRST,), True).decide(subject, Action.SERVE, "sydney")
        assert (decision.allowed, decision.passing, decision.rule) == (False, True, rules_module.NOT_IN_FORCE)
    assert serves(Rules(None, (FIRST,), False), "lisbon")
    nothing = Rules(None, (), True).decide(EU, Action.SERVE, "lisbon")
    assert (nothing.allowed, nothing.passing, nothing.policy_version) == (False, True, "")


def test_somebody_unknown_gets_what_is_allowed_anywhere_and_each_denial_counts():
    """A rule for one place allows them nothing, and a rule against one place denies it to them."""
    assert serves(Rules(FIRST, (), True), "")
    assert not Rules(FIRST, (), True).decide(EU, Action.CACHE, "").allowed
    assert not serves(Rules(DENYING, (), True), "")


def test_a_place_or_a_home_that_a_statement_does_not_list_gets_nothing():
    """Neither the invented, nor the removed, nor the new one until it is in force."""
    without = after(NO_SERVING_IN_SYDNEY.replace("[sydney]", "[chicago]"), DEPLOYED[:-1])
    more = after(places=[*DEPLOYED, place("tokyo", Kind.EDGE, "JP")])
    assert not serves(Rules(FIRST, (), True), "moon")
    assert not serves(Rules(FIRST, (without,), True), "sydney")
    assert not serves(Rules(FIRST, (more,), True), "tokyo")
    assert serves(Rules(more, (), True), "tokyo")
    assert not serves(Rules(FIRST, (), True), "lisbon", Subject("eu", "moon"))
    assert not serves(Rules(FIRST, (), True), "lisbon", Subject("moon", "eu-west"))
    assert not serves(Rules(FIRST, (), True), "lisbon", Subject("eu", "frankfurt"))
    assert Rules(FIRST, (without,), True).place("sydney") is None
    assert Rules(FIRST, (more,), True).place("tokyo") is None


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("subject", [EU, WORLD])
def test_nothing_is_allowed_at_a_witness(action, subject):
    """Wherever it lies, with or without a lease, and as soon as any statement says that it is one."""
    oslo = place("oslo", Kind.WITNESS, "EU")
    listed, edge = after(places=[*DEPLOYED, oslo]), after(places=[*DEPLOYED, replace(oslo, kind=Kind.EDGE)])
    for rules in (Rules(listed, (), True), Rules(listed, (), False), Rules(edge, (listed,), True)):
        decision = rules.decide(subject, action, "oslo")
        assert (decision.allowed, "is a witness" in decision.because) == (False, True)


def test_a_place_that_a_pending_statement_moves_is_in_neither_jurisdiction():
    """What either denies is denied; without a lease it is out of both."""
    out, into = after(places=moved("lisbon", "GB")), after(places=moved("sydney", "EU"))
    assert Rules(FIRST, (), True).decide(EU, Action.CACHE, "lisbon").allowed
    assert not Rules(FIRST, (out,), True).decide(EU, Action.CACHE, "lisbon").allowed
    assert not Rules(FIRST, (into,), True).decide(EU, Action.CACHE, "sydney").allowed
    assert Rules(into, (), True).decide(EU, Action.CACHE, "sydney").allowed
    for pending, place_name in ((out, "lisbon"), (into, "sydney")):
        assert serves(Rules(FIRST, (pending,), True), place_name)
        assert not serves(Rules(FIRST, (pending,), False), place_name)


def with_key(name: str, key_of: str) -> list[StatedPlace]:
    """It has that key too."""
    [added] = place(key_of, Kind.EDGE).keys[Purpose.NODE].values()
    both = [replace(one, keys={Purpose.NODE: {**one.keys[Purpose.NODE], "k2": added}}) for one in DEPLOYED]
    return [new if old.name == name else old for old, new in zip(DEPLOYED, both, strict=True)]


def test_a_key_counts_if_all_statements_list_it():
    """A removed one counts no more at once, a new one when it is in force; a place that is listed nowhere has none."""
    rolling = after(places=with_key("sydney", "another"))
    before, both = (one.places["sydney"].keys[Purpose.NODE] for one in (FIRST, rolling))
    assert len(both) == 2
    assert Rules(FIRST, (), False).public_keys("sydney", Purpose.NODE) == before
    assert Rules(FIRST, (rolling,), True).public_keys("sydney", Purpose.NODE) == before
    assert Rules(rolling, (), True).public_keys("sydney", Purpose.NODE) == both
    assert Rules(rolling, (FIRST,), True).public_keys("sydney", Purpose.NODE) == before
    assert Rules(FIRST, (), True).public_keys("sydney", Purpose.USERS) == {}
    assert Rules(FIRST, (), True).public_keys("moon", Purpose.NODE) == {}
    assert Rules(None, (), True).public_keys("sydney", Purpose.NODE) == {}


@pytest.mark.parametrize("pending", [(), (DENYING,)])
def test_a_new_person_gets_class_and_home_by_the_statement_in_force(pending):
    """None before there is one."""
    assert Rules(FIRST, pending, True).home_policy() is FIRST.policy
    assert Rules(None, pending, True).home_policy() is None
