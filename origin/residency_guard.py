"""Decides which photos and profiles are visible at a place, before any of their data leaves the origin."""

from collections.abc import Sequence

from regions.errors import ResidencyDenied, Unavailable
from regions.records import Photo, PhotoSummary, User
from regions.residency.audit import AuditTrail
from regions.residency.live import LiveRules
from regions.residency.policy import Action


class ResidencyGuard:
    """Applies the rules to responses, and writes every decision to the audit log."""

    def __init__(self, rules: LiveRules, audit: AuditTrail) -> None:
        self._rules, self._audit = rules, audit

    def require(self, record: Photo | User, place: str) -> None:
        """Raises ResidencyDenied, with the rule, if the record is not visible at the place. Raises Unavailable."""
        [decision] = self._audit.decide(self._rules.current(), [record], [Action.SERVE], place).values()
        if decision.passing:
            raise Unavailable(decision.because)
        if not decision.allowed:
            raise ResidencyDenied(decision.because, decision.rule)

    def visible(self, photos: Sequence[PhotoSummary], place: str) -> list[PhotoSummary]:
        """Those that are visible at the place, in the same order. Raises Unavailable."""
        decisions = self._audit.decide(self._rules.current(), photos, [Action.SERVE], place)
        if undecided := next((one for one in decisions.values() if one.passing), None):
            raise Unavailable(undecided.because)
        return [photo for photo in photos if decisions[photo.photo_id, Action.SERVE].allowed]
