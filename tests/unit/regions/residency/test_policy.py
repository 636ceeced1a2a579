"""A policy is read exactly, with the line of every rule, or rejected with file and line."""

import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.errors import PolicyError
from regions.residency import policy
from regions.residency.policy import Action

TEXT = """\
policy: 1
default_class: world
classes:
  eu:
    countries: [FR, "NO"]
    homes:
      - region: eu-west
        countries: [FR]
      - region: eu-central
    rules:
      - allow: [rest_raw, rest_variants, rest_metadata]
        at: [jurisdiction:EU]
        because: It stays in the Union.
      - deny: [cache]
        at: [sydney, home]
        because: Too far.
  world:
    homes:
      - region: us-central
    rules:
      - allow: [rest_raw, rest_variants, rest_metadata, cache, serve]
        at: [anywhere]
        because: No law binds them.
"""


RULES_OF_WORLD = TEXT[TEXT.rindex("    rules:") :]


def error_of(text: str) -> str:
    with pytest.raises(PolicyError) as raised:
        policy.parse(text, "p.yaml")
    return str(raised.value)


def test_a_rule_is_read_from_its_lines():
    """Its actions, its places, its reason, and its line."""
    allow, deny = policy.parse(TEXT, "p.yaml").classes["eu"].rules
    assert allow.actions == {Action.REST_RAW, Action.REST_VARIANTS, Action.REST_METADATA}
    assert (allow.allow, allow.places, allow.because) == (True, ("jurisdiction:EU",), "It stays in the Union.")
    assert (deny.allow, deny.places, deny.where) == (False, ("sydney", "home"), "p.yaml:14")
    assert allow.where == "p.yaml:11"


def test_norway_is_a_country():
    """And not YAML's `false`, with or without quotes."""
    for text in (TEXT, TEXT.replace('"NO"', "NO")):
        assert policy.parse(text, "p.yaml").class_of("NO").name == "eu"


def test_countries_that_are_not_listed_have_the_default_class():
    """So every country has a class and a home."""
    parsed = policy.parse(TEXT, "p.yaml")
    assert [parsed.class_of(country).name for country in ("FR", "US", "XX", "")] == ["eu", "world", "world", "world"]
    assert [parsed.home_region(country) for country in ("FR", "NO", "US")] == ["eu-west", "eu-central", "us-central"]


def test_the_same_text_has_the_same_version():
    """The SHA-256 of the text, whatever the name of the file."""
    one, other = policy.parse(TEXT, "p.yaml"), policy.parse(TEXT, "q.yaml")
    assert one.version == other.version == hashlib.sha256(TEXT.encode()).hexdigest()
    assert policy.parse(TEXT + "# changed\n", "p.yaml").version != one.version


MISTAKES = {
    "another format": ("policy: 1", "policy: 2", 1, "format"),
    "an unknown key": ("default_class: world", "default_class: world\ncolour: red", 3, "colour"),
    "a repeated key": ("default_class: world", "default_class: world\ndefault_class: eu", 3, "twice"),
    "an unknown default": ("default_class: world", "default_class: mars", 2, "mars"),
    "a default that is a list": ("default_class: world", "default_class: [world]", 2, "word"),
    "no default": ("default_class: world\n", "", 1, "default_class is missing"),
    "a repeated class": ("  world:\n", "  eu:\n", 17, "twice"),
    "an unknown key of a class": ("    countries: [FR", "    colours: [FR", 5, "colours"),
    "no homes": ("    homes:\n      - region: us-central\n", "", 18, "homes is missing"),
    "homes that are not a list": ("    homes:\n      - region: us-central", "    homes: us-central", 18, "list"),
    "no home for the other countries": ("      - region: eu-central\n", "", 7, "everyone else"),
    "an unknown key of a home": ("- region: us-central", "- country: us-central", 19, "country"),
    "the name of a country": ('"NO"', "Norway", 5, "two-letter"),
    "a country code in lower case": ('"NO"', "no", 5, "two-letter"),
    "an unassigned country code": ('"NO"', "UK", 5, "UK is not"),
    "an unassigned country code in a home": ("countries: [FR]", "countries: [FR, EL]", 8, "EL is not"),
    "no countries in the list": ('[FR, "NO"]', "[]", 5, "list"),
    "a country in two classes": ("  world:\n", "  world:\n    countries: [FR]\n", 18, "FR is in eu already"),
    "allow and deny at once": ("      - deny: [cache]", "      - deny: [cache]\n        allow: [serve]", 14, "either"),
    "neither allow nor deny": ("      - deny: [cache]\n        at:", "      - at:", 14, "either"),
    "an unknown action": ("rest_metadata]", "rest_meta]", 11, "rest_meta"),
    "no action": ("deny: [cache]", "deny: []", 14, "list"),
    "actions that are not a list": ("deny: [cache]", "deny: cache", 14, "list"),
    "no place": ("at: [sydney, home]", "at: []", 15, "list"),
    "no reason": ("\n        because: Too far.", "", 14, "because is missing"),
    "an empty reason": ("because: Too far.", "because:", 16, "expected"),
    "no rules": (RULES_OF_WORLD, "    rules: []\n", 20, "list"),
}


