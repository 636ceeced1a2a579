"""What `check` finds in a policy that parses: errors refuse it, warnings do not, and each has its line."""

import pytest

from regions.errors import PolicyError
from regions.residency import checking, parsing
from regions.residency.checking import places_of
from regions.residency.policy import Action
from regions.residency.yaml_lines import DAY_MS
from regions.topology import Place
from tests.builders.policies import FIRST_DAY_MS, PLACES

AT_HOME = "rest_raw, rest_variants, rest_metadata, rest_account"
TEXT = f"""\
policy: 1
default_class: world
protected_jurisdictions: [EU]
groups:
  far: [sydney]
classes:
  eu:
    countries: [FR, DE]
    homes:
      - region: eu-west
        countries: [FR]
      - region: eu-central
    minimum_copies: 2
    rules:
      - allow: [{AT_HOME}]
        at: [jurisdiction:EU]
        because: It stays in the Union.
      - deny: [cache]
        at: [lisbon, home]
        because: Not there.
      - allow: [cache]
        at: [jurisdiction:EU]
        because: Elsewhere in the Union.
      - allow: [serve]
        at: [anywhere]
        transfer_basis: standard_clauses
        because: By contract.
  world:
    homes:
      - region: us-central
    rules:
      - deny: [cache]
        at: [far]
        until: 2024-10-04
        because: Not yet.
      - allow: [{AT_HOME}, cache, serve]
        at: [anywhere]
        because: No law binds them.
"""
EU_RULES = TEXT[TEXT.index("    rules:") :].partition("  world:")[0]


def diagnostics(text: str, now_ms: int = 0) -> list[tuple[str, int, str]]:
    """Severity, line and message of each."""
    found = checking.check_text(text, "p.yaml", PLACES, now_ms)
    return [(each.severity.value, int(each.where.removeprefix("p.yaml:")), each.message) for each in found]


def with_rules(rules: str, now_ms: int = 0) -> list[tuple[str, int, str]]:
    """The diagnostics with other rules of the class `eu` after its first, which begins on line 15; these on 18."""
    first, _, _ = EU_RULES.partition("      - deny")
    return diagnostics(TEXT.replace(EU_RULES, first + rules), now_ms)


def test_a_policy_without_a_mistake_has_no_diagnostics(deployed, one_machine):
    """That of these tests, and the one that we ship with the regions that we ship."""
    assert diagnostics(TEXT) == []
    assert checking.check(deployed, places_of(one_machine), 0) == []


ERRORS = {
    "an unknown place": ("at: [lisbon, home]", "at: [lisbom, home]", 18, "no place is called lisbom"),
    "an unknown place in a group": ("far: [sydney]", "far: [sidney]", 5, "no place is called sidney"),
    "an unknown group": ("at: [far]", "at: [fra]", 32, "no place is called fra"),
    "an unknown jurisdiction": ("at: [jurisdiction:EU]", "at: [jurisdiction:UE]", 15, "jurisdiction:UE"),
    "an unknown protected jurisdiction": ("jurisdictions: [EU]", "jurisdictions: [UE]", 3, "UE"),
    "a group that is called like a place": ("far: [sydney]", "far: [sydney]\n  porto: [lisbon]", 6, "name of a place"),
    "an unknown home": ("region: us-central", "region: us-east", 30, "us-east"),
    "an edge as a home": ("region: us-central", "region: porto", 30, "porto"),
    "a home in another jurisdiction": ("region: eu-central", "region: us-central", 12, "nothing allows rest_raw there"),
    "a home that may not store raws": ("[rest_raw, rest_v", "[rest_v", 10, "nothing allows rest_raw there"),
    "a home that may not store accounts": (", rest_account]", "]", 10, "nothing allows rest_account there"),
    "a home that stores until a day": (
        "        because: It stays",
        "        until: 2999-01-01\n        because: It stays",
        10,
        "without an end",
    ),
    "too few regions for the copies": ("minimum_copies: 2", "minimum_copies: 3", 13, "eu-west, eu-central"),
    "a transfer without a basis": ("        transfer_basis: standard_clauses\n", "", 24, "leave (serve) without"),
}


