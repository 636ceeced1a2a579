"""The laws of the policy language: what a feature means is what writing it out would mean, and it fails closed."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from regions.residency import checking
from regions.residency.decide import Decision, Subject, decide, decide_all
from regions.residency.policy import JURISDICTION, Policy
from regions.residency.yaml_lines import DAY_MS
from regions.topology import Place
from tests.builders import policies
from tests.builders.policies import FIRST_DAY_MS, JURISDICTIONS, PLACES, REGIONS, document_of, parsed

EVERYONE = Subject("everyone", "eu-west")
TIMES = [FIRST_DAY_MS + day * DAY_MS + more for day in range(5) for more in (-1, 0)]
few_rules = st.lists(policies.rules(), min_size=1, max_size=5)


def everywhere(policy: Policy, subject: Subject) -> list[bool]:
    """Whether each action that rules name here is allowed at each place and time, known or not."""
    cases = product(policies.ACTIONS, [*PLACES, None], [*TIMES[1:7], None])
    return [decide(policy, subject, action, place, now_ms).allowed for action, place, now_ms in cases]


# Groups

group_members = st.lists(st.sampled_from([*(place.name for place in PLACES), *JURISDICTIONS]), min_size=1, max_size=3)
rules_with_groups = st.lists(
    policies.rules(st.one_of(policies.words, st.sampled_from(["inner", "outer"]))), min_size=1, max_size=4
)


@settings(deadline=None)
@given(group_members, group_members, rules_with_groups)
def test_a_group_means_what_its_places_mean(inner, outer, rules):
    """Written out in every rule, also through a group in a group."""
    groups = {"outer": [*outer, "inner"], "inner": inner}
    out = {"inner": inner, "outer": [*outer, *inner]}
    written = [{**rule, "at": [place for word in rule["at"] for place in out.get(word, [word])]} for rule in rules]
    with_groups, without = parsed(document_of(rules, groups=groups)), parsed(document_of(written))
    assert everywhere(with_groups, EVERYONE) == everywhere(without, EVERYONE)


# Classes that build on another


@settings(deadline=None)
@given(few_rules, st.lists(policies.rules(), max_size=3), st.lists(policies.rules(), max_size=3))
def test_a_class_that_builds_on_another_has_its_own_rules_first(base, own, more):
    """And then the base's, through any number of classes; the base itself is as it was."""
    document = document_of(base)
    document["classes"]["middle"] = {"based_on": "everyone", **({"rules": own} if own else {})}
    document["classes"]["last"] = {"based_on": "middle", **({"rules": more} if more else {})}
    policy = parsed(document)
    for name, rules in (("everyone", base), ("middle", own + base), ("last", more + own + base)):
        flat = parsed(document_of(rules))
        assert everywhere(policy, Subject(name, "eu-west")) == everywhere(flat, EVERYONE)


# Rules with an end


@settings(deadline=None)
@given(few_rules, policies.actions, policies.places)
def test_a_rule_counts_through_its_last_day_and_not_after(rules, action, place):
    """As if it was not written: UTC, the day itself included."""
    policy = parsed(document_of(rules))
    for day in range(-1, 4):
        noon_ms = FIRST_DAY_MS + day * DAY_MS + DAY_MS // 2
        left = [
            {key: value for key, value in rule.items() if key != "until"}
            for rule in rules
            if "until" not in rule or policies.DAYS.index(rule["until"]) >= day
        ]
        expected = decide(parsed(document_of(left)), EVERYONE, action, place, None).allowed if left else False
        assert decide(policy, EVERYONE, action, place, noon_ms).allowed == expected


@settings(deadline=None)
@given(few_rules, policies.actions, policies.places)
def test_what_is_allowed_at_an_unknown_time_is_allowed_at_every_time(rules, action, place):
    """So a clock that nobody can trust lets nothing out."""
    policy = parsed(document_of(rules))
    if decide(policy, EVERYONE, action, place, None).allowed:
        assert all(decide(policy, EVERYONE, action, place, now_ms).allowed for now_ms in TIMES)


