"""The residency policy: the YAML file that a compliance officer maintains, as the programs read it.

**What a policy says.** It divides people into classes by their country (ISO 3166-1 codes). A country that no class
lists belongs to `default_class`. Each class names the home regions of its people, and has an ordered list of rules.

**What a rule says.** A rule allows or denies some actions at some places, and says why (`because`). The actions are:

    rest_raw        store the original file
    rest_variants   store the resized images that people see
    rest_metadata   store the profile, and the details of photos (caption, sizes, time)
    cache           keep a copy of an image for a while
    reference       keep only a photo's id, its owner's id and its time, so that a feed can list the photo
    serve           send an image or its details to a person through this place, and keep nothing

A place is `anywhere`, `home` (the owner's home region), `jurisdiction:XY` (every region and edge there), or the name
of one region or edge.

**How a decision is made.** The rules of the owner's class are read from top to bottom. The first rule that names both
the action and the place decides. If no rule does, the answer is no. `decide` does this, and every decision cites its
rule by file and line, for example `policy.yaml:12`.

A file that contains anything unknown is rejected as a whole, with the line of the mistake: to skip what we don't
understand could mean to ignore a prohibition. `deploy/policy.yaml` is an annotated example.

Pure: text in, immutable values out. `parse` reads the file alone; `check` compares the result with the places.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import yaml

from regions.errors import PolicyError
from regions.residency.countries import ASSIGNED
from regions.topology import UNKNOWN, Place

FORMAT = "1"
FILE = "policy.yaml"
"""The name by which rules are cited. The policy that we ship has this name, in `deploy/`."""

ANYWHERE, HOME, JURISDICTION = "anywhere", "home", "jurisdiction:"


class Action(StrEnum):
    """What somebody wants to do with data. The module's docstring explains each."""

    REST_RAW = "rest_raw"
    REST_VARIANTS = "rest_variants"
    REST_METADATA = "rest_metadata"
    CACHE = "cache"
    REFERENCE = "reference"
    SERVE = "serve"


@dataclass(frozen=True, slots=True)
class Rule:
    """`places` are as the file names them; `because` is the officer's reason; `where` is `file:line`."""

    allow: bool
    actions: frozenset[Action]
    places: tuple[str, ...]
    because: str
    where: str

    def covers(self, action: Action, place: Place, home_region: str) -> bool:
        """Whether the rule names this action and this place. `home_region` is the owner's.

        Somebody unknown may be anywhere: every denial of the action counts, and only a permission for `anywhere`.
        """
        if place is UNKNOWN:
            return action in self.actions and (not self.allow or ANYWHERE in self.places)
        return action in self.actions and any(_names(spec, place, home_region) for spec in self.places)


@dataclass(frozen=True, slots=True)
class Home:
    """The region where people from these countries live; without countries, everyone else in the class."""

    region: str
    countries: frozenset[str]
    where: str


@dataclass(frozen=True, slots=True)
class ResidencyClass:
    """People whose data is treated alike. The order of `homes` and of `rules` counts: the first that fits decides."""

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
    """Reads a whole policy. Raises PolicyError `file:line: …` for anything that is not exactly understood."""
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
    _reject_shared_countries(classes.values())
    return Policy(classes, default_class, hashlib.sha256(text.encode()).hexdigest())


def check(policy: Policy, places: Sequence[Place]) -> None:
    """Raises PolicyError if the policy doesn't fit the places.

    Every place and every home region must exist, and a home must be allowed to store what people upload there:
    originals, variants and metadata.
    """
    known = {ANYWHERE, HOME, *(place.name for place in places)}
    jurisdictions = {f"{JURISDICTION}{place.jurisdiction}" for place in places}
    for residency_class in policy.classes.values():
        for rule in residency_class.rules:
            if unknown := [spec for spec in rule.places if spec not in known | jurisdictions]:
                raise PolicyError(f"{rule.where}: no place is called {unknown[0]}")
        for home in residency_class.homes:
            _check_home(residency_class, home, places)


def _check_home(residency_class: ResidencyClass, home: Home, places: Sequence[Place]) -> None:
    region = next((place for place in places if place.name == home.region and place.kind == "region"), None)
    if region is None:
        raise PolicyError(f"{home.where}: there is no region {home.region}")
    for action in (Action.REST_RAW, Action.REST_VARIANTS, Action.REST_METADATA):
        rule = next((rule for rule in residency_class.rules if rule.covers(action, region, region.name)), None)
        if rule is None or not rule.allow:
            raise PolicyError(
                f"{home.where}: people of {residency_class.name} live in {home.region}, "
                f"but nothing allows {action} there"
            )


def _reject_shared_countries(classes: Iterable[ResidencyClass]) -> None:
    """A country in two classes would leave open whose rules protect its people."""
    seen: dict[str, ResidencyClass] = {}
    for residency_class in classes:
        for country in sorted(residency_class.countries):
            if country in seen:
                raise PolicyError(f"{residency_class.where}: {country} is in {seen[country].name} already")
            seen[country] = residency_class


def _names(spec: str, place: Place, home_region: str) -> bool:
    if spec.startswith(JURISDICTION):
        return place.jurisdiction == spec.removeprefix(JURISDICTION)
    return spec == ANYWHERE or spec == place.name or (spec == HOME and place.name == home_region)


class _Reader:
    """Turns YAML nodes into values. Its errors name the file and the line."""

    def __init__(self, file: str) -> None:
        self._file = file

    def where(self, node: yaml.Node) -> str:
        return f"{self._file}:{node.start_mark.line + 1}"

    def error(self, node: yaml.Node, message: str) -> PolicyError:
        return PolicyError(f"{self.where(node)}: {message}")

    def mapping(self, node: yaml.Node | None, needed: set[str] | None, allowed: set[str]) -> dict[str, yaml.Node]:
        """The node's entries by key. With `needed` None, any key is allowed."""
        if node is None:
            raise PolicyError(f"{self._file}: the file is empty")
        if not isinstance(node, yaml.MappingNode) or not node.value:
            raise self.error(node, "expected `key: value` lines here")
        entries: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            key = self.scalar(key_node)
            if key in entries:
                raise self.error(key_node, f"{key} appears twice")
            if needed is not None and key not in needed | allowed:
                raise self.error(key_node, f"{key} is unknown here; known: {', '.join(sorted(needed | allowed))}")
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
        """ISO 3166-1 alpha-2 codes. Norway needs no quotes: elsewhere YAML reads a bare NO as `false`, here as text."""
        if node is None:
            return frozenset()
        for item in self.items(node):
            if self.scalar(item) not in ASSIGNED:
                raise self.error(item, f"{self.scalar(item)} is not a two-letter country code of ISO 3166-1")
        return frozenset(self.words(node))

    def rule(self, node: yaml.Node) -> Rule:
        entries = self.mapping(node, {"at", "because"}, {"allow", "deny"})
        if ("allow" in entries) == ("deny" in entries):
            raise self.error(node, "a rule has either allow or deny")
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