@pytest.mark.parametrize(("old", "new", "line", "message"), ERRORS.values(), ids=ERRORS)
def test_a_policy_that_does_not_fit_is_refused_with_the_line(old, new, line, message):
    """So that one that can't be satisfied is not published."""
    text = TEXT.replace(old, new, 1)
    assert text != TEXT
    assert any(found[:2] == ("error", line) and message in found[2] for found in diagnostics(text))
    with pytest.raises(PolicyError, match=r"^p\.yaml:[0-9]+: "):
        checking.require_fit(parsing.parse(text, "p.yaml"), PLACES)


def test_a_home_whose_accounts_may_lie_nowhere_else_is_a_warning():
    """They would be lost with it. Not if they may lie in one other region, and not of an edge."""
    rule = f"      - allow: [{AT_HOME}]\n        at: [jurisdiction:EU]"
    elsewhere = ", ".join(AT_HOME.split(", ")[:-1])
    only = (
        rule.replace(AT_HOME, elsewhere) + "\n        because: Photos.\n      - allow: [rest_account]\n        at: [%s]"
    )
    for places, lines in (("home, porto", [10, 12]), ("eu-west, eu-central", [])):
        found = diagnostics(TEXT.replace(rule, only % places))
        assert [(severity, line) for severity, line, message in found if "accounts" in message] == [
            ("warning", line) for line in lines
        ]


def test_everything_is_reported_at_once_in_the_order_of_lines():
    """A mistake does not hide the next one."""
    text = TEXT
    for old, new in (
        ("[sydney]", "[sidney]"),
        ("region: us-central", "region: us"),
        ("minimum_copies: 2", "minimum_copies: 9"),
    ):
        text = text.replace(old, new, 1)
    assert [line for _, line, _ in diagnostics(text)] == [5, 13, 13, 30]


def test_mistakes_of_the_format_are_reported_in_the_same_way():
    """Then nothing else is, because what the file means is not known."""
    text = TEXT.replace("because: It stays", "becos: It stays").replace("[serve]", "[server]")
    assert [(severity, line) for severity, line, _ in diagnostics(text)] == [
        ("error", 15),
        ("error", 17),
        ("error", 24),
    ]


DENIED_IN_VAIN = {
    "at the same place": ("[jurisdiction:EU]", "[jurisdiction:EU]", "cache at jurisdiction:EU"),
    "at a place within": ("[jurisdiction:EU]", "[lisbon]", "cache at lisbon"),
    "at one place of two": ("[jurisdiction:EU]", "[sydney, lisbon]", "cache at lisbon"),
    "at home": ("[jurisdiction:EU]", "[home]", "cache at home"),
    "everywhere": ("[lisbon, jurisdiction:EU, jurisdiction:US, jurisdiction:AU]", "[lisbon]", "cache at lisbon"),
}


@pytest.mark.parametrize(("allowed", "denied", "what"), DENIED_IN_VAIN.values(), ids=DENIED_IN_VAIN)
def test_a_denial_after_an_allow_that_covers_it_is_an_error(allowed, denied, what):
    """It would deny nothing there, and nobody would see it."""
    rules = (
        f"      - {{allow: [cache], at: {allowed}, transfer_basis: adequacy, because: yes}}\n"
        f"      - {{deny: [cache, serve], at: {denied}, because: no}}\n"
    )
    [found] = with_rules(rules)
    assert found == ("error", 19, f"it does not deny {what}, which is allowed before it (p.yaml:18)")


