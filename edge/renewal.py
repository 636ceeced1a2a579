"""Renewal: asks the upstream about each cached copy in turn whether it may still be cached here.

A new policy, or a tombstone that this edge missed, changes what it may cache even if nobody requests the image. A copy
that is no longer allowed is dropped after at most a grant's lifetime and one round. If the upstream is unavailable
then, it is dropped in the first round in which the upstream can be asked again.
"""

import logging
from collections.abc import Callable

import gevent

from edge.cache import Cache
from edge.freshness import GRANT_TTL_S
from edge.grant_cache import GrantCache
from edge.grants import Key
from edge.images import ImageRequest, Images
from edge.permissions import Permissions
from regions import ids
from regions.errors import Problem
from regions.topology import Topology, home_of

log = logging.getLogger(__name__)

_ROUND_S = 60.0
_PAUSE_S = 0.05
_WATCH_S = 1.0


class Renewal:
    """For the edge called `name`."""

    def __init__(
        self,
        name: str,
        topology: Topology,
        cache: Cache,
        grant_cache: GrantCache,
        permissions: Permissions,
        images: Images,
        clock_s: Callable[[], float],
    ) -> None:
        self._name, self._topology, self._permissions, self._clock_s = name, topology, permissions, clock_s
        self._cache, self._grant_cache, self._images = cache, grant_cache, images

    def run_once(self) -> int:
        """Renews every copy whose grant is missing or too old, with a pause after each; returns how many."""
        due = [key for key in self._cache.all_keys() if self._is_due(key)]
        for key in due:
            try:
                home = home_of(self._topology, ids.PHOTO, key.photo_id)
                self._images.renew(ImageRequest(key, self._name, home.name))
            except Problem as problem:
                log.info("a copy was not renewed", extra={"photo_id": key.photo_id, "detail": problem.detail})
            gevent.sleep(_PAUSE_S)
        return len(due)

    def run_forever(self) -> None:
        """Until the greenlet is killed."""
        while True:
            self.run_once()
            gevent.sleep(_ROUND_S)

    def drop_forbidden(self) -> int:
        """Drops every copy that the statement no longer allows here; returns how many.

        Not those of which nobody can tell at the moment: they are not served, and may be allowed again in a second.
        """
        forbidden = [key for key in self._cache.all_keys() if self._is_forbidden(key)]
        for key in forbidden:
            self._cache.drop(key)
        return len(forbidden)

    def watch_forever(self) -> None:
        """`drop_forbidden` whenever the rules have changed, until the greenlet is killed."""
        known: object = None
        while True:
            if (now := self._permissions.version()) != known and self.drop_forbidden() >= 0:
                known = now
            gevent.sleep(_WATCH_S)

    def _is_forbidden(self, key: Key) -> bool:
        grant = self._grant_cache.get(key)
        if grant is None:
            return False
        cache = self._permissions.of(grant, self._name).cache
        return not cache.allowed and not cache.passing

    def _is_due(self, key: Key) -> bool:
        grant = self._grant_cache.get(key)
        return grant is None or self._clock_s() - grant.at_s > GRANT_TTL_S
