"""Removes uploads that nobody finished: those that expired, and those that crashes left behind."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from processing.background.exclusive import Exclusive
from regions.config import Stores
from regions.records import Upload
from regions.stores.catalog import UPLOAD_SHARDS
from regions.stores.objects import RAW, raw_key

EVERY_S, STALE_EVERY_S = 60.0, 3600.0
LOCK, STALE_LOCK = "sweep-expired-uploads", "sweep-stale-uploads"

# A `complete` request is accepted until the upload expires, and may still be working then. It has ended by this time.
_GRACE_MS = 5 * 60 * 1000
_PAGE = 500
# Twice as many as an origin has threads to begin uploads with; and to remove one takes no more requests.
_AT_ONCE = 32
# Twice the time that an upload may take. The catalog has no record of an unfinished one that is older than this.
_STALE_MS = 48 * 3600 * 1000


class ExpiredUploads:
    """Aborts uploads that expired before their photo was complete, and removes their parts."""

    def __init__(self, stores: Stores, clock_ms: Callable[[], int]) -> None:
        self._catalog, self._objects, self._clock_ms = stores.catalog, stores.objects, clock_ms

    def sweep(self, shard: int) -> int:
        """Removes those of a shard, until there are none left. Returns how many. Raises Unavailable.

        Several processes may run this at once: each step is idempotent.
        """
        removed = 0
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            while uploads := self._catalog.uploads.expired(self._clock_ms() - _GRACE_MS, _PAGE, shard):
                gone = sum(threads.map(self._remove, uploads))
                removed += gone
                if not gone:
                    # They are listed and can't be removed: not in this round.
                    break
        return removed

    def abort_stale(self) -> int:
        """What no record points to: a crash came between the two. Returns how many. Raises Unavailable."""
        return self._objects.abort_stale_uploads(self._clock_ms() - _STALE_MS)

    def _remove(self, upload: Upload) -> bool:
        """Whether this has removed it."""
        # The parts go first. If this process is killed after that, the catalog still lists the upload, and the next
        # round finishes it. In the other order no record would point to the parts until they are stale.
        self._objects.abort_upload(upload.multipart_id)
        is_removed = self._catalog.uploads.discard(upload.photo_id)
        # A `complete` request first joins the parts into the raw and then records that. If it was killed in
        # between, the raw exists although the photo never left `uploading`. If it did record, `discard` has done
        # nothing, the photo still exists, and its raw must stay.
        if is_removed or self._catalog.photos.get(upload.photo_id) is None:
            self._objects.delete(RAW, raw_key(upload.photo_id))
        return is_removed


class ShardedSweep:
    """Each shard under a lock of its own, so that all janitors of a region sweep at once, and none twice."""

    def __init__(self, stores: Stores, expired: ExpiredUploads, holder: str) -> None:
        self._shards = [
            Exclusive(stores.settings, f"{LOCK}-{shard}", holder, partial(expired.sweep, shard))
            for shard in range(UPLOAD_SHARDS)
        ]

    def run_once(self) -> int:
        """Returns how many it removed. Raises Unavailable."""
        return sum(shard.run_once() for shard in self._shards)