@pytest.mark.parametrize(("old", "new", "line", "expected"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_rejected_with_its_line(old, new, line, expected):
    """The file is rejected as a whole, so that no prohibition is skipped."""
    assert TEXT.count(old) >= 1
    error = error_of(TEXT.replace(old, new, 1))
    assert expected in error
    assert error.startswith(f"p.yaml:{line}: ")


NOT_POLICIES = ["", "# nothing\n", "5", "- a\n- b\n", "a: b: c", "{", "\x00", "[" * 1000, "*a", "a: &a [*a]"]


@pytest.mark.parametrize("text", NOT_POLICIES, ids=range(len(NOT_POLICIES)))
def test_a_text_that_is_not_a_policy_is_rejected(text):
    """With a PolicyError that names at least the file, and with no other error."""
    assert error_of(text).startswith("p.yaml:")


@given(st.integers(0, len(TEXT) - 1), st.sampled_from(string.printable))
def test_a_typing_error_is_rejected_or_leaves_a_valid_policy(at, character):
    """One character is changed: either the actions and countries are still known ones, or it is a PolicyError."""
    try:
        parsed = policy.parse(TEXT[:at] + character + TEXT[at + 1 :], "p.yaml")
    except PolicyError as error:
        assert str(error).startswith("p.yaml:")
        return
    assert parsed.default_class in parsed.classes
    assert all(rule.actions <= set(Action) for each in parsed.classes.values() for rule in each.rules)
    assert all(len(country) == 2 for each in parsed.classes.values() for country in each.countries)


# Against a topology


def test_the_deployed_policy_fits_the_deployed_regions(deployed, one_machine):
    """All its places exist, and people's data may be stored in their home regions."""
    policy.check(deployed, one_machine)
    for residency_class in deployed.classes.values():
        assert all(rule.where.startswith("policy.yaml:") for rule in residency_class.rules)


def test_parts_of_the_eu_with_codes_of_their_own_are_in_class_eu(deployed):
    """Åland and the outermost regions of France. Each has the home region of its country."""
    assert {deployed.class_of(code).name for code in ("AX", "GF", "GP", "MF", "MQ", "RE", "YT")} == {"eu"}
    assert deployed.home_region("AX") == deployed.home_region("FI")
    assert {deployed.home_region(code) for code in ("GF", "GP", "MF", "MQ", "RE", "YT")} == {deployed.home_region("FR")}


def test_serving_and_references_have_separate_rules(deployed):
    """References stay in followers' feeds; serving leaves no copy. So one reason can't justify both."""
    for rule in deployed.classes["eu"].rules:
        assert not {Action.REFERENCE, Action.SERVE} <= rule.actions


def test_the_policy_of_these_tests_fits_too(one_machine):
    """Without the mistakes of the next test."""
    policy.check(policy.parse(TEXT, "p.yaml"), one_machine)


UNSATISFIABLE = {
    "an unknown place": ("at: [sydney, home]", "at: [sidney, home]", 14, "sidney"),
    "an unknown jurisdiction": ("jurisdiction:EU", "jurisdiction:UK", 11, "jurisdiction:UK"),
    "an unknown home": ("region: us-central", "region: us-east", 19, "us-east"),
    "an edge as a home": ("region: us-central", "region: chicago", 19, "chicago"),
    "a home that may not store originals": ("allow: [rest_raw, rest_variants", "allow: [rest_variants", 7, "rest_raw"),
    "a home where a rule denies it": (
        "      - allow: [rest_raw, rest_v",
        "      - {deny: [rest_raw], at: [home], because: no}\n      - allow: [rest_raw, rest_v",
        7,
        "rest_raw",
    ),
    "a home in another jurisdiction": ("region: eu-central", "region: us-central", 9, "us-central"),
}


@pytest.mark.parametrize(("old", "new", "line", "expected"), UNSATISFIABLE.values(), ids=UNSATISFIABLE)
def test_a_policy_that_does_not_fit_is_rejected_with_its_line(one_machine, old, new, line, expected):
    """So a policy that can't be satisfied is not published."""
    with pytest.raises(PolicyError) as raised:
        policy.check(policy.parse(TEXT.replace(old, new, 1), "p.yaml"), one_machine)
    assert expected in str(raised.value)
    assert str(raised.value).startswith(f"p.yaml:{line}: ")
