"""Which photos and profiles may be shown at a place. Checked before any of their fields leave the origin."""

from collections.abc import Sequence

from regions.errors import ResidencyDenied, Unavailable
from regions.records import Photo, User
from regions.residency import decide
from regions.residency.audit import AuditTrail
from regions.residency.live import LivePolicy
from regions.residency.policy import Action, Policy
from regions.topology import Place


class ResidencyGuard:
    """Fails closed: if no policy can be read, nothing is shown outside the jurisdiction of `here`.

    Every decision is on the audit log.
    """

    def __init__(self, here: Place, policy: LivePolicy, audit: AuditTrail) -> None:
        self._here, self._policy, self._audit = here, policy, audit

    def require(self, record: Photo | User, place: Place) -> None:
        """Raises ResidencyDenied, with the rule, if the record may not be shown at the place, and Unavailable."""
        policy = self._readable(place)
        if policy is not None:
            [decision] = self._audit.decide(policy, [record], [Action.SERVE], place).values()
            if not decision.allowed:
                raise ResidencyDenied(decision.because, decision.rule)

    def visible(self, photos: Sequence[Photo], place: Place) -> list[Photo]:
        """Those that may be shown at the place. Raises Unavailable."""
        policy = self._readable(place)
        if policy is None:
            return list(photos)
        decisions = self._audit.decide(policy, photos, [Action.SERVE], place)
        return [photo for photo in photos if decisions[photo.photo_id, Action.SERVE].allowed]

    def _readable(self, place: Place) -> Policy | None:
        """The policy; None if none can be read and the request does not cross a border. Raises Unavailable."""
        policy = self._policy.current()
        if policy is None and place.jurisdiction != self._here.jurisdiction:
            raise Unavailable(f"{decide.UNREADABLE}; {place.name} lies beyond one")
        return policy
