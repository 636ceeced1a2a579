"""The rules at one moment: what a process may do, given the statements that it knows and whether it has its lease.

A statement tightens when it arrives, and loosens when it is in force. So all statements from the one in force on are
asked, and all must allow: what only the newer one denies is denied at once, what only the newer one allows waits.

The lease is what makes a silence safe. A process that has not heard from a majority for a minute may have missed a
statement that tightens. Then nothing whose rules are bound to places leaves the jurisdiction of its home; what may be
anywhere goes on, and so does everything within that jurisdiction.

Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from regions.residency.decide import UNREADABLE, Decision, Subject, decide
from regions.residency.policy import ANYWHERE, Action, Policy
from regions.residency.statement import Kind, Purpose, StatedPlace, Statement
from regions.topology import Place

_RESTING = (Action.REST_VARIANTS, Action.REST_METADATA, Action.CACHE)

NO_LEASE = "no majority of regions was heard from lately, so nothing bound to a place may leave its jurisdiction"
NOT_IN_FORCE = "no statement is in force yet, so nothing may leave its jurisdiction"


@dataclass(frozen=True, slots=True)
class Rules:
    """`in_force` is None before the first one is; `pending` are those that have arrived since, the newest last.

    `now_ms` is the Unix time, for rules that have an end. None is an unknown time.
    """

    in_force: Statement | None
    pending: Sequence[Statement]
    leased: bool
    now_ms: int | None = None

    @property
    def statements(self) -> list[Statement]:
        return [*([self.in_force] if self.in_force else []), *self.pending]

    @property
    def newest(self) -> Statement | None:
        """The one whose addresses count: where somebody is reached neither tightens nor loosens."""
        return self.pending[-1] if self.pending else self.in_force

    def decide(self, subject: Subject, action: Action, place_name: str) -> Decision:
        """By the place's name, "" for somebody unknown. `policy_version` is the hash of the statement that decided."""
        statements = self.statements
        if not statements:
            return Decision(False, UNREADABLE, UNREADABLE, "", True)
        for statement in statements:
            decision = _decide_by(statement, subject, action, place_name, self.now_ms)
            if not decision.allowed:
                return decision
        if any(self._needs_lease(statement, subject, action, place_name) for statement in statements):
            if self.in_force is None:
                return Decision(False, NOT_IN_FORCE, NOT_IN_FORCE, statements[-1].hash, True)
            if not self.leased:
                return Decision(False, NO_LEASE, NO_LEASE, statements[-1].hash, True)
        return decision

    def home_policy(self) -> Policy | None:
        """The policy that gives a new person a class and a home; None before any is in force."""
        return self.in_force.policy if self.in_force else None

    def place(self, name: str) -> Place | None:
        """As the newest statement has it; None for one that not all of them list."""
        found = [statement.places.get(name) for statement in self.statements]
        return found[-1].place if found and all(found) and found[-1] else None

    def public_keys(self, name: str, purpose: Purpose) -> dict[str, str]:
        """By id, the oldest first: those that all statements list. A key that is removed counts no more at once."""
        listed = [_keys(statement.places.get(name), purpose) for statement in self.statements]
        if not listed:
            return {}
        first, *others = listed
        return {key_id: key for key_id, key in first.items() if all(one.get(key_id) == key for one in others)}

    def _needs_lease(self, statement: Statement, subject: Subject, action: Action, place_name: str) -> bool:
        home, place = statement.places[subject.home_region], statement.places.get(place_name)
        if place is not None and place.jurisdiction == home.jurisdiction:
            return False
        return self.in_force is None or not may_be_anywhere(statement.policy, subject.residency_class, action)


def may_be_anywhere(policy: Policy, residency_class: str, action: Action) -> bool:
    """Whether no rule binds the class to places: neither in this action nor in where its images and details rest.

    That is so if the first rule of the class that names the action allows it anywhere, for good.
    """
    rules = policy.classes[residency_class].rules
    first = [next((rule for rule in rules if one in rule.actions), None) for one in (action, *_RESTING)]
    return all(rule is not None and rule.allow and ANYWHERE in rule.places and rule.until_ms is None for rule in first)


def _decide_by(statement: Statement, subject: Subject, action: Action, place_name: str, now_ms: int | None) -> Decision:
    place, home = statement.places.get(place_name), statement.places.get(subject.home_region)
    if place is None and place_name:
        return _refused(f"the statement lists no place {place_name}", statement)
    if place is not None and place.kind == Kind.WITNESS:
        return _refused(f"{place_name} is a witness, which holds nothing and shows nothing", statement)
    if home is None or home.kind != Kind.REGION:
        return _refused(f"the statement lists no region {subject.home_region}", statement)
    decision = decide(statement.policy, subject, action, place.place if place else None, now_ms)
    return replace(decision, policy_version=statement.hash)


def _refused(because: str, statement: Statement) -> Decision:
    return Decision(False, because, because, statement.hash)


def _keys(place: StatedPlace | None, purpose: Purpose) -> dict[str, str]:
    return dict(place.keys.get(purpose, {})) if place else {}
