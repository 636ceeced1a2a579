"""When the uploads of the Cassandra catalog expire: one entry per upload, in buckets of ten minutes.

An entry is written before its upload. It is removed only after it has expired, when the photo has left the status
`uploading`: completing an upload costs no write here.
"""

from collections.abc import Callable

from regions.records import Upload
from regions.stores.cassandra.partitions import EXPIRY_BUCKET_MS
from regions.stores.cassandra.session import CassandraSession, Row

# The photo of an entry may be written after the entry, and the entry of a bucket after the bucket: neither is removed
# as unused until this long after its time.
_GRACE_MS = 3_600_000
_PAGE = 500
_MOST_RECORDED = 1000


class CassandraExpiries:
    """`read_states` returns each photo id's status and upload; None for each that is missing."""

    def __init__(
        self, session: CassandraSession, read_states: Callable[[list[str]], list[tuple[str | None, Upload | None]]]
    ) -> None:
        self._session, self._read_states = session, read_states
        # Buckets that this process has written to `expiry_buckets`, so that it does so once for each.
        self._recorded: set[int] = set()

    def add(self, photo_id: str, expires_at_ms: int) -> None:
        bucket = expires_at_ms // EXPIRY_BUCKET_MS
        if bucket not in self._recorded:
            self._session.execute("INSERT INTO expiry_buckets (one, bucket) VALUES (0, ?)", bucket)
            self._recorded = {bucket} if len(self._recorded) > _MOST_RECORDED else self._recorded | {bucket}
        insert = "INSERT INTO expiries (bucket, expires_at_ms, photo_id) VALUES (?, ?, ?)"
        self._session.execute(insert, bucket, expires_at_ms, photo_id)

    def expired(self, before_ms: int, limit: int) -> list[Upload]:
        """Oldest first. Removes the entries of photos that are no longer `uploading`."""
        query = "SELECT bucket FROM expiry_buckets WHERE one = 0 AND bucket <= ?"
        found: list[Upload] = []
        for (bucket,) in self._session.execute(query, before_ms // EXPIRY_BUCKET_MS):
            found += self._expired_in(bucket, before_ms, limit - len(found))
            if len(found) >= limit:
                break
        return found

    def _expired_in(self, bucket: int, before_ms: int, limit: int) -> list[Upload]:
        query = (
            "SELECT expires_at_ms, photo_id FROM expiries"
            " WHERE bucket = ? AND (expires_at_ms, photo_id) > (?, ?) AND expires_at_ms < ? LIMIT ?"
        )
        found: list[Upload] = []
        last: Row = (-1, "")
        is_empty = True
        while entries := self._session.execute(query, bucket, *last, before_ms, _PAGE):
            is_empty, last = False, entries[-1]
            found += self._still_uploading(bucket, entries, before_ms)
            if len(found) >= limit or len(entries) < _PAGE:
                break
        if is_empty and (bucket + 1) * EXPIRY_BUCKET_MS + _GRACE_MS < before_ms:
            self._session.execute("DELETE FROM expiry_buckets WHERE one = 0 AND bucket = ?", bucket)
        return found[:limit]

    def _still_uploading(self, bucket: int, entries: list[Row], before_ms: int) -> list[Upload]:
        """The uploads of these entries that have expired; deletes the entries that are outdated.

        An entry without a photo stays for the grace period: the process that wrote it may be about to write the photo.
        """
        found: list[Upload] = []
        outdated: list[Row] = []
        states = self._read_states([photo_id for _, photo_id in entries])
        for (expires_at_ms, photo_id), (status, upload) in zip(entries, states, strict=True):
            if status == "uploading" and upload is not None and upload.expires_at_ms == expires_at_ms:
                found.append(upload)
            elif status is not None or expires_at_ms + _GRACE_MS < before_ms:
                outdated.append((bucket, expires_at_ms, photo_id))
        delete = "DELETE FROM expiries WHERE bucket = ? AND expires_at_ms = ? AND photo_id = ?"
        self._session.execute_concurrent((delete, *entry) for entry in outdated)
        return found
