"""RateLimits that all processes share, and a process's own for as long as the shared ones are away.

Nobody is refused because a store is away, and nobody may do as they like: then each process counts what itself lets
through. It has always done so, so that the change comes without a new supply for those who have used up theirs. Who
comes through several processes can have as much at each.
"""

import logging
import threading
from collections.abc import Callable, Sequence

from regions.errors import Unavailable
from regions.stores.health import CheckResult
from regions.stores.limits import RateLimits, Standing, Wanted, is_granted

log = logging.getLogger(__name__)

_ASK_AGAIN_S = 1.0


class FallbackLimits:
    """While `shared` is away, one request a second waits for it. `clock_s` is any clock that goes on."""

    def __init__(self, shared: RateLimits, own: RateLimits, clock_s: Callable[[], float]) -> None:
        self._shared, self._own, self._clock_s = shared, own, clock_s
        self._lock = threading.Lock()
        self._ask_again_at_s: float | None = None

    def take(self, wanted: Sequence[Wanted]) -> list[Standing]:
        """Never raises."""
        if self._may_ask():
            try:
                standings = self._shared.take(wanted)
            except Unavailable as error:
                self._away(error)
            else:
                self._back()
                if is_granted(standings):
                    self._own.take(wanted)
                return standings
        return self._own.take(wanted)

    def give_back(self, wanted: Sequence[Wanted]) -> None:
        """Never raises. What is given back while the shared limits are away comes back to them with time only."""
        self._own.give_back(wanted)
        if self._may_ask():
            try:
                self._shared.give_back(wanted)
            except Unavailable as error:
                self._away(error)
            else:
                self._back()

    def check_health(self) -> list[CheckResult]:
        return self._shared.check_health()

    def close(self) -> None:
        self._shared.close()

    def _may_ask(self) -> bool:
        with self._lock:
            if self._ask_again_at_s is None:
                return True
            if self._clock_s() < self._ask_again_at_s:
                return False
            self._ask_again_at_s = self._clock_s() + _ASK_AGAIN_S
            return True

    def _away(self, error: Unavailable) -> None:
        with self._lock:
            is_new, self._ask_again_at_s = self._ask_again_at_s is None, self._clock_s() + _ASK_AGAIN_S
        if is_new:
            log.warning("the limits are away; this process counts for itself", extra={"error": error.detail})

    def _back(self) -> None:
        with self._lock:
            was_away, self._ask_again_at_s = self._ask_again_at_s is not None, None
        if was_away:
            log.warning("the limits are back; all processes count together")
