"""The residency policy: reads the YAML file a compliance officer keeps, and remembers the line of every rule.

Pure: text in, frozen values out. `deploy/policy.yaml` is the format by example. A file that is not
exactly understood is refused whole, with the line, since a rule half-read is a rule broken.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import yaml

from regions.errors import PolicyError
from regions.residency.countries import ASSIGNED
from regions.topology import Place, Topology

FORMAT = "1"
FILE = "policy.yaml"
"""The name by which rules are cited, and under which the policy that we ship lies in `deploy/`."""

ANYWHERE, HOME, JURISDICTION = "anywhere", "home", "jurisdiction:"


class Action(StrEnum):
    REST_RAW = "rest_raw"
    REST_VARIANTS = "rest_variants"
    REST_METADATA = "rest_metadata"
    CACHE = "cache"
    REFERENCE = "reference"
    SERVE = "serve"


@dataclass(frozen=True, slots=True)
class Rule:
    """The first rule of a class that names the action and the place decides. `where` is `file:line`."""

    allow: bool
    actions: frozenset[Action]
    places: tuple[str, ...]
    because: str
    where: str

    def covers(self, action: Action, place: Place, home_region: str) -> bool:
        return action in self.actions and any(_names(spec, place, home_region) for spec in self.places)


@dataclass(frozen=True, slots=True)
class Home:
    """Where people of these countries live; no countries means everyone else of the class."""

    region: str
    countries: frozenset[str]
    where: str


@dataclass(frozen=True, slots=True)
class ResidencyClass:
    name: str
    countries: frozenset[str]
    homes: tuple[Home, ...]
    rules: tuple[Rule, ...]
    where: str


@dataclass(frozen=True, slots=True)
class Policy:
    """`version` is the SHA-256 of the file's text: the same text is the same policy."""

    classes: Mapping[str, ResidencyClass]
    default_class: str
    version: str

    def class_of(self, country: str) -> ResidencyClass:
        for residency_class in self.classes.values():
            if country in residency_class.countries:
                return residency_class
        return self.classes[self.default_class]

    def home_region(self, country: str) -> str:
        homes = self.class_of(country).homes
        return next(home.region for home in homes if country in home.countries or not home.countries)


