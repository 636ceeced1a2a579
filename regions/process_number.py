"""A process number, leased through the settings and kept, and the ids made with it."""

import logging
import threading
from collections.abc import Callable

from regions.errors import Unavailable
from regions.ids import MAX_PROCESSES, IdMint
from regions.stores.settings import Lease, Settings

log = logging.getLogger(__name__)

POOL = "process_numbers"
_TTL_S = 60.0
_RENEW_EVERY_S = 15.0


class ProcessNumber:
    """While the settings are away, ids can be made until the lease runs out, and then no more."""

    def __init__(self, settings: Settings, region_number: int, holder: str, clock_ms: Callable[[], int]) -> None:
        self._settings, self._region_number, self._holder = settings, region_number, holder
        self._clock_ms = clock_ms
        self._take()

    def mint(self, kind: str) -> str:
        """A new id of that kind. Raises LeaseLost."""
        return self._mint.next(kind)

    def run_once(self) -> None:
        """Makes the lease longer; where it was lost, takes another number."""
        renewed = self._settings.renew(self._lease, _TTL_S)
        if renewed is None:
            log.warning("process number lost", extra={"number": self._lease.number})
            self._take()
        else:
            self._lease = renewed

    def run_forever(self, stop: threading.Event) -> None:
        while not stop.wait(_RENEW_EVERY_S):
            try:
                self.run_once()
            except Unavailable as error:
                log.warning("process number not renewed", extra={"error": error.detail})

    def release(self) -> None:
        self._settings.release(self._lease, self._mint.used_until_ms)

    def _take(self) -> None:
        lease = self._settings.lease_number(POOL, self._holder, MAX_PROCESSES, _TTL_S)
        self._lease: Lease = lease
        self._mint = IdMint(
            self._region_number, lease.number, lease.floor_ms, lambda: self._until_ms(lease.number), self._clock_ms
        )

    def _until_ms(self, number: int) -> int:
        return self._lease.until_ms if self._lease.number == number else 0
