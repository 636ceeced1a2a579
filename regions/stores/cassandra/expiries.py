"""When the uploads of the Cassandra catalog expire: one entry per upload, in partitions of a minute and a shard.

An entry is written before its upload. It is removed only after it has expired, when the photo has left the status
`uploading`: completing an upload costs no write here. At 15,000 uploads a second in a region, a partition gets 56,000
entries: so many removed ones can be read over, until Cassandra drops their markers.

Version 0.2 wrote into buckets of ten minutes that were not sharded. What it left there, and still writes while a region
is being updated, is read with the first shard.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from regions.records import Upload
from regions.stores.cassandra.partitions import EXPIRY_BUCKET_MS, EXPIRY_MINUTE_MS, shard_of
from regions.stores.cassandra.session import Call, CassandraSession, Row
from regions.stores.catalog import UPLOAD_SHARDS

# The photo of an entry may be written after the entry, and the entry of a partition after the partition: neither is
# removed as unused until this long after its time.
_GRACE_MS = 3_600_000
_PAGE = 500
_MOST_RECORDED = 1000
_MINUTES = "SELECT minute FROM upload_expiry_minutes WHERE shard = ? AND minute <= ?"
_BUCKETS = "SELECT bucket FROM expiry_buckets WHERE one = 0 AND bucket <= ?"


@dataclass(frozen=True, slots=True)
class _Partition:
    """`place` is `TABLE WHERE …`; `forget` removes the partition from the list of those that have entries."""

    place: str
    values: Row
    ends_at_ms: int
    forget: Call


class CassandraExpiries:
    """`read_states` returns each photo id's status and upload; None for each that is missing."""

    def __init__(
        self, session: CassandraSession, read_states: Callable[[list[str]], list[tuple[str | None, Upload | None]]]
    ) -> None:
        self._session, self._read_states = session, read_states
        # What this process has written to `upload_expiry_minutes`, so that it does so once for each.
        self._recorded: set[tuple[int, int]] = set()

    def add(self, photo_id: str, expires_at_ms: int) -> None:
        partition = _partition_of(photo_id, expires_at_ms)
        if partition not in self._recorded:
            self._session.execute("INSERT INTO upload_expiry_minutes (shard, minute) VALUES (?, ?)", *partition)
            self._recorded = {partition} if len(self._recorded) > _MOST_RECORDED else self._recorded | {partition}
        insert = "INSERT INTO upload_expiries (shard, minute, expires_at_ms, photo_id) VALUES (?, ?, ?, ?)"
        self._session.execute(insert, *partition, expires_at_ms, photo_id)

    def remove(self, photo_id: str, expires_at_ms: int) -> None:
        """When its upload is no more. Should a process die before this, the sweep removes it."""
        delete = "DELETE FROM upload_expiries WHERE shard = ? AND minute = ? AND expires_at_ms = ? AND photo_id = ?"
        self._session.execute(delete, *_partition_of(photo_id, expires_at_ms), expires_at_ms, photo_id)

    def expired(self, before_ms: int, limit: int, shard: int) -> list[Upload]:
        """Oldest first. Removes the entries of photos that are no longer `uploading`."""
        found: list[Upload] = []
        for partition in self._partitions(before_ms, shard):
            found += self._expired_in(partition, before_ms, limit - len(found))
            if len(found) >= limit:
                break
        return found

    def _partitions(self, before_ms: int, shard: int) -> Iterator[_Partition]:
        if shard == 0:
            for (bucket,) in self._session.execute(_BUCKETS, before_ms // EXPIRY_BUCKET_MS):
                empty: Call = ("DELETE FROM expiry_buckets WHERE one = 0 AND bucket = ?", bucket)
                yield _Partition("expiries WHERE bucket = ?", (bucket,), (bucket + 1) * EXPIRY_BUCKET_MS, empty)
        place, index = "upload_expiries WHERE shard = ? AND minute = ?", "upload_expiry_minutes"
        for (minute,) in self._session.execute(_MINUTES, shard, before_ms // EXPIRY_MINUTE_MS):
            forget = (f"DELETE FROM {index} WHERE shard = ? AND minute = ?", shard, minute)
            yield _Partition(place, (shard, minute), (minute + 1) * EXPIRY_MINUTE_MS, forget)

    def _expired_in(self, partition: _Partition, before_ms: int, limit: int) -> list[Upload]:
        query = (
            f"SELECT expires_at_ms, photo_id FROM {partition.place}"
            " AND (expires_at_ms, photo_id) > (?, ?) AND expires_at_ms < ? LIMIT ?"
        )
        found: list[Upload] = []
        last: Row = (-1, "")
        is_empty = True
        while entries := self._session.execute(query, *partition.values, *last, before_ms, _PAGE):
            is_empty, last = False, entries[-1]
            found += self._still_uploading(partition, entries, before_ms)
            if len(found) >= limit or len(entries) < _PAGE:
                break
        if is_empty and partition.ends_at_ms + _GRACE_MS < before_ms:
            self._session.execute(*partition.forget)
        return found[:limit]

    def _still_uploading(self, partition: _Partition, entries: list[Row], before_ms: int) -> list[Upload]:
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
                outdated.append((*partition.values, expires_at_ms, photo_id))
        delete = f"DELETE FROM {partition.place} AND expires_at_ms = ? AND photo_id = ?"
        self._session.execute_concurrent((delete, *entry) for entry in outdated)
        return found


def _partition_of(photo_id: str, expires_at_ms: int) -> tuple[int, int]:
    """The shard and the minute."""
    return shard_of(photo_id, UPLOAD_SHARDS), expires_at_ms // EXPIRY_MINUTE_MS
