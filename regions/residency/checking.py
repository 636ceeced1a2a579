"""Compares a policy with the places that there are: what can't be satisfied, and what does not do what it seems to.

An error refuses the policy, a warning does not. No error depends on the time: a policy that was accepted must not turn
into one that is refused, at one node earlier than at another, because a rule has run out. So what must be allowed (a
home stores its people's data, a raw has enough copies) must be allowed by rules without an end.

Whether a rule ever decides is found by trying all there is: each action, place and home of each class. That is exact,
and a policy is small.

Pure: values in, diagnostics out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from regions.residency.countries import ASSIGNED
from regions.residency.decide import Subject, decide
from regions.residency.diagnostics import Diagnostic, Severity, by_line, require_no_error
from regions.residency.parsing import read
from regions.residency.policy import (
    ANYWHERE,
    HOME,
    JURISDICTION,
    STORED_AT_HOME,
    Action,
    Home,
    Policy,
    ResidencyClass,
    Rule,
    TransferBasis,
    words_for,
)
from regions.residency.yaml_lines import DAY_MS
from regions.topology import Place, Topology

_ALWAYS = float("inf")
"""The end of a rule that has none."""


def places_of(topology: Topology) -> list[Place]:
    return [node.place for nodes in (topology.regions, topology.edges) for node in nodes.values()]


def check_text(text: str, file: str, places: Iterable[Place], now_ms: int) -> list[Diagnostic]:
    """All that is wrong with a file, or looks wrong, in the order of its lines."""
    policy, mistakes = read(text, file)
    return by_line(mistakes if policy is None else check(policy, places, now_ms))


def require_fit(policy: Policy, places: Iterable[Place]) -> None:
    """Raises PolicyError, with the first error, if the policy doesn't fit these places."""
    require_no_error(_timeless(policy, list(places)))


def check(policy: Policy, places: Iterable[Place], now_ms: int) -> list[Diagnostic]:
    """All that is wrong with a policy, or looks wrong, in the order of its lines."""
    return by_line([*_timeless(policy, list(places)), *_expired(policy, now_ms)])


def _timeless(policy: Policy, places: Sequence[Place]) -> list[Diagnostic]:
    """All but what only a clock shows, in the order of lines."""
    diagnostics = [*_unknown_places(policy, places), *_rules_without_effect(policy, places)]
    for residency_class in policy.classes.values():
        diagnostics += _homes(policy, residency_class, places)
        diagnostics += _transfers(policy, residency_class, places)
    # A home that two classes share is reported once.
    return by_line(dict.fromkeys(diagnostics))


def _error(where: str, message: str) -> Diagnostic:
    return Diagnostic(Severity.ERROR, where, message)


def _warning(where: str, message: str) -> Diagnostic:
    return Diagnostic(Severity.WARNING, where, message)


def _all_rules(policy: Policy) -> list[Rule]:
    """Each rule once, however many classes have it."""
    return [rule for residency_class in policy.classes.values() for rule in policy.own_rules(residency_class)]


# Names


def _unknown_places(policy: Policy, places: Sequence[Place]) -> Iterator[Diagnostic]:
    """Also a misspelt group is one. A member of a group is reported at the group alone, not at each rule."""
    jurisdictions = {place.jurisdiction for place in places}
    place_names = {place.name for place in places}
    known = {ANYWHERE, HOME, *place_names, *(f"{JURISDICTION}{name}" for name in jurisdictions)}
    for group in policy.groups.values():
        if group.name in place_names:
            yield _error(group.where, f"{group.name} is the name of a place, so no group can have it")
        for spec in group.members:
            if spec not in known and spec not in policy.groups:
                yield _error(group.where, f"no place is called {spec}")
    in_groups = {spec for group in policy.groups.values() for spec in group.members}
    for rule in _all_rules(policy):
        for spec in rule.places:
            if spec not in known | in_groups:
                yield _error(rule.where, f"no place is called {spec}")
    for name, where in policy.protected.items():
        if name not in jurisdictions:
            yield _error(where, f"no place lies in the jurisdiction {name}")


# Homes, copies, transfers


