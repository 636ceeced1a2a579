"""Renewal: asks again, copy by copy, whether what lies in the cache may still lie here.

A new policy, or a tombstone that was missed, changes what an edge may hold without anybody asking for the image. What
is not allowed any more is dropped within the time a grant is good for, and a round.
"""

import logging
from collections.abc import Callable

import gevent

from edge.cache import Cache
from edge.freshness import GRANT_TTL_S
from edge.grant_cache import GrantCache
from edge.grants import Key
from edge.images import ImageRequest, Images
from regions import ids
from regions.errors import Problem
from regions.topology import Topology, home_of

log = logging.getLogger(__name__)

_ROUND_S = 60.0
_PAUSE_S = 0.05


class Renewal:
    """For the edge called `name`."""

    def __init__(
        self,
        name: str,
        topology: Topology,
        cache: Cache,
        known: GrantCache,
        images: Images,
        clock_s: Callable[[], float],
    ) -> None:
        self._name, self._topology, self._clock_s = name, topology, clock_s
        self._cache, self._known, self._images = cache, known, images

    def run_once(self) -> int:
        """Asks for every copy whose grant is too old, slowly; gives how many."""
        due = [key for key in self._cache.all_keys() if self._is_due(key)]
        for key in due:
            self._renew(key)
            gevent.sleep(_PAUSE_S)
        return len(due)

    def run_forever(self) -> None:
        """Until the greenlet is killed."""
        while True:
            self.run_once()
            gevent.sleep(_ROUND_S)

    def _is_due(self, key: Key) -> bool:
        facts = self._known.facts(key, self._name)
        return facts is None or self._clock_s() - facts.at_s > GRANT_TTL_S

    def _renew(self, key: Key) -> None:
        try:
            home = home_of(self._topology, ids.PHOTO, key.photo_id)
            self._images.renew(ImageRequest(key, self._name, home.name))
        except Problem as problem:
            log.info("a copy was not renewed", extra={"photo_id": key.photo_id, "detail": problem.detail})
