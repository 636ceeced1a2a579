"""Removes uploads that nobody finished: expired ones, and what crashes left behind of others."""

from collections.abc import Callable

from regions.config import Stores
from regions.stores.objects import RAW, raw_key

EVERY_S = 60.0
LOCK = "sweep-expired-uploads"

# A request to complete that began just before the upload expired has ended by then.
_GRACE_MS = 5 * 60 * 1000
_LIMIT = 100
# Twice as long as an upload may take: an older one that is still unfinished is known to no catalog.
_STALE_MS = 48 * 3600 * 1000


class ExpiredUploads:
    """Aborts expired uploads and removes their parts. None of them has become a photo."""

    def __init__(self, stores: Stores, clock_ms: Callable[[], int]) -> None:
        self._catalog, self._objects, self._clock_ms = stores.catalog, stores.objects, clock_ms

    def run_once(self) -> int:
        """Returns how many it removed: at most `_LIMIT`, the rest in the next round. Raises Unavailable."""
        uploads = self._catalog.uploads.expired(self._clock_ms() - _GRACE_MS, _LIMIT)
        for upload in uploads:
            # The parts first: the catalog is what remembers them if we are killed in between.
            self._objects.abort_upload(upload.multipart_id)
            self._catalog.uploads.discard(upload.photo_id)
            if self._catalog.photos.get(upload.photo_id) is None:
                # A request to complete may have made the object and been killed before it recorded that.
                self._objects.delete(RAW, raw_key(upload.photo_id))
        return len(uploads) + self._objects.abort_stale_uploads(self._clock_ms() - _STALE_MS)
