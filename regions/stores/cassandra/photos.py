"""Photos and uploads in Cassandra: what must change together lies in one partition, changed by one conditional write.

A conditional write runs Paxos among the partition's replicas. When it times out, its outcome is unknown: the proposal
may have been accepted by a majority or by none, and a later Paxos round on the partition may still complete it. It must
not be repeated blindly, because the second attempt fails its condition if the first succeeded. Instead:

1. `update` and `delete` store a fresh `change_id` in the same write. The other conditional writes are safe to repeat.
2. After a timeout, a serial read runs a Paxos round of its own. That first completes any proposal that is in progress,
   so that afterwards the write has taken effect or, as far as the replicas that respond know, has not.
3. If the read shows our `change_id`, the write succeeded. If it shows another one, or fails, the caller gets
   Unavailable: our write may never have taken effect, or may have been followed by another.

So `update` or `delete` may raise although the change was made. The janitor's outbox sweep (`regions.events.outbox`)
then publishes the event.
"""

from collections.abc import Collection
from uuid import UUID

from regions.errors import Unavailable
from regions.events.messages import Event, to_text
from regions.records import Fingerprint, Photo, PhotoSummary, Status, Tombstone, Upload
from regions.stores.cassandra import columns
from regions.stores.cassandra.address import key
from regions.stores.cassandra.deletion import Deletion
from regions.stores.cassandra.expiries import CassandraExpiries
from regions.stores.cassandra.outbox import PUT_EVENT, CassandraOutbox, Intent
from regions.stores.cassandra.partitions import TimeUuidGenerator, partition_year
from regions.stores.cassandra.rows import UNLESS_DELETED, YearlyLists
from regions.stores.cassandra.session import Call, CassandraSession, Row, first_rows

_PHOTO = f"SELECT DISTINCT photo_id, {columns.PHOTO} FROM photos WHERE photo_id = ?"
_SUMMARY = f"SELECT DISTINCT photo_id, {columns.SUMMARY} FROM photos WHERE photo_id = ?"
_SET_PHOTO = columns.assignments(columns.PHOTO)
_CLEAR_PHOTO = ", ".join(f"{name.strip()} = null" for name in columns.PHOTO.split(",")[2:])
"""All but its status and its owner, which its tombstone keeps."""


