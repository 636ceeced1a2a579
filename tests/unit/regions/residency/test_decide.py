"""Residency fails closed, and every decision cites its rule by file and line."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.records import Photo, Status, User
from regions.residency.decide import Subject, decide, subject_of
from regions.residency.policy import Action, Home, Policy, ResidencyClass, Rule, TransferBasis
from regions.topology import Place

REST = [Action.REST_RAW, Action.REST_VARIANTS, Action.REST_METADATA, Action.REST_ACCOUNT]
NOW_MS = 1_900_000_000_000
BASES = {"EU": None, "US": TransferBasis.ADEQUACY, "AU": TransferBasis.STANDARD_CLAUSES}

names = st.sampled_from(["eu-west", "eu-central", "us-central", "lisbon", "chicago"])
jurisdictions = st.sampled_from(["EU", "US", "AU"])
places = st.builds(Place, names, st.sampled_from(["region", "edge"]), jurisdictions)
specs = st.one_of(names, st.sampled_from(["anywhere", "home"]), jurisdictions.map("jurisdiction:{}".format))
actions = st.sampled_from(Action)
rules = st.builds(
    Rule,
    st.booleans(),
    st.frozensets(actions, min_size=1),
    st.lists(specs, min_size=1, max_size=3).map(tuple),
    st.just("because"),
    st.integers(1, 99).map("policy.yaml:{}".format),
)
subjects = st.builds(Subject, st.just("eu"), st.sampled_from(["eu-west", "eu-central", "us-central"]))


def policy_of(*rules_in_order: Rule) -> Policy:
    home = Home("eu-west", frozenset(), "policy.yaml:2")
    return Policy({"eu": ResidencyClass("eu", frozenset(), (home,), rules_in_order, "policy.yaml:1")}, "eu", "version")


policies = st.lists(rules, max_size=5).map(lambda drawn: policy_of(*drawn))


@given(subjects, actions, places)
def test_without_a_policy_nothing_is_allowed(subject, action, place):
    """No action, at no place."""
    decision = decide(None, subject, action, place, NOW_MS)
    assert not decision.allowed
    assert decision.rule


@given(policies, st.text(max_size=10), actions, places)
def test_an_unknown_class_is_allowed_nothing(policy, name, action, place):
    """Even if the policy allows it to other classes."""
    subject = Subject(f"not {name}", "eu-west")
    decision = decide(policy, subject, action, place, NOW_MS)
    assert not decision.allowed
    assert subject.residency_class in decision.rule


@given(subjects, actions, places)
def test_without_a_rule_nothing_is_allowed(subject, action, place):
    """The decision cites the line of the class instead of a rule."""
    decision = decide(policy_of(), subject, action, place, NOW_MS)
    assert (decision.allowed, decision.rule) == (False, "policy.yaml:1")


@given(policies, subjects, actions, places)
def test_the_first_matching_rule_decides(policy, subject, action, place):
    """And is cited. If no rule matches, the answer is no."""
    decision = decide(policy, subject, action, place, NOW_MS)
    matching = [rule for rule in policy.classes["eu"].rules if rule.covers(action, place, subject.home_region)]
    assert decision.allowed == (bool(matching) and matching[0].allow)
    assert decision.rule == (matching[0].where if matching else "policy.yaml:1")
    assert decision.policy_version == policy.version


@given(policies, subjects, actions, places)
def test_removing_rules_from_the_end_allows_nothing_new(policy, subject, action, place):
    """A truncated policy is stricter."""
    whole = policy.classes["eu"]
    for length in range(len(whole.rules)):
        shorter = replace(policy, classes={"eu": replace(whole, rules=whole.rules[:length])})
        assert (
            decide(shorter, subject, action, place, NOW_MS).allowed
            <= decide(policy, subject, action, place, NOW_MS).allowed
        )


@given(policies, subjects, actions, places)
def test_a_denial_in_front_of_all_rules_denies(policy, subject, action, place):
    """Whatever they allow."""
    denial = Rule(False, frozenset(Action), ("anywhere",), "no", "policy.yaml:100")
    decision = decide(policy_of(denial, *policy.classes["eu"].rules), subject, action, place, NOW_MS)
    assert (decision.allowed, decision.rule) == (False, "policy.yaml:100")


@pytest.mark.parametrize(
    ("spec", "covered"),
    [("home", {"eu-west"}), ("anywhere", {"eu-west", "eu-central", "lisbon"}), ("lisbon", {"lisbon"})],
)
def test_a_rule_names_places(spec, covered):
    """`home` is the owner's home region only, and not an edge beside it."""
    rule = Rule(True, frozenset(Action), (spec,), "yes", "policy.yaml:3")
    candidates = [Place("eu-west", "region", "EU"), Place("eu-central", "region", "EU"), Place("lisbon", "edge", "EU")]
    policy, subject = policy_of(rule), Subject("eu", "eu-west")
    assert {
        place.name for place in candidates if decide(policy, subject, Action.CACHE, place, NOW_MS).allowed
    } == covered


