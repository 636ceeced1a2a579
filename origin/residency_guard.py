"""Decides which photos and profiles are visible at a place, and what people may say where, before any data moves."""

from collections.abc import Sequence

from regions.errors import ResidencyDenied, Unavailable
from regions.records import Photo, PhotoSummary, User
from regions.residency import decide
from regions.residency.audit import AuditTrail
from regions.residency.decide import Subject
from regions.residency.live import LivePolicy
from regions.residency.policy import Action, Policy
from regions.topology import Place


class ResidencyGuard:
    """Applies the residency policy to responses, and writes every decision to the audit log.

    Fails closed: while no policy can be read, nothing is visible outside the jurisdiction of `here`. Within it, photos
    and profiles stay visible, because no data crosses a border.
    """

    def __init__(self, here: Place, policy: LivePolicy, audit: AuditTrail) -> None:
        self._here, self._policy, self._audit = here, policy, audit

    def require(self, record: Photo | User, place: Place) -> None:
        """Raises ResidencyDenied, with the rule, if the record is not visible at the place. Raises Unavailable."""
        policy = self._policy_for(self._here, place)
        if policy is not None:
            [decision] = self._audit.decide(policy, [record], [Action.SERVE], place).values()
            if not decision.allowed:
                raise ResidencyDenied(decision.because, decision.rule)

    def visible(self, photos: Sequence[PhotoSummary], place: Place) -> list[PhotoSummary]:
        """Those that are visible at the place, in the same order. Raises Unavailable."""
        policy = self._policy_for(self._here, place)
        if policy is None:
            return list(photos)
        decisions = self._audit.decide(policy, photos, [Action.SERVE], place)
        return [photo for photo in photos if decisions[photo.photo_id, Action.SERVE].allowed]

    def require_say(self, user_id: str, residency_class: str, home: Place, place: Place) -> None:
        """Raises ResidencyDenied, with the rule, if a like, comment or follow of the user may not rest at the place.

        `residency_class` and `home` are the user's, whose data it is. At home nothing needs to be decided, and to take
        a like back may never be denied. Raises Unavailable.
        """
        if place.name == home.name:
            return
        policy = self._policy_for(home, place)
        if policy is not None:
            subject = Subject(residency_class, home.name)
            decision = self._audit.decide_for(policy, user_id, subject, Action.SAY, place)
            if not decision.allowed:
                raise ResidencyDenied(decision.because, decision.rule)

    def _policy_for(self, source: Place, place: Place) -> Policy | None:
        """The policy; None if none can be read, but the data stays in its jurisdiction. Raises Unavailable."""
        policy = self._policy.current().policy
        if policy is None and place.jurisdiction != source.jurisdiction:
            raise Unavailable(f"{decide.UNREADABLE}; {place.name} is in another jurisdiction")
        return policy
