"""The examples of docs/policy.md mean what the table behind each says."""

import importlib.resources
import re
from pathlib import Path
from textwrap import indent
from typing import NamedTuple

import pytest
from jsonschema import Draft7Validator

from darkroom.operate import policy_expectations, policy_file
from regions.residency import checking, parsing
from regions.residency.policy import Action, Tier, TransferBasis
from tests.builders import editor_yaml

DEPLOY = importlib.resources.files("deploy")
PAGE = (Path(__file__).parents[4] / "docs" / "policy.md").read_text()
PLACES = policy_file.read_places(DEPLOY.joinpath("one_machine.toml").read_text())
SCHEMA = Draft7Validator(editor_yaml.load(DEPLOY.joinpath("policy.schema.json").read_text()))
NOW_MS = 1_800_000_000_000


class Example(NamedTuple):
    heading: str
    policy: str
    table: str


def added(policy: str, block: str) -> str:
    """The first policy of the page with what a block adds to it."""
    if block.startswith("- "):
        return policy + indent(block, " " * 6)
    if block.startswith(("groups:", "protected_jurisdictions:")):
        return policy.replace("classes:\n", f"{block}classes:\n", 1)
    if block.startswith("minimum_copies:"):
        return policy.replace("    rules:\n", f"{indent(block, ' ' * 4)}    rules:\n", 1)
    return policy + indent(block, "  ")


def examples() -> list[Example]:
    """Blocks that follow each other belong together, until a heading; a table may be behind each."""
    found: list[Example] = []
    first = ""
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE):
        policy, heading = first, section.partition("\n")[0]
        for block in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL):
            if block.startswith("- {person"):
                found[-1] = found[-1]._replace(table=block)
            else:
                first = first or block
                policy = added(policy, block) if policy else block
                found.append(Example(heading, policy, ""))
    return [example for example in found if "\n" in example.policy]


EXAMPLES = examples()


def test_every_feature_has_an_example():
    """So that none is left out of what follows."""
    assert len(EXAMPLES) >= 9
    words = ("groups", "based_on", "until", "minimum_copies", "tiers", "transfer_basis", "protected_jurisdictions")
    assert all(any(f"{word}:" in example.policy for example in EXAMPLES) for word in words)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.heading)
def test_an_example_has_no_mistake(example):
    """By `check`, and by the schema for editors."""
    assert checking.check_text(example.policy, "example", PLACES, NOW_MS) == []
    SCHEMA.validate(editor_yaml.load(example.policy))


@pytest.mark.parametrize("example", [each for each in EXAMPLES if each.table], ids=lambda example: example.heading)
def test_an_example_answers_as_the_table_behind_it_says(example):
    """Row by row."""
    expectations, mistakes = policy_expectations.read(example.table, "table", PLACES)
    assert mistakes == []
    compared = policy_expectations.compare(parsing.parse(example.policy, "example"), expectations, NOW_MS)
    assert [each for each in compared if not each.holds] == []


def test_the_page_explains_every_word_of_the_language():
    """Actions, bases and tiers."""
    assert [word for word in (*Action, *TransferBasis, *Tier) if f"`{word}`" not in PAGE] == []