def test_an_allow_after_a_denial_of_the_same_place_is_an_error():
    """One of the two is a mistake. Where the denial is more special, it is an exception."""
    denial = "      - {deny: [cache], at: [lisbon, porto], because: no}\n"
    [found] = with_rules(denial + "      - {allow: [cache, serve], at: [porto, eu-west], because: yes}\n")
    assert found == ("error", 19, "it does not allow cache at porto, which is denied before it (p.yaml:18)")
    assert with_rules(denial + "      - {allow: [cache, serve], at: [jurisdiction:EU], because: yes}\n") == []


def test_a_denial_that_ends_before_an_allow_is_no_contradiction():
    """It is allowed from then on."""
    denial = "      - {deny: [cache], at: [lisbon], until: 2030-01-01, because: no}\n"
    assert with_rules(denial + "      - {allow: [cache], at: [lisbon], because: yes}\n") == []


REDUNDANT = {
    "an allow after an allow": ("allow: [cache], at: [jurisdiction:EU]", "allow: [cache], at: [lisbon, home]"),
    "a denial after a denial": ("deny: [cache], at: [jurisdiction:EU]", "deny: [cache], at: [lisbon]"),
    "an allow after a wider denial": ("deny: [cache], at: [jurisdiction:EU]", "allow: [cache], at: [lisbon]"),
    "one that ends sooner": ("deny: [cache], at: [lisbon]", "deny: [cache], at: [lisbon], until: 2030-01-01"),
}


@pytest.mark.parametrize(("first", "second"), REDUNDANT.values(), ids=REDUNDANT)
def test_a_rule_that_never_decides_is_a_warning(first, second):
    """Nothing is looser than it seems."""
    [found] = with_rules(f"      - {{{first}, because: x}}\n      - {{{second}, because: y}}\n")
    assert found == ("warning", 19, "it never decides: all that it names is decided before it (p.yaml:18)")


def test_a_rule_of_the_base_that_a_class_overrules_is_no_mistake():
    """That is what a class of its own is for, in both directions."""
    more = "  minors:\n    based_on: eu\n    rules:\n"
    more += "      - {deny: [serve, cache], at: [jurisdiction:EU], because: no}\n"
    more += "      - {allow: [cache], at: [us-central], transfer_basis: adequacy, because: yes}\n"
    assert diagnostics(TEXT + more) == []


def test_rules_are_blamed_on_their_own_class_only():
    """A class that builds on another explains nothing of what is void in that one."""
    rules = "      - {deny: [cache], at: [jurisdiction:EU], because: no}\n"
    rules += "      - {allow: [cache], at: [lisbon], because: yes}\n"
    first, _, _ = EU_RULES.partition("      - deny")
    more = "  minors:\n    based_on: eu\n    rules:\n      - {deny: [cache], at: [lisbon], because: no}\n"
    [found] = diagnostics(TEXT.replace(EU_RULES, first + rules) + more)
    assert found == ("warning", 19, "it never decides: all that it names is decided before it (p.yaml:18)")


def test_copies_until_a_day_do_not_count():
    """The home's raws need as many for good."""
    before, after = TEXT.replace("minimum_copies: 2", "minimum_copies: 3").split("      - deny", 1)
    allow = "      - {allow: [rest_raw], at: [us-central], transfer_basis: adequacy, because: yes}\n"
    assert diagnostics(f"{before}{allow}      - deny{after}") == []
    until = allow.replace("because", "until: 2999-01-01, because")
    found = diagnostics(f"{before}{until}      - deny{after}")
    assert {(severity, line) for severity, line, _ in found} == {("error", 13)}


def test_a_class_inherits_no_way_out_without_a_basis():
    """A base may belong to people elsewhere; with homes in the Union its rules need a basis, each once."""
    more = "  cautious:\n    based_on: world\n    homes: [{region: eu-west}]\n"
    found = diagnostics(TEXT + more)
    assert [(severity, line) for severity, line, _ in found] == [("error", 36)]
    assert all(action in found[0][2] for action in (Action.REST_RAW, Action.SERVE))


