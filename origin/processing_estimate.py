"""About how long a photo takes until it is ready, as the processors of this region say."""

import threading
import time
from collections.abc import Callable

from regions import processing_status
from regions.errors import Unavailable
from regions.processing_status import PREFIX
from regions.status_documents import EVERY_S
from regions.stores.settings import Values

_MOST_S = 3600
"""Above, nobody knows: by then there may be more workers, or more photos."""


class ProcessingEstimate:
    """Reads the settings at most once in `EVERY_S`, however many ask. Any thread may."""

    def __init__(
        self, values: Values, clock_ms: Callable[[], int], clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._values, self._clock_ms, self._clock_s = values, clock_ms, clock_s
        self._lock = threading.Lock()
        self._read_at_s = float("-inf")
        self._ready_in_s: int | None = None

    def ready_in_s(self) -> int | None:
        """None if no processor reports, the settings are away, or it is above an hour.

        While one thread reads, the others get the last.
        """
        if self._clock_s() - self._read_at_s >= EVERY_S and self._lock.acquire(blocking=False):
            try:
                self._ready_in_s = self._read()
            finally:
                self._read_at_s = self._clock_s()
                self._lock.release()
        return self._ready_in_s

    def _read(self) -> int | None:
        try:
            statuses = processing_status.present(self._values.tree(PREFIX), self._clock_ms())
        except Unavailable:
            return None
        ready_in_s = processing_status.ready_in_s(processing_status.total(statuses.values())) if statuses else None
        return ready_in_s if ready_in_s is not None and ready_in_s <= _MOST_S else None
