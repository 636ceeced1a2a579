"""A table of expectations: what a policy must answer, kept beside it, so that an edit that changes more is noticed.

Pure: text in; for each expectation the decision, and whether it is the expected one, out. docs/policy.md has the form.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import yaml

from regions.residency.countries import ASSIGNED
from regions.residency.decide import Decision, Subject, decide
from regions.residency.diagnostics import Diagnostic, NotUnderstood
from regions.residency.policy import Action, Policy
from regions.residency.yaml_lines import Reader
from regions.topology import Place

_ALLOW, _DENY = "allow", "deny"


@dataclass(frozen=True, slots=True)
class Expectation:
    """That data of people from this country is treated so. `where` is `file:line`.

    `by` is a part of the reason of the rule that must decide, or "". `at_ms` is the time of the decision; None is now.
    """

    country: str
    action: Action
    place: Place
    allowed: bool
    by: str
    at_ms: int | None
    where: str


@dataclass(frozen=True, slots=True)
class Comparison:
    expectation: Expectation
    decision: Decision

    @property
    def holds(self) -> bool:
        as_expected = self.decision.allowed == self.expectation.allowed
        return as_expected and self.expectation.by in self.decision.because


def read(text: str, file: str, places: Iterable[Place]) -> tuple[list[Expectation], list[Diagnostic]]:
    """The expectations of a table, and what in it is not understood. A row with several words means each of them."""
    reader = Reader(file)
    by_name = {place.name: place for place in places}
    try:
        rows = reader.each(reader.items(reader.root(text)), lambda node: _row(reader, node, by_name))
    except NotUnderstood as error:
        return [], [error.diagnostic]
    return [expectation for row in rows for expectation in row], reader.noted


def compare(policy: Policy, expectations: Sequence[Expectation], now_ms: int) -> list[Comparison]:
    return [Comparison(each, _decision(policy, each, now_ms)) for each in expectations]


def _decision(policy: Policy, expectation: Expectation, now_ms: int) -> Decision:
    country = expectation.country
    subject = Subject(policy.class_of(country).name, policy.home_region(country))
    at_ms = now_ms if expectation.at_ms is None else expectation.at_ms
    return decide(policy, subject, expectation.action, expectation.place, at_ms)


def _row(reader: Reader, node: yaml.Node, places: Mapping[str, Place]) -> list[Expectation]:
    entries = reader.mapping(node, {"person", "action", "at", "expect"}, {"by", "date"})
    people = reader.one_or_more(entries["person"])
    countries = [reader.one_of(one, ASSIGNED, "a two-letter country code of ISO 3166-1") for one in people]
    actions = [reader.one_of(one, Action, "an action") for one in reader.one_or_more(entries["action"])]
    at = [reader.one_of(one, places, "a place") for one in reader.one_or_more(entries["at"])]
    allowed = reader.one_of(entries["expect"], (_ALLOW, _DENY), "an answer") == _ALLOW
    by = reader.scalar(entries["by"]) if "by" in entries else ""
    at_ms = reader.day_ms(entries["date"]) if "date" in entries else None
    where = reader.where(node)
    return [
        Expectation(country, Action(action), places[name], allowed, by, at_ms, where)
        for country, action, name in product(countries, actions, at)
    ]
