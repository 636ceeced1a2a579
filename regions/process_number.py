"""A process number, leased through the settings and kept, and the ids made with it."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from regions.errors import Unavailable
from regions.ids import MAX_PROCESSES, IdGenerator
from regions.stores.settings import Lease, Settings

log = logging.getLogger(__name__)

POOL = "process_numbers"
_TTL_S = 60.0
_RENEW_EVERY_S = 15.0


class _Tenure:
    """A lease from taking to losing, and the mint that lives as long.

    The next tenure may have the same number. It has a mint of its own, and what still runs with this one
    stops where this lease ends, which is where the next one begins.
    """

    def __init__(self, lease: Lease, region_number: int, clock_ms: Callable[[], int]) -> None:
        self.lease = lease
        self.generator = IdGenerator(region_number, lease.number, lease.floor_ms, lambda: self.lease.until_ms, clock_ms)


class ProcessNumber:
    """While the settings are away, ids can be made until the lease runs out, and then no more."""

    def __init__(self, settings: Settings, region_number: int, holder: str, clock_ms: Callable[[], int]) -> None:
        """Raises Unavailable where no number can be had."""
        self._settings, self._region_number, self._holder = settings, region_number, holder
        self._clock_ms = clock_ms
        self._tenure = self._take()
        self._released = False
        self._lock = threading.Lock()

    def new_id(self, kind: str) -> str:
        """A new id of that kind. Raises LeaseLost."""
        return self._tenure.generator.next(kind)

    def run_once(self) -> None:
        """Makes the lease longer; where it was lost, takes another number. Raises Unavailable."""
        with self._lock:
            if self._released:
                return
            renewed = self._settings.numbers.renew(self._tenure.lease, _TTL_S)
            if renewed is None:
                log.warning("process number lost", extra={"number": self._tenure.lease.number})
                self._tenure = self._take()
            else:
                self._tenure.lease = renewed

    def run_forever(self, stop: threading.Event) -> None:
        while not stop.wait(_RENEW_EVERY_S):
            try:
                self.run_once()
            except Unavailable as error:
                log.warning("process number not renewed", extra={"error": error.detail})

    def release(self) -> None:
        """Makes no more ids, and gives the number back; where that fails, it comes back when the lease runs out."""
        with self._lock:
            self._released = True
            tenure = self._tenure
            tenure.lease = replace(tenure.lease, until_ms=0)
            try:
                self._settings.numbers.release(tenure.lease, tenure.generator.used_until_ms)
            except Unavailable as error:
                log.warning("process number not given back", extra={"error": error.detail})

    def _take(self) -> _Tenure:
        lease = self._settings.numbers.lease(POOL, self._holder, MAX_PROCESSES, _TTL_S)
        return _Tenure(lease, self._region_number, self._clock_ms)