class CassandraPhotos:
    def __init__(
        self,
        session: CassandraSession,
        lists: YearlyLists,
        uuids: TimeUuidGenerator,
        outbox: CassandraOutbox,
        deletion: Deletion,
        expiries: CassandraExpiries,
    ) -> None:
        self._session, self._lists, self._uuids = session, lists, uuids
        self._outbox, self._deletion, self._expiries = outbox, deletion, expiries

    def create(self, photo: Photo, upload: Upload) -> None:
        insert = f"UPDATE photos SET {_SET_PHOTO}, upload = ? WHERE photo_id = ? IF status = null"
        self._expiries.add(key(photo.photo_id), upload.expires_at_ms)
        call = (insert, *columns.from_photo(photo), columns.from_upload(upload), key(photo.photo_id))
        self._session.execute_conditional(call)

    def get(self, photo_id: str) -> Photo | None:
        rows = self._session.execute(_PHOTO, key(photo_id))
        return columns.to_photo(photo_id, rows[0][1:]) if rows else None

    def summaries(self, photo_ids: Collection[str]) -> dict[str, PhotoSummary]:
        # Decoded only when all rows have arrived: decoding in between holds the GIL, which the driver's thread needs.
        found = self._session.execute_concurrent((_SUMMARY, key(photo_id)) for photo_id in photo_ids)
        photos = [columns.to_summary(photo_id, values) for photo_id, *values in first_rows(found)]
        return {photo.photo_id: photo for photo in photos if photo is not None}

    def by_owner(self, owner_id: str, before: str | None, limit: int) -> list[PhotoSummary]:
        query = "SELECT photo_id FROM photos_by_owner WHERE owner_id = ? AND year = ? AND photo_id < ? LIMIT ?"
        return self._lists.newest_of(query, owner_id, before, limit, self._public)

    def fingerprints(self, owner_id: str, limit: int) -> list[Fingerprint]:
        query = (
            f"SELECT photo_id, {columns.FINGERPRINT} FROM photos_by_owner"
            " WHERE owner_id = ? AND year = ? AND photo_id < ? LIMIT ?"
        )
        listed = self._lists.newest(query, owner_id, None, limit)
        fingerprints = [columns.to_fingerprint(photo_id, values) for photo_id, *values in listed]
        return [fingerprint for fingerprint in fingerprints if fingerprint is not None]

    def _public(self, listed: list[Row]) -> list[PhotoSummary]:
        photos = self.summaries([photo_id for (photo_id,) in listed])
        found = [photos[photo_id] for (photo_id,) in listed if photo_id in photos]
        return [photo for photo in found if photo.is_public]

    def update(self, photo: Photo, expected: Collection[Status], event: Event | None) -> bool:
        if not expected:
            return False
        change = f"UPDATE photos SET {_SET_PHOTO}, change_id = ? WHERE photo_id = ? IF status IN ?"
        statuses = [str(status) for status in expected]
        if photo.status is Status.READY:
            self._list(photo, columns.FINGERPRINT, columns.from_fingerprint(photo))
        intent = self._outbox.write_intent(key(photo.photo_id)) if event else None
        change_id = intent.intent_id if intent else self._uuids.next()
        call = (change, *columns.from_photo(photo), change_id, key(photo.photo_id), statuses)
        changed = self._change(key(photo.photo_id), change_id, call, intent, event)
        if photo.status is Status.READY and not changed:
            self._deletion.unlist_if_deleted(key(photo.photo_id), key(photo.owner_id))
        return changed

    def put_replica_metadata(self, photo: Photo) -> None:
        # Without its hash: it is compared in its home region only, and its tombstone here does not name the owner in
        # whose list the hash would have to be found.
        if photo.status is Status.READY:
            self._list(photo)
        put = f"UPDATE photos SET {_SET_PHOTO} {UNLESS_DELETED}"
        self._session.execute_conditional((put, *columns.from_photo(photo), key(photo.photo_id)))

    def delete(self, tombstone: Tombstone, event: Event | None) -> bool:
        photo_id = key(tombstone.photo_id)
        delete = (
            f"UPDATE photos SET status = 'deleted', owner_id = ?, deleted_at = ?, change_id = ?, upload = null,"
            f" {_CLEAR_PHOTO} {UNLESS_DELETED}"
        )
        intent = self._outbox.write_intent(photo_id, deletion_unfinished=True)
        call = (delete, tombstone.owner_id, tombstone.deleted_at_ms, intent.intent_id, photo_id)
        if not self._change(photo_id, intent.intent_id, call, intent, event):
            return False
        self._deletion.finish(tombstone)
        if event is None:
            self._outbox.remove_intent(intent)
        else:
            self._outbox.mark_complete(intent)
        return True

    def _change(self, photo_id: str, change_id: UUID, change: Call, intent: Intent | None, event: Event | None) -> bool:
        """Makes the change and adds its event in one conditional write; removes the intent if the condition fails."""
        calls = [change]
        if event is not None:
            calls.append((PUT_EVENT, photo_id, change_id, to_text(event)))
        try:
            changed = self._session.execute_conditional(*calls)
        except Unavailable:
            # The outcome is unknown: see the module's docstring, steps 2 and 3.
            query = "SELECT DISTINCT photo_id, change_id FROM photos WHERE photo_id = ?"
            if [(photo_id, change_id)] != self._session.execute_serial(query, photo_id):
                raise
            changed = True
        if intent is not None and not changed:
            self._outbox.remove_intent(intent)
        elif intent is not None and event is not None:
            self._outbox.remember(intent, to_text(event))
        return changed

    def _list(self, photo: Photo, more_columns: str = "", more_values: columns.Values = ()) -> None:
        """Adds the photo to its owner's list, before it becomes ready: no ready photo is missing from it.

        The list has rows too many instead: of photos that are not ready yet, and of those whose update is then refused
        or cut off by a crash. `by_owner` skips them; `fingerprints` says what its callers do. But nothing may be left
        of a deleted photo, and a deletion may run at any moment without a lock:

        - The row is written before the deletion removes it. Then it is gone, whatever becomes of the update.
        - It is written afterwards. Then it is not seen, since its removal has a time in the future (`Deletion`). So
          nothing remains to be done here, and nothing to be repeated after a crash.
        - The deletion's process dies before it removes the row. Then the outbox sweep does it.

        A program of version 0.2, which may still run while a region is updated, removes the row with the present time.
        So `update` removes it again when it is refused; should its process die before that, nobody does.
        """
        names = ", ".join(filter(None, ("owner_id, year, photo_id", more_columns)))
        insert = f"INSERT INTO photos_by_owner ({names}) VALUES ({columns.placeholders(names)})"
        row = key(photo.owner_id), partition_year(photo.photo_id), key(photo.photo_id)
        self._session.execute(insert, *row, *more_values)


class CassandraUploads:
    def __init__(self, session: CassandraSession, expiries: CassandraExpiries) -> None:
        self._session, self._expiries = session, expiries

    def get(self, photo_id: str) -> Upload | None:
        query = "SELECT DISTINCT photo_id, upload FROM photos WHERE photo_id = ?"
        return next(
            (columns.to_upload(photo_id, upload) for _, upload in self._session.execute(query, key(photo_id))), None
        )

    def expired(self, before_ms: int, limit: int, shard: int) -> list[Upload]:
        return self._expiries.expired(before_ms, limit, shard)

    def discard(self, photo_id: str) -> bool:
        """With its entry among those that expire: who looks for these would read it over and over otherwise."""
        upload = self.get(photo_id)
        discard = f"DELETE {columns.PHOTO}, upload FROM photos WHERE photo_id = ? IF status = 'uploading'"
        is_discarded = self._session.execute_conditional((discard, key(photo_id)))
        if is_discarded and upload is not None:
            self._expiries.remove(key(photo_id), upload.expires_at_ms)
        return is_discarded


def upload_states(session: CassandraSession, photo_ids: list[str]) -> list[tuple[str | None, Upload | None]]:
    """Each photo's status and upload; None for each that is missing."""
    query = "SELECT DISTINCT photo_id, status, upload FROM photos WHERE photo_id = ?"
    found = session.execute_concurrent((query, photo_id) for photo_id in photo_ids)
    states = (rows[0] if rows else (None, None, None) for rows in found)
    return [(status, columns.to_upload(photo_id, upload)) for photo_id, status, upload in states]
