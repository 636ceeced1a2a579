"""Removes uploads that nobody finished: those that expired, and those that crashes left behind."""

from collections.abc import Callable

from regions.config import Stores
from regions.stores.objects import RAW, raw_key

EVERY_S = 60.0
LOCK = "sweep-expired-uploads"

# A `complete` request is accepted until the upload expires, and may still be working then. It has ended by this time.
_GRACE_MS = 5 * 60 * 1000
_LIMIT = 100
# Twice the time that an upload may take. The catalog has no record of an unfinished one that is older than this.
_STALE_MS = 48 * 3600 * 1000


class ExpiredUploads:
    """Aborts uploads that expired before their photo was complete, and removes their parts."""

    def __init__(self, stores: Stores, clock_ms: Callable[[], int]) -> None:
        self._catalog, self._objects, self._clock_ms = stores.catalog, stores.objects, clock_ms

    def run_once(self) -> int:
        """Returns how many it removed: at most `_LIMIT` expired ones, the rest in the next round. Raises Unavailable.

        Several processes may run this at once: each step is idempotent.
        """
        uploads = self._catalog.uploads.expired(self._clock_ms() - _GRACE_MS, _LIMIT)
        for upload in uploads:
            # The parts go first. If this process is killed after that, the catalog still lists the upload, and the next
            # round finishes it. In the other order no record would point to the parts until they are stale.
            self._objects.abort_upload(upload.multipart_id)
            self._catalog.uploads.discard(upload.photo_id)
            # A `complete` request first joins the parts into the raw and then records that. If it was killed in
            # between, the raw exists although the photo never left `uploading`. If it did record, `discard` has done
            # nothing, the photo still exists, and its raw must stay.
            if self._catalog.photos.get(upload.photo_id) is None:
                self._objects.delete(RAW, raw_key(upload.photo_id))
        return len(uploads) + self._objects.abort_stale_uploads(self._clock_ms() - _STALE_MS)
