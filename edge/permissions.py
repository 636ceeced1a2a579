"""What a place may do with an image: decided here, by the statement that this edge has, from the grant's facts.

Once for each class, home and place, until another statement arrives; not once for each photo.
"""

from dataclasses import dataclass

from cachetools import LRUCache

from edge.grants import Grant
from regions.errors import ResidencyDenied, Unavailable
from regions.residency.decide import Decision, Subject
from regions.residency.live import FollowedRules
from regions.residency.policy import Action
from regions.residency.rules import Rules, may_be_anywhere

_MAX_REMEMBERED = 10_000
_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Permission:
    """`public` means that any cache anywhere may keep the image, also one that is not ours."""

    serve: Decision
    cache: Decision
    public: bool

    def require_serve(self) -> None:
        """Raises ResidencyDenied, with the rule; Unavailable if nobody can tell at the moment."""
        if self.serve.passing:
            raise Unavailable(self.serve.because)
        if not self.serve.allowed:
            raise ResidencyDenied(self.serve.because, self.serve.rule)


class Permissions:
    """By the rules as this edge knows them now."""

    def __init__(self, rules: FollowedRules) -> None:
        self._rules = rules
        self._remembered: LRUCache[tuple[str, str, str], tuple[object, Permission]] = LRUCache(_MAX_REMEMBERED)

    def of(self, grant: Grant, place: str) -> Permission:
        rules, key = self._rules.of(grant.home), (grant.residency_class, grant.home, place)
        hashes = (statement.hash for statement in rules.statements)
        # By the minute, since a rule may have an end.
        state = (rules.in_force is not None, rules.leased, (rules.now_ms or 0) // _MINUTE_MS, *hashes)
        remembered = self._remembered.get(key)
        if remembered is not None and remembered[0] == state:
            return remembered[1]
        permission = _decide(rules, Subject(grant.residency_class, grant.home), place)
        self._remembered[key] = (state, permission)
        return permission

    def version(self) -> object:
        """Another one whenever a permission may be another."""
        return self._rules.version()


def _decide(rules: Rules, subject: Subject, place: str) -> Permission:
    serve, cache = rules.decide(subject, Action.SERVE, place), rules.decide(subject, Action.CACHE, place)
    public = cache.allowed and all(
        may_be_anywhere(statement.policy, subject.residency_class, Action.CACHE) for statement in rules.statements
    )
    return Permission(serve, cache, public)
