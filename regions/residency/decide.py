"""May these bytes be here? The one question that everything which crosses a border asks first.

Pure: no clock, no store. Fails closed: no policy, no class or no rule means no.
"""

from dataclasses import dataclass

from regions.records import Photo, User
from regions.residency.policy import Action, Policy
from regions.topology import Place

UNREADABLE = "no policy can be read, so nothing crosses"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose data it is: the owner's residency class and home region."""

    residency_class: str
    home_region: str


@dataclass(frozen=True, slots=True)
class Decision:
    """`rule` names the rule by file and line; `policy_version` lets an audit replay the decision."""

    allowed: bool
    rule: str
    because: str
    policy_version: str


def subject_of(record: Photo | User) -> Subject:
    return Subject(record.residency_class, record.home_region)


def decide(policy: Policy | None, subject: Subject, action: Action, place: Place) -> Decision:
    """Allow or deny `action` on the subject's data at `place`, and the rule that says so."""
    if policy is None:
        return Decision(False, UNREADABLE, UNREADABLE, "")
    residency_class = policy.classes.get(subject.residency_class)
    if residency_class is None:
        unknown = f"no class {subject.residency_class}"
        return Decision(False, unknown, "the policy does not know this class", policy.version)
    for rule in residency_class.rules:
        if rule.covers(action, place, subject.home_region):
            return Decision(rule.allow, rule.where, rule.because, policy.version)
    return Decision(False, residency_class.where, "no rule of the class allows it", policy.version)