def test_an_inherited_home_counts_only_for_those_who_live_there():
    """Its people may be others' than the class's: here those of France."""
    more = "  cautious:\n    based_on: eu\n    countries: [{}]\n    minimum_copies: 1\n    rules:\n"
    more += "      - {{deny: [rest_raw], at: [eu-west], because: no}}\n"
    assert diagnostics(TEXT + more.format("CH")) == []
    found = diagnostics(TEXT.replace("[FR, DE]", "[DE]") + more.format("FR"))
    assert [(severity, line) for severity, line, _ in found] == [("error", 10)]


@pytest.mark.parametrize("at", ["anywhere", "sydney", "jurisdiction:US", "far"])
def test_whatever_leaves_the_protected_jurisdiction_needs_a_basis(at):
    """By whatever word, also a group's."""
    rule = "      - {{allow: [moderate], at: [{at}], {basis}because: x}}\n"
    [(severity, line, message)] = with_rules(rule.format(at=at, basis=""))
    assert (severity, line) == ("error", 18)
    assert "moderate" in message
    assert with_rules(rule.format(at=at, basis="transfer_basis: none_needed, ")) == []


def test_anywhere_leaves_the_protected_jurisdiction_although_all_places_lie_within():
    """It includes places that are not known, and tomorrow there may be others."""
    within = [place for place in PLACES if place.jurisdiction == "EU"]
    text = (
        TEXT.replace("[sydney]", "[porto]").replace("us-central", "eu-west").replace("        transfer_basis: st", "#")
    )
    assert [each.where for each in checking.check_text(text, "p.yaml", within, 0)] == ["p.yaml:24", "p.yaml:36"]


def test_a_way_out_that_is_denied_needs_no_basis():
    """Only what is allowed leaves."""
    denial = "      - {deny: [serve], at: [anywhere], because: no}\n"
    allow = "      - {allow: [serve, cache], at: [anywhere], transfer_basis: adequacy, because: yes}\n"
    bare = allow.replace("transfer_basis: adequacy, ", "")
    assert {line for severity, line, _ in with_rules(denial + bare) if severity == "error"} == {19}
    assert with_rules(denial + bare.replace("serve, cache", "serve"))[0][2].startswith("it does not allow serve")


def test_a_derogation_is_a_warning():
    """A standing rule is hardly occasional."""
    [found] = with_rules("      - {allow: [serve], at: [anywhere], transfer_basis: derogation, because: x}\n")
    assert found[:2] == ("warning", 18)
    assert "occasional" in found[2]


def test_a_rule_that_has_run_out_is_a_warning_from_the_day_after_on():
    """It names the day, and what that means: an allow that ends tightens, a denial that ends loosens."""
    assert diagnostics(TEXT, FIRST_DAY_MS + DAY_MS - 1) == []
    [found] = diagnostics(TEXT, FIRST_DAY_MS + DAY_MS)
    assert found[:2] == ("warning", 32)
    assert "2024-10-04; since then it no longer denies" in found[2]
    allow = "      - {allow: [serve], at: [lisbon], until: 2024-10-04, because: x}\n"
    assert "what it allowed is refused" in with_rules(allow, FIRST_DAY_MS + DAY_MS)[0][2]


def test_no_error_depends_on_the_time():
    """A policy that was accepted stays accepted, at every node."""
    text = TEXT.replace("        because: By contract.", "        until: 2024-10-04\n        because: By contract.")
    for now_ms in (0, FIRST_DAY_MS, FIRST_DAY_MS + 9 * DAY_MS):
        assert not [found for found in diagnostics(text, now_ms) if found[0] == "error"]


def test_thousands_of_places_are_checked_quickly():
    """Those that no rule names are alike within a jurisdiction, so that few cases are tried."""
    many = [*PLACES, *(Place(f"edge-{number}", "edge", "EU") for number in range(20_000))]
    assert checking.check_text(TEXT, "p.yaml", many, 0) == []
