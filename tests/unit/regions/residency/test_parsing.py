"""A policy is read exactly, with the line of every rule, or rejected with file and line."""

import hashlib
import string
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.errors import PolicyError
from regions.residency import parsing
from regions.residency.diagnostics import by_line
from regions.residency.policy import Action, Ageing, Tier, TransferBasis

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
        parsing.parse(text, "p.yaml")
    return str(raised.value)


def test_a_rule_is_read_from_its_lines():
    """Its actions, its places, its reason, and its line."""
    allow, deny = parsing.parse(TEXT, "p.yaml").classes["eu"].rules
    assert allow.actions == {Action.REST_RAW, Action.REST_VARIANTS, Action.REST_METADATA}
    assert (allow.allow, allow.places, allow.because) == (True, ("jurisdiction:EU",), "It stays in the Union.")
    assert (deny.allow, deny.places, deny.where) == (False, ("sydney", "home"), "p.yaml:14")
    assert allow.where == "p.yaml:11"


def test_norway_is_a_country():
    """And not YAML's `false`, with or without quotes."""
    for text in (TEXT, TEXT.replace('"NO"', "NO")):
        assert parsing.parse(text, "p.yaml").class_of("NO").name == "eu"


def test_countries_that_are_not_listed_have_the_default_class():
    """So every country has a class and a home."""
    parsed = parsing.parse(TEXT, "p.yaml")
    assert [parsed.class_of(country).name for country in ("FR", "US", "XX", "")] == ["eu", "world", "world", "world"]
    assert [parsed.home_region(country) for country in ("FR", "NO", "US")] == ["eu-west", "eu-central", "us-central"]


def test_the_same_text_has_the_same_version():
    """The SHA-256 of the text, whatever the name of the file."""
    one, other = parsing.parse(TEXT, "p.yaml"), parsing.parse(TEXT, "q.yaml")
    assert one.version == other.version == hashlib.sha256(TEXT.encode()).hexdigest()
    assert parsing.parse(TEXT + "# changed\n", "p.yaml").version != one.version


FULL = """\
policy: 1
default_class: world
protected_jurisdictions: [EU]
groups:
  union: [jurisdiction:EU, islands]
  islands: [azores, madeira]
classes:
  world:
    homes:
      - region: us-central
    minimum_copies: 2
    tiers:
      - {after_days: 30, to: warm}
      - {after_days: 365, to: cold}
    rules:
      - allow: [say, rest_account, observe, moderate]
        at: [union, sydney]
        until: 2027-12-31
        transfer_basis: adequacy
        because: Until then.
  minors:
    based_on: world
    countries: [FR]
    rules:
      - deny: [say]
        at: [islands]
        because: Not there.
"""


def test_groups_are_written_out_in_rules():
    """Also a group in a group; each place once."""
    parsed = parsing.parse(FULL, "p.yaml")
    [rule] = parsed.classes["world"].rules
    assert rule.places == ("jurisdiction:EU", "azores", "madeira", "sydney")
    assert [(group.name, group.where) for group in parsed.groups.values()] == [
        ("union", "p.yaml:5"),
        ("islands", "p.yaml:6"),
    ]


def test_a_class_has_what_the_one_it_is_based_on_has():
    """Its homes, copies and tiers, unless it has its own; never its countries. Inherited rules keep their lines."""
    parsed = parsing.parse(FULL, "p.yaml")
    world, minors = parsed.classes["world"], parsed.classes["minors"]
    assert [rule.where for rule in minors.rules] == ["p.yaml:25", "p.yaml:16"]
    assert parsed.own_rules(minors) == minors.rules[:1]
    assert (minors.homes, minors.minimum_copies, minors.tiers) == (world.homes, 2, world.tiers)
    assert (minors.countries, world.countries) == ({"FR"}, set())
    assert (minors.based_on, world.based_on, minors.copies_where) == ("world", "", "p.yaml:11")


def test_the_last_day_of_a_rule_belongs_to_it():
    """It ends with the day, in UTC."""
    [rule] = parsing.parse(FULL, "p.yaml").classes["world"].rules
    assert rule.until_ms == datetime(2028, 1, 1, tzinfo=UTC).timestamp() * 1000
    assert rule.transfer_basis is TransferBasis.ADEQUACY
    assert [rule.counts(rule.until_ms - 1), rule.counts(rule.until_ms), rule.counts(None)] == [True, False, False]


def test_tiers_are_read_in_order():
    """For later; so far nothing acts on them."""
    tiers = parsing.parse(FULL, "p.yaml").classes["world"].tiers
    assert tiers == (Ageing(30, Tier.WARM), Ageing(365, Tier.COLD))


def test_a_file_without_the_new_words_means_what_it_did():
    """No copies but one are asked for, nothing ages, and nothing is protected."""
    parsed = parsing.parse(TEXT, "p.yaml")
    eu = parsed.classes["eu"]
    assert (eu.minimum_copies, eu.tiers, eu.based_on) == (1, (), "")
    assert (parsed.groups, parsed.protected) == ({}, {})