@settings(deadline=None)
@given(few_rules, policies.actions, policies.times)
def test_what_is_allowed_at_an_unknown_place_is_allowed_at_every_place(rules, action, now_ms):
    """Also at one that no rule names, and although a rule for everywhere comes last."""
    last = {"allow": [action], "at": ["anywhere"], "because": "A reason."}
    policy = parsed(document_of([*rules, last]))
    if decide(policy, EVERYONE, action, None, now_ms).allowed:
        elsewhere = Place("tokyo", "edge", "JP")
        assert all(decide(policy, EVERYONE, action, place, now_ms).allowed for place in (*PLACES, elsewhere))


# Several policies at once

pairs = st.lists(st.tuples(st.one_of(st.none(), few_rules), policies.places), max_size=4)


@settings(deadline=None)
@given(pairs, policies.actions, policies.times)
def test_several_policies_allow_only_what_each_of_them_does(drawn, action, now_ms):
    """Each with the place as its own statement knows it; the first denial is cited; without any the answer is no."""
    statements = [(parsed(document_of(rules)) if rules else None, place) for rules, place in drawn]
    made: list[Decision] = [decide(policy, EVERYONE, action, place, now_ms) for policy, place in statements]
    together = decide_all(statements, EVERYONE, action, now_ms)
    assert together.allowed == (bool(made) and all(each.allowed for each in made))
    if made:
        assert together == next((each for each in made if not each.allowed), made[0])


# Rules that never decide


@settings(deadline=None)
@given(few_rules, st.lists(policies.rules(), max_size=3), st.lists(st.sampled_from(REGIONS), min_size=1, max_size=2))
def test_a_rule_is_reported_as_never_deciding_if_and_only_if_it_never_does(base, own, homes):
    """Found by trying every case, with two classes of which one builds on the other."""
    document = document_of(base)
    document["classes"]["own"] = {
        "based_on": "everyone",
        "homes": [*({"region": home, "countries": ["PT"]} for home in homes[1:]), {"region": homes[0]}],
        **({"rules": own} if own else {}),
    }
    policy = parsed(document)
    lines = {rule.where for each in policy.classes.values() for rule in each.rules}
    cited = set()
    for each in policy.classes.values():
        for home, action, now_ms in product(each.homes, policies.ACTIONS, TIMES):
            subject = Subject(each.name, home.region)
            cited |= {decide(policy, subject, action, place, now_ms).rule for place in PLACES}
            unknown = decide(policy, subject, action, None, now_ms).rule
            cited |= {rule.where for rule in each.rules if rule.where == unknown and "anywhere" in rule.places}
    assert checking.never_deciding(policy, PLACES) == lines - cited


@settings(deadline=None)
@given(few_rules)
def test_each_rule_that_never_decides_has_a_diagnostic_on_its_line(rules):
    """An error if it denies what an earlier rule allows, at least a warning otherwise."""
    policy = parsed(document_of(rules))
    found = {diagnostic.where for diagnostic in checking.check(policy, PLACES, 0)}
    assert checking.never_deciding(policy, PLACES) <= found


@settings(deadline=None)
@given(few_rules, st.permutations(PLACES))
def test_a_denial_without_an_error_denies_all_that_it_names(rules, places):
    """Each action at each of its words decides somewhere, or others deny it as well."""
    policy = parsed(document_of(rules))
    errors = {each.where for each in checking.check(policy, places, 0) if each.severity == "error"}
    for rule in policy.classes["everyone"].rules:
        if rule.allow or rule.where in errors:
            continue
        last_ms = (rule.until_ms or TIMES[-1] + 1) - 1
        for action, spec in product(rule.actions, rule.places):
            named = [place for place in PLACES if is_named(spec, place)]
            made = [decide(policy, EVERYONE, action, place, last_ms) for place in named]
            assert any(not each.allowed for each in made), (rule.where, action, spec)


def is_named(spec: str, place: Place) -> bool:
    if spec.startswith(JURISDICTION):
        return place.jurisdiction == spec.removeprefix(JURISDICTION)
    return spec in ("anywhere", place.name) or (spec == "home" and place.name == EVERYONE.home_region)
