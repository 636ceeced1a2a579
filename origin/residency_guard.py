"""Decides which photos and profiles are visible at a place, and what people may say where, before any data moves."""

from collections.abc import Sequence

from regions.errors import ResidencyDenied, Unavailable
from regions.records import Photo, PhotoSummary, User
from regions.residency.audit import AuditTrail
from regions.residency.decide import Decision, Subject
from regions.residency.live import LiveRules
from regions.residency.policy import Action


class ResidencyGuard:
    """Applies the rules to responses, and writes every decision to the audit log."""

    def __init__(self, rules: LiveRules, audit: AuditTrail) -> None:
        self._rules, self._audit = rules, audit

    def require(self, record: Photo | User, place: str) -> None:
        """Raises ResidencyDenied, with the rule, if the record is not visible at the place. Raises Unavailable."""
        [decision] = self._audit.decide(self._rules.current(), [record], [Action.SERVE], place).values()
        require_allowed(decision)

    def visible(self, photos: Sequence[PhotoSummary], place: str) -> list[PhotoSummary]:
        """Those that are visible at the place, in the same order. Raises Unavailable."""
        decisions = self._audit.decide(self._rules.current(), photos, [Action.SERVE], place)
        if undecided := next((one for one in decisions.values() if one.passing), None):
            raise Unavailable(undecided.because)
        return [photo for photo in photos if decisions[photo.photo_id, Action.SERVE].allowed]

    def require_say(self, user_id: str, residency_class: str, home: str, place: str) -> None:
        """Raises ResidencyDenied, with the rule, if a like, comment or follow of the user may not rest at the place.

        `residency_class` and `home` are the user's, whose data it is. At home nothing needs to be decided, and to take
        a like back may never be denied. Raises Unavailable.
        """
        if place != home:
            subject = Subject(residency_class, home)
            made = self._audit.decide_subject(self._rules.current(), user_id, subject, [Action.SAY], place)
            require_allowed(made[Action.SAY])


def require_allowed(decision: Decision) -> None:
    """Raises ResidencyDenied, Unavailable."""
    if decision.passing:
        raise Unavailable(decision.because)
    if not decision.allowed:
        raise ResidencyDenied(decision.because, decision.rule)
