"""Which photos are deleted, in all regions. A photo with a tombstone is a 404, and is never cached again.

Each edge asks every shield once a second, and a shield asks its own origin. A shield applies the tombstones before it
passes them on. Otherwise an edge that has just deleted its copy could fetch it again from a shield that still has one.

How far an edge has read the tombstones of each region (its cursors) is kept over a restart, beside the disk cache
(`saved_cursors`). The tombstones themselves are not: their photos are purged, and the shield and the origin answer 404.
After a restart the edge asks upstream before it serves any copy, until it has read the tombstones that came meanwhile
(`freshness`).
"""

import logging
import math
import random
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import gevent

from edge.saved_cursors import SavedCursors
from regions import tombstone_cursors
from regions.errors import BadGateway, BadRequest, NotFound, Problem
from regions.retry import backoff_s

log = logging.getLogger(__name__)

_INTERVAL_S = 1.0
# In a round, of each region. With the pause that follows, less than 20,000 tombstones a second: who has none yet reads
# ten million in about ten minutes, and a list that never ends takes no more of an edge's time than that.
_MAX_PAGES = 20
# Of each region: about 30 MB. Older ones may be forgotten: by then no shield and no origin has the photo, and their 404
# has the same effect.
_MAX_TOMBSTONES = 200_000


class KnownTombstones:
    """The tombstones that this edge has read.

    `fetch(region, cursors)` returns the JSON of `POST /edge/tombstones`. `purge(photo_id)` removes all cached copies.
    `is_of(region, photo_id)` is whether the photo's home is the region.
    """

    def __init__(
        self,
        fetch: Callable[[str, dict[int, int]], Any],
        purge: Callable[[str], None],
        saved: SavedCursors,
        clock_s: Callable[[], float],
        is_of: Callable[[str, str], bool],
    ) -> None:
        self._fetch, self._purge, self._saved, self._clock_s, self._is_of = fetch, purge, saved, clock_s, is_of
        self._deleted: defaultdict[str, OrderedDict[str, None]] = defaultdict(OrderedDict)
        self._cursors_by_region: dict[str, dict[int, int]] = {}
        self._complete_at_s: dict[str, float] = {}

    def __contains__(self, photo_id: object) -> bool:
        return any(photo_id in deleted for deleted in self._deleted.values())

    def require_not_deleted(self, photo_id: str) -> None:
        """Raises NotFound for a photo with a tombstone."""
        if photo_id in self:
            raise NotFound(f"there is no photo {photo_id}")

    def tombstones_age_s(self, region: str) -> float:
        """How long ago this edge last had all tombstones of the region; infinite before the first time."""
        return self._clock_s() - self._complete_at_s.get(region, -math.inf)

    def apply(self, region: str, document: Any) -> dict[int, int]:
        """Deletes those photos in the document whose home is the region, which sent it. Returns the cursors at its end.

        Those of others, of which it had copies, their own homes list: no region deletes another's photos. Raises
        BadGateway.
        """
        try:
            photo_ids = [str(item["photo_id"]) for item in document["items"]]
            cursors = tombstone_cursors.parse(document["after"])
        except (KeyError, TypeError, BadRequest) as error:
            raise BadGateway("the tombstones can't be read") from error
        if len(photo_ids) > tombstone_cursors.MAX_ITEMS:
            raise BadGateway(f"there are {len(photo_ids)} tombstones on one page")
        for photo_id in photo_ids:
            if self._is_of(region, photo_id):
                self._delete(region, photo_id)
        return cursors

    def run_once(self, region: str) -> int:
        """Reads the tombstones after the region's cursors; returns how many were new. Raises Problem.

        After so many pages the rest is left to the next round, and the region's tombstones are not complete.
        """
        count = 0
        for _ in range(_MAX_PAGES):
            # The time before the request: a photo that is deleted while the response is under way is not in it.
            requested_at_s, before = self._clock_s(), self._cursors(region)
            document = self._fetch(region, before)
            cursors = self.apply(region, document)
            self._set_cursors(region, cursors)
            count += len(document["items"])
            if document.get("complete") is True:
                self._complete_at_s[region] = requested_at_s
                break
            if cursors == before:
                raise BadGateway("the tombstones do not go on")
        return count

    def run_forever(self, region: str) -> None:
        """Until the greenlet is killed."""
        failures = 0
        while True:
            try:
                self.run_once(region)
                failures = 0
            except Problem as problem:
                failures += 1
                if failures == 1:
                    log.warning("can't read tombstones", extra={"region": region, "detail": problem.detail})
            gevent.sleep(_INTERVAL_S if not failures else backoff_s(failures, random.random, _INTERVAL_S))

    def _cursors(self, region: str) -> dict[int, int]:
        if region not in self._cursors_by_region:
            self._cursors_by_region[region] = self._saved.read(region)
        return self._cursors_by_region[region]

    def _set_cursors(self, region: str, cursors: dict[int, int]) -> None:
        """After all purges of the page: if the edge dies before this, it reads the page again."""
        if cursors != self._cursors_by_region[region]:
            self._cursors_by_region[region] = cursors
            self._saved.write(region, cursors)

    def _delete(self, region: str, photo_id: str) -> None:
        # First the tombstone, then the purge: a fetch that completes in between finds the tombstone (`images`).
        deleted = self._deleted[region]
        deleted[photo_id] = None
        if len(deleted) > _MAX_TOMBSTONES:
            deleted.popitem(last=False)
        self._purge(photo_id)
