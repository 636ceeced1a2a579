"""From the policy file to its values: the grammar of the language. docs/policy.md explains it to officers.

A file that contains anything unknown is rejected as a whole, with the lines of all mistakes: to skip what we don't
understand could mean to ignore a prohibition.

Pure: `parse` and `read` look at the text alone; `checking` compares the result with the places that there are.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import yaml

from regions.residency.countries import ASSIGNED
from regions.residency.diagnostics import Diagnostic, NotUnderstood, require_no_error
from regions.residency.policy import (
    ANYWHERE,
    HOME,
    JURISDICTION,
    Action,
    Ageing,
    Group,
    Home,
    Policy,
    ResidencyClass,
    Rule,
    Tier,
    TransferBasis,
)
from regions.residency.yaml_lines import DAY_MS, Reader

FORMAT = "1"
FILE = "policy.yaml"
"""The name by which rules are cited. The policy that we ship has this name, in `deploy/`."""

_DEEPEST = 16
"""How many groups may lie within one another, and how many classes may build on one another."""


def parse(text: str, file: str) -> Policy:
    """Reads a whole policy. Raises PolicyError `file:line: …` for anything that is not exactly understood."""
    policy, mistakes = read(text, file)
    require_no_error(mistakes)
    assert policy is not None, "without a mistake there is a policy"
    return policy


def read(text: str, file: str) -> tuple[Policy | None, list[Diagnostic]]:
    """The policy, or None and everything in the text that is not understood, each with its line."""
    reader = Reader(file)
    try:
        root = reader.root(text)
        policy = _Parser(reader).policy(root, hashlib.sha256(text.encode()).hexdigest())
    except NotUnderstood as error:
        return None, [*reader.noted, error.diagnostic]
    return (None, reader.noted) if reader.noted else (policy, [])


@dataclass(frozen=True, slots=True)
class _Draft:
    """A class as it stands in the file, before it takes from the one that it is based on. None is not given."""

    name: str
    node: yaml.Node
    base: yaml.Node | None
    countries: frozenset[str]
    homes: tuple[Home, ...] | None
    rules: tuple[Rule, ...]
    copies: tuple[int, str] | None
    tiers: tuple[Ageing, ...] | None


class _Parser:
    """Each method reads one construct of the language. What is wrong with one does not hide what is in others."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._places_of: dict[str, tuple[str, ...]] = {}
        self._rule_lines: set[str] = set()

    def policy(self, root: yaml.Node, version: str) -> Policy | None:
        reader = self._reader
        top = reader.mapping(root, {"policy", "default_class", "classes"}, {"groups", "protected_jurisdictions"})
        if reader.scalar(top["policy"]) != FORMAT:
            raise reader.error(top["policy"], f"this is not format {FORMAT}")
        protected = reader.each(self._list(top.get("protected_jurisdictions")), self._named)
        groups = self._groups(top["groups"]) if "groups" in top else {}
        nodes = reader.mapping(top["classes"], None, set())
        default_class = reader.scalar(top["default_class"])
        if default_class not in nodes:
            reader.note(top["default_class"], f"there is no class {default_class}")
        drafts = reader.each(nodes.items(), lambda entry: self._draft(*entry))
        # What follows compares classes, so that one that could not be read would cause errors elsewhere.
        if len(drafts) < len(nodes):
            return None
        self._reject_shared_countries(drafts)
        classes = self._resolve(drafts)
        return Policy(classes, default_class, version, groups, dict(protected))

    def _list(self, node: yaml.Node | None) -> list[yaml.Node]:
        return [] if node is None else self._reader.items(node)

    def _named(self, node: yaml.Node) -> tuple[str, str]:
        """A name and its line."""
        return self._reader.scalar(node), self._reader.where(node)

    def _groups(self, node: yaml.Node) -> dict[str, Group]:
        """Reads all groups, and writes out the places of each into `_places_of`."""
        reader = self._reader
        nodes = reader.mapping(node, None, set())
        groups = {group.name: group for group in reader.each(nodes.items(), lambda entry: self._group(*entry))}
        for name in groups:
            self._write_out(name, groups, nodes, ())
        return groups

    def _group(self, name: str, node: yaml.Node) -> Group:
        reader = self._reader
        if name in (ANYWHERE, HOME) or name.startswith(JURISDICTION):
            raise reader.error(node, f"{name} has a meaning of its own, so no group can have this name")
        for item in reader.items(node):
            if reader.scalar(item) in (ANYWHERE, HOME):
                raise reader.error(
                    item, f"a group lists places and jurisdictions; write {reader.scalar(item)} in the rule"
                )
        return Group(name, tuple(reader.words(node)), reader.where(node))

    def _write_out(
        self, name: str, groups: Mapping[str, Group], nodes: Mapping[str, yaml.Node], path: tuple[str, ...]
    ) -> tuple[str, ...]:
        if name in path:
            raise self._reader.error(nodes[name], f"the group {name} contains itself: {' > '.join((*path, name))}")
        if len(path) > _DEEPEST:
            raise self._reader.error(nodes[name], f"groups within groups go {_DEEPEST} deep at most")
        if name not in self._places_of:
            places: list[str] = []
            for member in groups[name].members:
                places += self._write_out(member, groups, nodes, (*path, name)) if member in groups else [member]
            self._places_of[name] = tuple(dict.fromkeys(places))
        return self._places_of[name]

    def _draft(self, name: str, node: yaml.Node) -> _Draft:
        reader = self._reader
        optional = {"based_on", "countries", "homes", "rules", "minimum_copies", "tiers"}
        entries = reader.mapping(node, set(), optional)
        if "based_on" not in entries and (missing := sorted({"homes", "rules"} - set(entries))):
            raise reader.error(node, f"{', '.join(missing)} is missing")
        copies, tiers = entries.get("minimum_copies"), entries.get("tiers")
        return _Draft(
            name,
            node,
            entries.get("based_on"),
            self._countries(entries.get("countries")),
            self._homes(entries["homes"]) if "homes" in entries else None,
            tuple(reader.each(self._list(entries.get("rules")), self._rule)),
            (reader.number(copies), reader.where(copies)) if copies else None,
            self._tiers(tiers) if tiers else None,
        )

    def _resolve(self, drafts: Sequence[_Draft]) -> dict[str, ResidencyClass]:
        """Own rules come first, then those of the base. What else a class does not give, it has from its base, too.

        Only countries are not inherited: a country belongs to one class.
        """
        by_name = {draft.name: draft for draft in drafts}
        classes = {}
        for draft in drafts:
            chain = self._chain(draft, by_name)
            homes = next((each.homes for each in chain if each.homes), None)
            if homes is None:
                raise self._reader.error(draft.node, "homes is missing")
            classes[draft.name] = ResidencyClass(
                draft.name,
                draft.countries,
                homes,
                tuple(rule for each in chain for rule in each.rules),
                self._reader.where(draft.node),
                chain[1].name if len(chain) > 1 else "",
                *next((each.copies for each in chain if each.copies), (1, "")),
                next((each.tiers for each in chain if each.tiers), ()),
            )
        return classes

    def _chain(self, draft: _Draft, by_name: Mapping[str, _Draft]) -> list[_Draft]:
        """The class, the one that it is based on, the one that this one is based on, and so on."""
        chain = [draft]
        while (base := chain[-1].base) is not None:
            name = self._reader.scalar(base)
            if name not in by_name:
                raise self._reader.error(base, f"there is no class {name}")
            if by_name[name] in chain:
                raise self._reader.error(base, f"{draft.name} is based on itself")
            if len(chain) > _DEEPEST:
                raise self._reader.error(base, f"classes build on one another {_DEEPEST} deep at most")
            chain.append(by_name[name])
        return chain

    def _homes(self, node: yaml.Node) -> tuple[Home, ...]:
        items = self._reader.items(node)
        homes = self._reader.each(items, self._home)
        if len(homes) == len(items) and homes[-1].countries:
            raise self._reader.error(node, "the last home must take everyone else, so it lists no countries")
        return tuple(homes)

    def _home(self, node: yaml.Node) -> Home:
        entries = self._reader.mapping(node, {"region"}, {"countries"})
        countries = self._countries(entries.get("countries"))
        return Home(self._reader.scalar(entries["region"]), countries, self._reader.where(node))

    def _countries(self, node: yaml.Node | None) -> frozenset[str]:
        """ISO 3166-1 alpha-2 codes. Norway needs no quotes: elsewhere YAML reads a bare NO as `false`, here as text."""
        return frozenset(self._reader.each(self._list(node), self._country))

    def _country(self, node: yaml.Node) -> str:
        return self._reader.one_of(node, ASSIGNED, "a two-letter country code of ISO 3166-1")

    def _tiers(self, node: yaml.Node) -> tuple[Ageing, ...]:
        items = self._reader.items(node)
        tiers = self._reader.each(items, self._ageing)
        if len(tiers) == len(items) and any(not _is_colder(one, next_) for one, next_ in pairwise(tiers)):
            raise self._reader.error(node, "each tier must begin later than the one before it, and be colder")
        return tuple(tiers)

    def _ageing(self, node: yaml.Node) -> Ageing:
        entries = self._reader.mapping(node, {"after_days", "to"}, set())
        return Ageing(
            self._reader.number(entries["after_days"]), Tier(self._reader.one_of(entries["to"], Tier, "a tier"))
        )

    def _rule(self, node: yaml.Node) -> Rule:
        reader = self._reader
        entries = reader.mapping(node, {"at", "because"}, {"allow", "deny", "until", "transfer_basis"})
        if ("allow" in entries) == ("deny" in entries):
            raise reader.error(node, "a rule has either allow or deny")
        verb = "allow" if "allow" in entries else "deny"
        basis, until = entries.get("transfer_basis"), entries.get("until")
        if basis and verb == "deny":
            raise reader.error(basis, "a rule that denies lets nothing leave, so it has no transfer_basis")
        where = reader.where(node)
        if where in self._rule_lines:
            raise reader.error(node, "another rule begins on this line; give each a line, by which decisions cite it")
        self._rule_lines.add(where)
        return Rule(
            verb == "allow",
            frozenset(reader.each(reader.items(entries[verb]), self._action)),
            self._places(entries["at"]),
            reader.scalar(entries["because"]),
            where,
            reader.day_ms(until) + DAY_MS if until else None,
            TransferBasis(reader.one_of(basis, TransferBasis, "a basis of transfers")) if basis else None,
        )

    def _action(self, node: yaml.Node) -> Action:
        return Action(self._reader.one_of(node, Action, "an action"))

    def _places(self, node: yaml.Node) -> tuple[str, ...]:
        """With groups written out."""
        written = (self._places_of.get(word, (word,)) for word in self._reader.words(node))
        return tuple(dict.fromkeys(place for places in written for place in places))

    def _reject_shared_countries(self, drafts: Iterable[_Draft]) -> None:
        """A country in two classes would leave open whose rules protect its people."""
        seen: dict[str, str] = {}
        for draft in drafts:
            for country in sorted(draft.countries):
                if country in seen:
                    self._reader.note(draft.node, f"{country} is in {seen[country]} already")
                seen.setdefault(country, draft.name)


def _is_colder(one: Ageing, other: Ageing) -> bool:
    tiers = list(Tier)
    return one.after_days < other.after_days and tiers.index(one.tier) < tiers.index(other.tier)
