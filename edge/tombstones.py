"""KnownTombstones: which photos are deleted, as every region tells. A buried photo is a 404 and never kept again.

Each edge asks every shield each second, and a shield its own origin; a shield learns what it passes on before it passes
it on, so that no edge can fetch from a shield what it has just buried. Positions are not kept over a restart: all
tombstones are read again from the first, and until that is done every copy is asked for anew (`freshness`).
"""

import logging
import math
import random
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import gevent

from regions.errors import BadGateway, NotFound, Problem
from regions.retry import backoff_s

log = logging.getLogger(__name__)

_INTERVAL_S = 1.0
# Older ones need no remembering: no shield and no origin has had the photo for long, and their 404 says the same.
_MOST = 200_000


class KnownTombstones:
    """`ask(region, after)` gives the document of `GET /edge/tombstones`; `purge(photo_id)` removes what lies here."""

    def __init__(
        self, ask: Callable[[str, int], Any], purge: Callable[[str], None], clock_s: Callable[[], float]
    ) -> None:
        self._ask, self._purge, self._clock_s = ask, purge, clock_s
        self._buried: OrderedDict[str, None] = OrderedDict()
        self._after: dict[str, int] = {}
        self._heard_s: dict[str, float] = {}

    def __contains__(self, photo_id: object) -> bool:
        return photo_id in self._buried

    def refuse(self, photo_id: str) -> None:
        """Raises NotFound for a buried photo."""
        if photo_id in self._buried:
            raise NotFound(f"there is no photo {photo_id}")

    def tombstone_age_s(self, region: str) -> float:
        """For how long we have not known all of the region's tombstones."""
        return self._clock_s() - self._heard_s.get(region, -math.inf)

    def learn(self, document: Any) -> int:
        """Buries what the document names, and gives the position it ends at. Raises BadGateway."""
        try:
            photo_ids = [str(item["photo_id"]) for item in document["items"]]
            last = int(document["last"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadGateway("the tombstones can't be read") from error
        for photo_id in photo_ids:
            self._bury(photo_id)
        return last

    def run_once(self, region: str) -> int:
        """Reads on to the last tombstone there is; gives how many were new. Raises Problem."""
        count = 0
        while True:
            asked_at_s = self._clock_s()
            document = self._ask(region, self._after.get(region, 0))
            self._after[region] = self.learn(document)
            if not document["items"]:
                self._heard_s[region] = asked_at_s
                return count
            count += len(document["items"])

    def run_forever(self, region: str) -> None:
        """Until the greenlet is killed."""
        failed = 0
        while True:
            try:
                self.run_once(region)
                failed = 0
            except Problem as problem:
                failed += 1
                if failed == 1:
                    log.warning("no tombstones", extra={"region": region, "detail": problem.detail})
            gevent.sleep(_INTERVAL_S if not failed else backoff_s(failed, random.random, _INTERVAL_S))

    def _bury(self, photo_id: str) -> None:
        self._buried[photo_id] = None
        if len(self._buried) > _MOST:
            self._buried.popitem(last=False)
        self._purge(photo_id)
