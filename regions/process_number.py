"""The number of this process, leased from the settings and renewed, and the ids that are made with it."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from regions import daemon
from regions.errors import Unavailable
from regions.ids import MAX_PROCESSES, IdGenerator
from regions.stores.settings import Lease, Settings

log = logging.getLogger(__name__)

POOL = "process_numbers"
_TTL_S = 60.0
_RENEW_EVERY_S = 15.0


class _LeasedGenerator:
    """A lease on a process number, and the id generator that may use the number while the lease lasts.

    Two generators with the same process number must never use the same millisecond. The lease makes sure of it:
    this generator makes no id with a time at or after the end of its lease (`until_ms`), and the number's next holder
    starts at a floor (`floor_ms`) that is not before that end. So a thread that still uses this generator after the
    lease was lost can't repeat an id of the next holder, even if the two clocks differ. A process that loses its lease
    may get the same number again; then it needs a new generator too, because the old one is bound to the old lease.
    Renewal replaces `lease`, and the generator reads the new end before each id.
    """

    def __init__(self, lease: Lease, region_number: int, clock_ms: Callable[[], int]) -> None:
        self.lease = lease
        self.generator = IdGenerator(region_number, lease.number, lease.floor_ms, lambda: self.lease.until_ms, clock_ms)


class ProcessNumber:
    """Makes ids while its lease lasts.

    If the settings are unavailable, it continues until the lease runs out. Then `new_id` raises LeaseLost.
    """

    def __init__(self, settings: Settings, region_number: int, holder: str, clock_ms: Callable[[], int]) -> None:
        """Raises Unavailable if no number can be leased."""
        self._settings, self._region_number, self._holder = settings, region_number, holder
        self._clock_ms = clock_ms
        self._leased = self._acquire()
        self._released = False
        self._lock = threading.Lock()

    def new_id(self, kind: str) -> str:
        """A new id of that kind. Raises LeaseLost."""
        return self._leased.generator.next(kind)

    def run_once(self) -> None:
        """Renews the lease; if it was lost, leases a number again, perhaps the same. Raises Unavailable."""
        with self._lock:
            if self._released:
                return
            renewed = self._settings.numbers.renew(self._leased.lease, _TTL_S)
            if renewed is None:
                log.warning("process number lost", extra={"number": self._leased.lease.number})
                self._leased = self._acquire()
            else:
                self._leased.lease = renewed

    def run_forever(self, stop: threading.Event) -> None:
        """Renews every 15 seconds until `stop` is set, so that a lease of 60 seconds survives two failed renewals."""
        daemon.run_forever(self.run_once, _RENEW_EVERY_S, stop, "process number")

    def release(self) -> None:
        """Stops making ids and releases the number. If that fails, the number is free when the lease runs out."""
        with self._lock:
            self._released = True
            leased = self._leased
            # First the lease ends in memory. `used_until_ms` then takes the generator's lock, so that an id that is
            # being made at this moment either counts or raises LeaseLost.
            leased.lease = replace(leased.lease, until_ms=0)
            try:
                self._settings.numbers.release(leased.lease, leased.generator.used_until_ms)
            except Unavailable as error:
                log.warning("process number not released", extra={"error": error.detail})

    def _acquire(self) -> _LeasedGenerator:
        lease = self._settings.numbers.lease(POOL, self._holder, MAX_PROCESSES, _TTL_S)
        return _LeasedGenerator(lease, self._region_number, self._clock_ms)