def test_a_jurisdiction_needs_its_prefix():
    """Only `jurisdiction:EU` means the EU."""
    rule = Rule(True, frozenset(Action), ("EU",), "yes", "policy.yaml:3")
    decision = decide(policy_of(rule), Subject("eu", "eu-west"), Action.CACHE, Place("lisbon", "edge", "EU"), NOW_MS)
    assert not decision.allowed


def test_a_photo_and_its_owner_are_the_same_subject():
    """So the same rules decide on both."""
    user = User("u", "Ana", "PT", "eu", "eu-west", 1)
    photo = Photo("p", "u", "eu", "eu-west", Status.READY, "", 1, None, 1)
    assert subject_of(user) == subject_of(photo) == Subject("eu", "eu-west")


# The policy that we ship


@pytest.fixture(scope="module")
def everywhere(one_machine) -> list[Place]:
    return [node.place for nodes in (one_machine.regions, one_machine.edges) for node in nodes.values()]


@pytest.mark.parametrize("country", ["PT", "DE", "NO", "IE"])
def test_data_of_eu_residents_is_stored_in_the_eu_only(deployed, everywhere, country):
    """Raws, variants, metadata and cached copies."""
    subject = Subject(deployed.class_of(country).name, deployed.home_region(country))
    for place in everywhere:
        for action in (*REST, Action.CACHE):
            decision = decide(deployed, subject, action, place, NOW_MS)
            assert decision.allowed == (place.jurisdiction == "EU")
            assert decision.rule.startswith("policy.yaml:")


def test_photos_of_eu_residents_can_be_served_anywhere(deployed, everywhere):
    """And listed in followers' feeds; outside the EU on a basis that the rule names."""
    subject = Subject("eu", "eu-west")
    rules = {rule.where: rule for rule in deployed.classes["eu"].rules}
    for place in everywhere:
        for action in (Action.SERVE, Action.REFERENCE):
            decision = decide(deployed, subject, action, place, NOW_MS)
            assert decision.allowed
            assert rules[decision.rule].transfer_basis == BASES[place.jurisdiction]


def test_what_eu_residents_say_about_somebody_in_the_us_may_rest_there(deployed):
    """By a rule, as it is not in a country without one. Their accounts, metrics and moderation stay in the EU."""
    subject = Subject("eu", "eu-west")
    us, au = Place("us-central", "region", "US"), Place("au-east", "region", "AU")
    assert decide(deployed, subject, Action.SAY, us, NOW_MS).allowed
    assert not decide(deployed, subject, Action.SAY, au, NOW_MS).allowed
    for action in (Action.REST_ACCOUNT, Action.OBSERVE, Action.MODERATE):
        assert not decide(deployed, subject, action, us, NOW_MS).allowed
