"""The JSON Schema that helps editors says of a file what the parser says, as far as a schema can."""

import json
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from regions.errors import PolicyError
from regions.residency import parsing
from regions.residency.countries import ASSIGNED
from regions.residency.policy import Action, Tier, TransferBasis
from tests.builders import editor_yaml, policies

DEPLOY = Path(__file__).parents[4] / "deploy"
SCHEMA = json.loads((DEPLOY / "policy.schema.json").read_text())
VALIDATOR = Draft7Validator(SCHEMA)

FULL = """\
policy: 1
default_class: world
protected_jurisdictions: [EU]
groups:
  islands: [azores, jurisdiction:EU]
classes:
  world:
    homes:
      - region: us-central
        countries: [NO, FR]
      - region: eu-west
    minimum_copies: 2
    tiers: [{after_days: 30, to: warm}, {after_days: 365, to: cold}]
    rules:
      - allow: [say, cache]
        at: [islands, home]
        until: 2027-12-31
        transfer_basis: adequacy
        because: Until then.
  minors:
    based_on: world
    countries: [SE]
"""


def parses(text: str) -> bool:
    try:
        parsing.parse(text, "p.yaml")
    except PolicyError:
        return False
    return True


def test_the_schema_is_one():
    """Of the draft that editors read best."""
    Draft7Validator.check_schema(SCHEMA)


def test_the_shipped_policy_names_the_schema_beside_it():
    """And is valid by it."""
    text = (DEPLOY / "policy.yaml").read_text()
    assert "# yaml-language-server: $schema=policy.schema.json\n" in text
    VALIDATOR.validate(editor_yaml.load(text))


def test_the_schema_knows_the_words_of_the_language():
    """All actions, bases, tiers and countries, and no other."""
    definitions = SCHEMA["definitions"]
    rule, residency_class = definitions["rule"]["properties"], definitions["class"]["properties"]
    assert definitions["actions"]["items"]["enum"] == list(Action)
    assert rule["transfer_basis"]["enum"] == list(TransferBasis)
    assert residency_class["tiers"]["items"]["properties"]["to"]["enum"] == list(Tier)
    assert definitions["countries"]["items"]["enum"] == sorted(ASSIGNED)


WRONG = {
    "another format": ("policy: 1", "policy: 2"),
    "an unknown key": ("default_class: world", "default_class: world\ncolour: red"),
    "no default": ("default_class: world\n", ""),
    "an empty list": ("[islands, home]", "[]"),
    "a word instead of a list": ("[islands, home]", "islands"),
    "an unknown key of a class": ("minimum_copies: 2", "maximum_copies: 2"),
    "no copies": ("minimum_copies: 2", "minimum_copies: 0"),
    "copies in words": ("minimum_copies: 2", "minimum_copies: two"),
    "neither base nor rules": ("    based_on: world\n", ""),
    "an unknown country": ("[SE]", "[UK]"),
    "an unknown action": ("[say, cache]", "[shout, cache]"),
    "allow and deny": ("- allow: [say, cache]", "- allow: [say]\n        deny: [cache]"),
    "neither allow nor deny": ("- allow: [say, cache]\n        at:", "- at:"),
    "a basis of a denial": ("- allow:", "- deny:"),
    "an unknown basis": ("adequacy", "trust"),
    "a date in another form": ("2027-12-31", "31.12.2027"),
    "no reason": ("\n        because: Until then.", ""),
    "an unknown tier": ("to: warm", "to: moon"),
    "home in a group": ("[azores, jurisdiction:EU]", "[azores, home]"),
    "a group that is called anywhere": ("  islands: [a", "  anywhere: [a"),
    "a group that is called like a jurisdiction": ("  islands: [a", '  "jurisdiction:X": [a'),
}


@pytest.mark.parametrize(("old", "new"), WRONG.values(), ids=WRONG)
def test_what_the_parser_refuses_an_editor_underlines(old, new):
    """While the officer writes it."""
    wrong = FULL.replace(old, new, 1)
    assert parses(FULL)
    assert not parses(wrong)
    assert not VALIDATOR.is_valid(editor_yaml.load(wrong))


@settings(deadline=None)
@given(st.integers(0, len(FULL) - 1), st.sampled_from(string.printable))
def test_what_parses_is_valid(at, character):
    """Also with one character changed."""
    text = FULL[:at] + character + FULL[at + 1 :]
    if parses(text):
        VALIDATOR.validate(editor_yaml.load(text))


@settings(deadline=None)
@given(st.lists(policies.rules(), min_size=1, max_size=3))
def test_whatever_rules_parse_are_valid(rules):
    """In any combination."""
    document = policies.document_of(rules)
    assert parses(policies.text_of(document))
    VALIDATOR.validate(document)