def _homes(policy: Policy, residency_class: ResidencyClass, places: Sequence[Place]) -> Iterator[Diagnostic]:
    regions = {place.name: place for place in places if place.kind == "region"}
    for home in residency_class.homes:
        if home.region not in regions:
            yield _error(home.where, f"there is no region {home.region}")
            continue
        if not _is_lived_in(policy, residency_class, home):
            continue
        yield from _at_home(policy, residency_class, home, regions[home.region])
        yield from _elsewhere(policy, residency_class, home, regions.values())


def _at_home(policy: Policy, residency_class: ResidencyClass, home: Home, place: Place) -> Iterator[Diagnostic]:
    subject = Subject(residency_class.name, home.region)
    for action in STORED_AT_HOME:
        if not decide(policy, subject, action, place, None).allowed:
            yield _error(
                home.where,
                f"people of {residency_class.name} live in {home.region}, but nothing allows {action} there "
                "without an end",
            )


def _elsewhere(
    policy: Policy, residency_class: ResidencyClass, home: Home, regions: Iterable[Place]
) -> Iterator[Diagnostic]:
    """Whether what people need to have twice may lie in so many regions, for good."""
    subject = Subject(residency_class.name, home.region)
    people = f"people of {residency_class.name} in {home.region}"
    raws, accounts = (
        [place.name for place in regions if decide(policy, subject, action, place, None).allowed]
        for action in (Action.REST_RAW, Action.REST_ACCOUNT)
    )
    if accounts == [home.region]:
        yield _warning(home.where, f"if {home.region} is lost, so are the accounts of {people}: no other may have them")
    if len(raws) < residency_class.minimum_copies:
        yield _error(
            residency_class.copies_where,
            f"{residency_class.minimum_copies} copies of each raw can't be: for {people}, rest_raw is allowed without "
            f"an end in {', '.join(raws) or 'no region'}",
        )


def _is_lived_in(policy: Policy, residency_class: ResidencyClass, home: Home) -> bool:
    """False for a home that a class has from its base, but that none of its own countries leads to."""
    base = policy.classes.get(residency_class.based_on)
    if base is None or home not in base.homes:
        return True
    people = (country for country in ASSIGNED if policy.class_of(country) is residency_class)
    return any(policy.home_region(country) == home.region for country in people)


def _transfers(policy: Policy, residency_class: ResidencyClass, places: Sequence[Place]) -> Iterator[Diagnostic]:
    """For each rule that lets data of protected people leave without a basis, one error.

    `anywhere` includes places that are not known, so it leaves every jurisdiction.
    """
    leaving: dict[str, list[str]] = {}
    for home, action, place in _cases(policy, residency_class, places):
        if home.jurisdiction in policy.protected and (place is None or place.jurisdiction != home.jurisdiction):
            for rule in _deciding(residency_class.rules, action, place, home.name):
                if rule.allow and rule.transfer_basis is None:
                    leaving.setdefault(rule.where, []).append(action)
    for where, actions in leaving.items():
        yield _error(
            where,
            f"it lets data of {residency_class.name} leave ({', '.join(dict.fromkeys(actions))}) without a "
            f"transfer_basis, which protected_jurisdictions asks for; known: {', '.join(TransferBasis)}",
        )
    for rule in policy.own_rules(residency_class):
        if rule.transfer_basis is TransferBasis.DEROGATION:
            yield _warning(rule.where, "a derogation is for occasional transfers only (EDPB Guidelines 2/2018)")


# Rules without effect


@dataclass
class _Part:
    """One action at one of the places that a rule names: whether the rule ever decides on it, and if not, who does."""

    decides: bool = False
    before: dict[str, Rule] = field(default_factory=dict)


def never_deciding(policy: Policy, places: Iterable[Place]) -> set[str]:
    """Where the rules stand that decide on nothing, in no class, at no place and no time: others before them do.

    A rule about unknown places only is not among them.
    """
    return {
        where
        for where, parts in _parts(policy, list(places)).items()
        if not any(part.decides for part in parts.values())
    }


