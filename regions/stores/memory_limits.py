"""The limits port in the memory of one process, which counts for itself alone."""

import heapq
import threading
from collections.abc import Callable, Sequence

from regions.stores import gcra
from regions.stores.health import CheckResult, HealthCheck, run_checks
from regions.stores.limits import Standing, Wanted

MAX_KEYS = 50_000
"""About 10 MB. So many people at once are more than one process serves."""


class MemoryLimits:
    """`clock_us` is any clock that goes on, in microseconds. Safe to share between threads.

    When there are too many keys, the tenth that is nearest to having all its units again is forgotten: those whose
    limits are refilled, before anybody who has just been refused.
    """

    def __init__(self, clock_us: Callable[[], int], max_keys: int = MAX_KEYS) -> None:
        self._clock_us, self._max_keys = clock_us, max_keys
        self._refilled_at_us: dict[str, int] = {}
        self._lock = threading.Lock()

    def take(self, wanted: Sequence[Wanted]) -> list[Standing]:
        with self._lock:
            now_us = self._clock_us()
            held_us = self._held(wanted, now_us)
            self._keep(wanted, gcra.after(wanted, held_us, now_us) or held_us, now_us)
        return gcra.standings(wanted, held_us, now_us)

    def give_back(self, wanted: Sequence[Wanted]) -> None:
        with self._lock:
            now_us = self._clock_us()
            held_us = self._held(wanted, now_us)
            returned = [at_us - gcra.cost_us(one) for one, at_us in zip(wanted, held_us, strict=True)]
            self._keep(wanted, returned, now_us)

    def check_health(self) -> list[CheckResult]:
        detail = "each process counts for itself; name a Redis if a region has several origins"
        return run_checks([HealthCheck("in memory", lambda: detail, "")])

    def close(self) -> None:
        pass

    def _held(self, wanted: Sequence[Wanted], now_us: int) -> list[int]:
        return [gcra.held(self._refilled_at_us.get(one.key), one.limit, now_us) for one in wanted]

    def _keep(self, wanted: Sequence[Wanted], new_us: Sequence[int], now_us: int) -> None:
        for one, at_us in zip(wanted, new_us, strict=True):
            if at_us > now_us:
                self._refilled_at_us[one.key] = at_us
            else:
                self._refilled_at_us.pop(one.key, None)
        if len(self._refilled_at_us) > self._max_keys:
            many = self._max_keys // 10 + 1
            for key in heapq.nsmallest(many, self._refilled_at_us, key=self._refilled_at_us.__getitem__):
                del self._refilled_at_us[key]
