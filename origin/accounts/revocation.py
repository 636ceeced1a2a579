"""Which sessions have ended, so that their access tokens are refused before they run out.

Each origin process asks its own catalog every two seconds, and every other region's origin. When one can't be
reached, the tokens of its users go on being good, for a quarter of an hour at most.

**Clocks.** An entry has the time of the process that ended the session, and two clocks may differ by a minute, each
30 s off, without a request being refused. So each round goes back by more than that from where the last one was. A
clock that is set back lets everything be read again, and how long an entry is kept is measured by a clock that nobody
sets.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from regions import daemon, user_tokens
from regions.border import bounds
from regions.errors import Problem, Unavailable

EVERY_S = 2.0
PAGE = 1000
# An entry is listed after the time that it names, by a process whose clock may be a minute behind another's.
_OVERLAP_MS = 90_000
_KEEP_MS = (user_tokens.TTL_S + 60) * 1000
_FIRST_MS = _KEEP_MS + _OVERLAP_MS
_MAX_OF_A_REGION = 50_000
_MAX_PAGES = _MAX_OF_A_REGION // PAGE
_MAX_ID_CHARS = 40

log = logging.getLogger(__name__)


class Position(NamedTuple):
    """How far a list of ended sessions was read: it is in this order."""

    at_ms: int
    session_id: str


Fetch = Callable[[Position], tuple[list[Position], Position | None]]
"""What ended after a position, and where to go on; None when that is all. Raises Problem."""


class RevokedSessions:
    """Those that have ended within the life of a token, by the region of their users. Safe for threads.

    Bounded for each region: one that ends very many can't make others forget theirs. `steady_ms` is a clock that is
    never set, of any origin.
    """

    def __init__(self, steady_ms: Callable[[], int]) -> None:
        self._steady_ms = steady_ms
        self._by_region: dict[str, OrderedDict[str, int]] = {}
        self._lock = threading.Lock()

    def add(self, region: str, session_ids: Iterable[str]) -> None:
        now_ms, forgotten = self._steady_ms(), 0
        with self._lock:
            ended = self._by_region.setdefault(region, OrderedDict())
            for session_id in session_ids:
                ended.setdefault(session_id, now_ms)
            while ended and next(iter(ended.values())) < now_ms - _KEEP_MS:
                ended.popitem(last=False)
            while len(ended) > _MAX_OF_A_REGION:
                ended.popitem(last=False)
                forgotten += 1
        if forgotten:
            log.error(
                "ALARM: too many sessions have ended; the tokens of the first are good until they run out",
                extra={"of_region": region, "sessions": forgotten},
            )

    def has(self, region: str, session_id: str) -> bool:
        return session_id in self._by_region.get(region, ())


class RevocationReader:
    """Reads what has ended in one region, again and again."""

    def __init__(self, region: str, fetch: Fetch, revoked: RevokedSessions, clock_ms: Callable[[], int]) -> None:
        self._region, self._fetch, self._revoked, self._clock_ms = region, fetch, revoked, clock_ms
        self._asked_at_ms = clock_ms()
        self._read_until_ms = self._asked_at_ms - _FIRST_MS

    def run_once(self) -> None:
        """Raises Unavailable if the region can't be reached or gives no usable answer."""
        position = Position(self._start_ms(), "")
        newest_ms, behind_ms = self._read_until_ms, 0
        for _ in range(_MAX_PAGES):
            try:
                entries, following = self._fetch(position)
            except Problem as problem:
                raise Unavailable(f"the ended sessions of {self._region} can't be read: {problem.detail}") from problem
            self._revoked.add(self._region, [entry.session_id for entry in entries])
            newest_ms = max([newest_ms, *(entry.at_ms for entry in entries)])
            if following is None:
                # That was all, so that the next round need not go back to the last entry, which may be long ago.
                newest_ms, behind_ms = max(newest_ms, self._asked_at_ms), _OVERLAP_MS
                break
            newest_ms, position = max(newest_ms, following.at_ms), following
        # Not beyond the present, should an entry come from a clock that is ahead. If there was more than a round reads,
        # the next one goes on there: the overlap alone might be as much.
        self._read_until_ms = max(self._read_until_ms, min(newest_ms, self._clock_ms()) - behind_ms)

    def _start_ms(self) -> int:
        """Where this round begins. What ended before the life of a token, by this clock, matters to nobody here."""
        now_ms = self._clock_ms()
        if now_ms < self._asked_at_ms:
            # The clock was set back. What ended while it was ahead may lie before what was read.
            self._read_until_ms = now_ms - _FIRST_MS
        self._asked_at_ms = now_ms
        return max(self._read_until_ms, now_ms - _FIRST_MS)

    def run_forever(self, stop: threading.Event) -> None:
        """Every two seconds until `stop` is set."""
        daemon.run_forever(self.run_once, EVERY_S, stop, f"ended sessions of {self._region}", at_once=True)


def parse_page(document: Any) -> tuple[list[Position], Position | None]:
    """Of another region's response. Raises Unavailable."""
    try:
        entries = [
            Position(bounds.at_ms(item["at_ms"]), bounds.text(item["session_id"], _MAX_ID_CHARS))
            for item in bounds.objects(document["items"], PAGE)
        ]
        following = document["next"]
        if following is None:
            return entries, None
        return entries, Position(bounds.at_ms(following["at_ms"]), bounds.text(following["session_id"], _MAX_ID_CHARS))
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable("the response is not a list of ended sessions") from error