def _rules_without_effect(policy: Policy, places: Sequence[Place]) -> Iterator[Diagnostic]:
    parts_of = _parts(policy, places)
    for rule in _all_rules(policy):
        parts = parts_of.get(rule.where, {})
        idle = {key: part for key, part in parts.items() if not part.decides}
        against = {key: rules for key, part in idle.items() if (rules := _contrary(rule, key[1], part))}
        if against:
            what = ", ".join(f"{action} at {spec}" for action, spec in against)
            lines = ", ".join(dict.fromkeys(other.where for rules in against.values() for other in rules))
            verb, contrary = ("allow", "denied") if rule.allow else ("deny", "allowed")
            yield _error(rule.where, f"it does not {verb} {what}, which is {contrary} before it ({lines})")
        elif idle and len(idle) == len(parts):
            lines = ", ".join(dict.fromkeys(where for part in idle.values() for where in part.before))
            yield _warning(rule.where, f"it never decides: all that it names is decided before it ({lines})")


def _contrary(rule: Rule, spec: str, part: _Part) -> list[Rule]:
    """Earlier rules that make a part of this one void against what the officer must have meant.

    A denial must not be void because of an allow. An allow may be, where a denial is more general or more special: that
    is an exception; but not where it names the same place.
    """
    return [
        other for other in part.before.values() if other.allow != rule.allow and (other.allow or spec in other.places)
    ]


def _parts(policy: Policy, places: Sequence[Place]) -> Mapping[str, Mapping[tuple[Action, str], _Part]]:
    """By rule, and by action and place as the rule names it, for all that names a known place.

    A rule is void only if it is in every class that has it. Only rules that were written for the same class count as
    contrary: to come before those of its base is what a class is for.
    """
    parts: dict[str, dict[tuple[Action, str], _Part]] = {}
    for residency_class in policy.classes.values():
        own = {rule.where for rule in policy.own_rules(residency_class)}
        for home, action, place in _cases(policy, residency_class, places):
            deciding = {rule.where for rule in _deciding(residency_class.rules, action, place, home.name)}
            before: dict[str, Rule] = {}
            for rule in residency_class.rules:
                for spec in _naming(rule, action, place, home.name):
                    part = parts.setdefault(rule.where, {}).setdefault((action, spec), _Part())
                    part.decides |= rule.where in deciding
                    if rule.where in own and rule.where not in deciding:
                        part.before |= before
                if rule.where in deciding:
                    before[rule.where] = rule
    return parts


def _naming(rule: Rule, action: Action, place: Place | None, home_region: str) -> list[str]:
    """By which of its words the rule names the place."""
    if action not in rule.actions:
        return []
    words = (ANYWHERE,) if place is None else words_for(place, home_region)
    return [word for word in words if word in rule.places]


def _deciding(rules: Sequence[Rule], action: Action, place: Place | None, home_region: str) -> list[Rule]:
    """The rules that decide this case, each from when the one before it has run out."""
    deciding, until = [], -_ALWAYS
    for rule in rules:
        end = _ALWAYS if rule.until_ms is None else rule.until_ms
        if end > until and rule.covers(action, place, home_region):
            deciding.append(rule)
            until = end
    return deciding


def _cases(
    policy: Policy, residency_class: ResidencyClass, places: Sequence[Place]
) -> Iterator[tuple[Place, Action, Place | None]]:
    """Each home of the class that exists, with each action and place; None is an unknown place.

    Of places that nothing names, one of each jurisdiction stands for all: rules can't tell them apart.
    """
    named = {spec for each in policy.classes.values() for rule in each.rules for spec in rule.places}
    named |= {home.region for home in residency_class.homes}
    alike = {(place.name if place.name in named else "", place.jurisdiction): place for place in places}
    homes = {home.region for home in residency_class.homes}
    for home in (place for place in places if place.name in homes and place.kind == "region"):
        for action in Action:
            for at in (*alike.values(), None):
                yield home, action, at


# Time


def _expired(policy: Policy, now_ms: int) -> Iterator[Diagnostic]:
    for rule in _all_rules(policy):
        if rule.until_ms is not None and rule.until_ms <= now_ms:
            last = datetime.fromtimestamp((rule.until_ms - DAY_MS) / 1000, UTC).date()
            since = "what it allowed is refused" if rule.allow else "it no longer denies anything"
            yield _warning(rule.where, f"it has run out on {last}; since then {since}, unless another rule does")