FULL_MISTAKES = {
    "a group that contains itself": ("[azores, madeira]", "[azores, union]", 5, "union > islands > union"),
    "a group without places": ("[azores, madeira]", "[]", 6, "list"),
    "a group that is called home": ("  islands: [az", "  home: [az", 6, "home"),
    "a group that is called like a jurisdiction": ("  islands: [az", '  "jurisdiction:X": [az', 6, "jurisdiction:X"),
    "anywhere in a group": ("[azores, madeira]", "[azores, anywhere]", 6, "anywhere"),
    "a base that is not there": ("based_on: world", "based_on: mars", 22, "mars"),
    "a class that is based on itself": ("based_on: world", "based_on: minors", 22, "itself"),
    "two classes that are based on each other": (
        "  world:\n    homes:\n      - region: us-central\n",
        "  world:\n    based_on: minors\n",
        21,
        "based on itself",
    ),
    "an end that is not a date": ("until: 2027-12-31", "until: soon", 18, "soon"),
    "an end that is no day": ("until: 2027-12-31", "until: 2027-02-30", 18, "2027-02-30"),
    "an end with a time": ("until: 2027-12-31", "until: 2027-12-31T10:00:00Z", 18, "not a date"),
    "an end in another form": ("until: 2027-12-31", "until: 20271231", 18, "not a date"),
    "an unknown basis": ("basis: adequacy", "basis: trust_us", 19, "trust_us"),
    "a basis of a denial": ("- deny: [say]", "- deny: [say]\n        transfer_basis: adequacy", 26, "denies"),
    "no copies": ("minimum_copies: 2", "minimum_copies: 0", 11, "0 is not"),
    "copies in words": ("minimum_copies: 2", "minimum_copies: two", 11, "two"),
    "very many copies": ("minimum_copies: 2", "minimum_copies: 999999", 11, "999999"),
    "an unknown tier": ("to: warm", "to: moon", 13, "moon"),
    "tiers out of order": ("after_days: 365", "after_days: 30", 13, "later"),
    "a tier that is warmer again": ("to: cold", "to: warm", 13, "colder"),
    "two rules on one line": (
        "      - deny: [say]\n        at: [islands]\n        because: Not there.\n",
        "      [{deny: [say], at: [islands], because: no}, {deny: [cache], at: [islands], because: no}]\n",
        25,
        "line",
    ),
    "an alias": ("at: [islands]", "at: &a [islands]\n        until: *a", 27, "alias"),
}


@pytest.mark.parametrize(("old", "new", "line", "expected"), FULL_MISTAKES.values(), ids=FULL_MISTAKES)
def test_a_mistake_in_what_the_language_has_gained_is_rejected_with_its_line(old, new, line, expected):
    """As any other."""
    assert FULL.count(old) >= 1
    error = error_of(FULL.replace(old, new, 1))
    assert expected in error
    assert error.startswith(f"p.yaml:{line}: ")


def test_all_mistakes_are_found_at_once():
    """One in each part of the file, each with its line."""
    text = FULL
    for old, new in (
        ("[EU]", "[[EU]]"),
        ("to: warm", "to: moon"),
        ("[say, rest_account", "[shout, rest_acount"),
        ("[FR]", "[UK]"),
        ("      - deny: [say]\n        at: [islands]", "      - deny: [say]"),
    ):
        text = text.replace(old, new, 1)
    policy, mistakes = parsing.read(text, "p.yaml")
    assert policy is None
    assert [each.where for each in by_line(mistakes)] == [f"p.yaml:{line}" for line in (3, 13, 16, 16, 23, 25)]


@pytest.mark.parametrize("depth", [17, 2000])
def test_what_is_nested_very_deep_is_rejected(depth):
    """Groups in groups, and classes on classes, without end; with no other error than ours."""
    groups = "".join(f"  g{number}: [g{number + 1}]\n" for number in range(depth)) + f"  g{depth}: [lisbon]\n"
    classes = "".join(f"  c{number}:\n    based_on: c{number + 1}\n" for number in range(depth))
    rules = "    homes: [{region: r}]\n    rules: [{allow: [say], at: [home], because: b}]\n"
    assert "deep at most" in error_of(f"policy: 1\ndefault_class: c0\ngroups:\n{groups}classes:\n  c0:\n{rules}")
    assert "deep at most" in error_of(f"policy: 1\ndefault_class: c0\nclasses:\n{classes}  c{depth}:\n{rules}")


def test_a_file_that_is_too_long_is_rejected():
    """Before it is read."""
    assert "256 KiB" in error_of(TEXT + "#" * 256 * 1024)


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


NOT_POLICIES = [
    "policy: \ud800",
    "",
    "# nothing\n",
    "5",
    "- a\n- b\n",
    "a: b: c",
    "{",
    "\x00",
    "[" * 1000,
    "*a",
    "a: &a [*a]",
]


@pytest.mark.parametrize("text", NOT_POLICIES, ids=range(len(NOT_POLICIES)))
def test_a_text_that_is_not_a_policy_is_rejected(text):
    """With a PolicyError that names at least the file, and with no other error."""
    assert error_of(text).startswith("p.yaml:")


@given(st.integers(0, len(TEXT) - 1), st.sampled_from(string.printable))
def test_a_typing_error_is_rejected_or_leaves_a_valid_policy(at, character):
    """One character is changed: either the actions and countries are still known ones, or it is a PolicyError."""
    try:
        parsed = parsing.parse(TEXT[:at] + character + TEXT[at + 1 :], "p.yaml")
    except PolicyError as error:
        assert str(error).startswith("p.yaml:")
        return
    assert parsed.default_class in parsed.classes
    assert all(rule.actions <= set(Action) for each in parsed.classes.values() for rule in each.rules)
    assert all(len(country) == 2 for each in parsed.classes.values() for country in each.countries)
