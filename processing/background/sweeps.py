"""What is done again and again: events that a crash left in the outbox, and uploads that nobody finished."""

import logging
import threading
from collections.abc import Callable

from regions.config import Stores
from regions.errors import Unavailable
from regions.stores.objects import RAW, raw_key
from regions.stores.settings import Settings

log = logging.getLogger(__name__)

OUTBOX_EVERY_S = 1.0
UPLOADS_EVERY_S = 60.0
UPLOADS = "sweep-expired-uploads"

# A request to complete that began just before the upload expired has ended by then.
_SLACK_MS = 5 * 60 * 1000
_LIMIT = 100
# Twice as long as an upload may take: what began before and is still unfinished is known to no catalog.
_STALE_MS = 48 * 3600 * 1000
# How long the work of a processor that was killed in the middle of it is left alone.
_HOLD_S = 60.0


def run_forever(stop: threading.Event, every_s: float, run_once: Callable[[], int]) -> None:
    """Until `stop` is set. A store that is away is asked again the next time."""
    while not stop.wait(every_s):
        try:
            run_once()
        except Unavailable as error:
            log.warning("a sweep is put off", extra={"sweep": repr(run_once), "error": error.detail})


class OneAtATime:
    """A sweep that one process of the region does at a time, since many at once would only repeat each other's work.

    A sweep that takes longer than its hold may be joined by another: each of its steps can be done twice.
    """

    def __init__(self, settings: Settings, name: str, holder: str, sweep: Callable[[], int]) -> None:
        self._settings, self._name, self._holder, self._sweep = settings, name, holder, sweep

    def run_once(self) -> int:
        """What the sweep returns; 0 where another process is at it."""
        hold = self._settings.locks.acquire(self._name, self._holder, _HOLD_S)
        if hold is None:
            return 0
        try:
            return self._sweep()
        finally:
            self._settings.locks.release(hold)


class ExpiredUploads:
    """Takes away uploads that have expired, with their parts, and what crashes left of others. None was a photo yet."""

    def __init__(self, stores: Stores, clock_ms: Callable[[], int]) -> None:
        self._catalog, self._objects, self._clock_ms = stores.catalog, stores.objects, clock_ms

    def run_once(self) -> int:
        """Returns how many uploads that were: at most `_LIMIT`, the rest the next time."""
        uploads = self._catalog.uploads.expired(self._clock_ms() - _SLACK_MS, _LIMIT)
        for upload in uploads:
            # The parts first: the catalog is what remembers them, should we be killed between.
            self._objects.abort_upload(upload.multipart_id)
            self._catalog.uploads.discard(upload.photo_id)
            if self._catalog.photos.get(upload.photo_id) is None:
                # Left by a request to complete that was killed before it could say so.
                self._objects.delete(RAW, raw_key(upload.photo_id))
        return len(uploads) + self._objects.abort_stale_uploads(self._clock_ms() - _STALE_MS)