def parse(text: str, file: str) -> Policy:
    """Raises PolicyError `file:line: …` for whatever is not exactly understood."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise PolicyError(f"{file}: not YAML: {error}") from error
    reader = _Reader(file)
    top = reader.mapping(root, {"policy", "default_class", "classes"}, set())
    if reader.scalar(top["policy"]) != FORMAT:
        raise reader.error(top["policy"], f"this is not format {FORMAT}")
    classes = {
        name: reader.residency_class(name, node) for name, node in reader.mapping(top["classes"], None, set()).items()
    }
    default_class = reader.scalar(top["default_class"])
    if default_class not in classes:
        raise reader.error(top["default_class"], f"there is no class {default_class}")
    reader.refuse_shared_countries(classes.values())
    return Policy(classes, default_class, hashlib.sha256(text.encode()).hexdigest())


def check(policy: Policy, topology: Topology) -> None:
    """Raises PolicyError where the policy names a place that is not there, or a home that may not hold its people."""
    known = {ANYWHERE, HOME, *topology.regions, *topology.edges}
    places = [region.place for region in topology.regions.values()] + [edge.place for edge in topology.edges.values()]
    jurisdictions = {f"{JURISDICTION}{place.jurisdiction}" for place in places}
    for residency_class in policy.classes.values():
        for rule in residency_class.rules:
            if unknown := [spec for spec in rule.places if spec not in known | jurisdictions]:
                raise PolicyError(f"{rule.where}: no place is called {unknown[0]}")
        for home in residency_class.homes:
            _check_home(residency_class, home, topology)


def _check_home(residency_class: ResidencyClass, home: Home, topology: Topology) -> None:
    region = topology.regions.get(home.region)
    if region is None:
        raise PolicyError(f"{home.where}: there is no region {home.region}")
    for action in (Action.REST_RAW, Action.REST_VARIANTS, Action.REST_METADATA):
        rule = next((rule for rule in residency_class.rules if rule.covers(action, region.place, region.name)), None)
        if rule is None or not rule.allow:
            raise PolicyError(
                f"{home.where}: people of {residency_class.name} live in {home.region}, "
                f"but nothing allows {action} there"
            )


def _names(spec: str, place: Place, home_region: str) -> bool:
    if spec.startswith(JURISDICTION):
        return place.jurisdiction == spec.removeprefix(JURISDICTION)
    return spec == ANYWHERE or spec == place.name or (spec == HOME and place.name == home_region)


class _Reader:
    """Turns YAML nodes into values, and says file and line of whatever is wrong."""

    def __init__(self, file: str) -> None:
        self._file = file

    def where(self, node: yaml.Node) -> str:
        return f"{self._file}:{node.start_mark.line + 1}"

    def error(self, node: yaml.Node, message: str) -> PolicyError:
        return PolicyError(f"{self.where(node)}: {message}")

    def mapping(self, node: yaml.Node | None, needed: set[str] | None, allowed: set[str]) -> dict[str, yaml.Node]:
        """The node's entries by key; `needed` None means that any keys will do."""
        if node is None:
            raise PolicyError(f"{self._file}: the file is empty")
        if not isinstance(node, yaml.MappingNode) or not node.value:
            raise self.error(node, "expected `key: value` lines here")
        entries: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            key = self.scalar(key_node)
            if key in entries:
                raise self.error(key_node, f"{key} is said twice")
            if needed is not None and key not in needed | allowed:
                raise self.error(key_node, f"{key} means nothing here; known: {', '.join(sorted(needed | allowed))}")
            entries[key] = value
        if missing := (needed or set()) - set(entries):
            raise self.error(node, f"{', '.join(sorted(missing))} is missing")
        return entries

    def scalar(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.value:
            raise self.error(node, "expected a single word or sentence here")
        return str(node.value)

    def items(self, node: yaml.Node) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            raise self.error(node, "expected a list here")
        return list(node.value)

    def words(self, node: yaml.Node) -> list[str]:
        return [self.scalar(item) for item in self.items(node)]

    def residency_class(self, name: str, node: yaml.Node) -> ResidencyClass:
        entries = self.mapping(node, {"homes", "rules"}, {"countries"})
        homes = tuple(self.home(item) for item in self.items(entries["homes"]))
        if homes[-1].countries:
            raise self.error(entries["homes"], "the last home must take everyone else, so it lists no countries")
        return ResidencyClass(
            name,
            self.countries(entries.get("countries")),
            homes,
            tuple(self.rule(item) for item in self.items(entries["rules"])),
            self.where(node),
        )

    def home(self, node: yaml.Node) -> Home:
        entries = self.mapping(node, {"region"}, {"countries"})
        return Home(self.scalar(entries["region"]), self.countries(entries.get("countries")), self.where(node))

    def countries(self, node: yaml.Node | None) -> frozenset[str]:
        """ISO 3166-1 alpha-2 codes. Quote NO, which YAML would otherwise take for a refusal: here it is text."""
        if node is None:
            return frozenset()
        for item in self.items(node):
            if self.scalar(item) not in ASSIGNED:
                raise self.error(item, f"{self.scalar(item)} is not a two-letter country code of ISO 3166-1")
        return frozenset(self.words(node))

    def rule(self, node: yaml.Node) -> Rule:
        entries = self.mapping(node, {"at", "because"}, {"allow", "deny"})
        if ("allow" in entries) == ("deny" in entries):
            raise self.error(node, "a rule says either allow or deny")
        verb = "allow" if "allow" in entries else "deny"
        actions = []
        for item in self.items(entries[verb]):
            if self.scalar(item) not in set(Action):
                raise self.error(item, f"{self.scalar(item)} is not an action; known: {', '.join(Action)}")
            actions.append(Action(self.scalar(item)))
        return Rule(
            verb == "allow",
            frozenset(actions),
            tuple(self.words(entries["at"])),
            self.scalar(entries["because"]),
            self.where(node),
        )

    def refuse_shared_countries(self, classes: Iterable[ResidencyClass]) -> None:
        seen: dict[str, ResidencyClass] = {}
        for residency_class in classes:
            for country in sorted(residency_class.countries):
                if country in seen:
                    raise PolicyError(f"{residency_class.where}: {country} is in {seen[country].name} already")
                seen[country] = residency_class
