"""The residency decision: may this be done with this person's data at this place?

The rules of the owner's class are read from top to bottom; those that have run out are skipped. The first one that
names the action and the place decides. The answer is no in every other case:

    no policy can be read                     no
    the policy does not have the class        no
    no rule names the action and the place    no
    the place is unknown                      no, unless it is yes wherever that may be
    the time is unknown                       no, unless it is yes at every time

So a mistake or an outage can stop data, but can't let it out ("fails closed"). There is one exception, in
`origin.residency_guard`: while no policy can be read, a region still shows photos and profiles through places in its
own jurisdiction, because no border is crossed.

Several policies may count at once: the one in force, and others that are to follow it. `decide_all` allows only what
each of them does.

Every decision names the rule that made it by file and line, and the version of the policy. The audit log stores both.
Anyone who has that version of the file can make the decision again, because it depends on nothing else but the owner's
class and home region, the action, the place and the time.

Pure: no clock, no store, no randomness.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from regions.records import Photo, PhotoSummary, User
from regions.residency.policy import Action, Policy
from regions.topology import Place

UNREADABLE = "no policy can be read, so no data may cross a border"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a decision needs to know of the data's owner: the residency class and the home region."""

    residency_class: str
    home_region: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, with its evidence for the audit log.

    `rule` cites the deciding rule as `file:line`. If no rule decided, it cites the class, or says what was missing.
    `because` is the rule's own reason, for people. `policy_version` is the SHA-256 of the policy's text, or "".
    `passing` means that no rule denies this, but that nobody can tell at the moment.
    """

    allowed: bool
    rule: str
    because: str
    policy_version: str
    passing: bool = False


def subject_of(record: Photo | PhotoSummary | User) -> Subject:
    """The owner's class and home region, which are stored with each photo and profile."""
    return Subject(record.residency_class, record.home_region)


def decide(
    policy: Policy | None, subject: Subject, action: Action, place: Place | None, now_ms: int | None
) -> Decision:
    """Whether `action` on the subject's data is allowed at `place`, and the rule that decided. Fails closed.

    `now_ms` is Unix time. A `place` or a time of None is unknown.
    """
    if policy is None:
        return Decision(False, UNREADABLE, UNREADABLE, "", True)
    residency_class = policy.classes.get(subject.residency_class)
    if residency_class is None:
        unknown = f"no class {subject.residency_class}"
        return Decision(False, unknown, "the policy does not know this class", policy.version)
    for rule in residency_class.rules:
        if rule.covers(action, place, subject.home_region) and rule.counts(now_ms):
            return Decision(rule.allow, rule.where, rule.because, policy.version)
    return Decision(False, residency_class.where, "no rule of the class allows it", policy.version)


def decide_all(
    policies: Sequence[tuple[Policy | None, Place | None]], subject: Subject, action: Action, now_ms: int | None
) -> Decision:
    """Allowed only if each policy allows it at the place as that policy's statement describes it.

    The decision is the first that denies, or else the first. Without any policy the answer is no.
    """
    made = [decide(policy, subject, action, place, now_ms) for policy, place in policies]
    denials = (decision for decision in made if not decision.allowed)
    return next(denials, made[0] if made else decide(None, subject, action, None, now_ms))
