"""Photos and uploads in Cassandra: what must change together lies in one partition, changed by one conditional write.

A conditional write (Paxos) that is cut off may or may not have taken effect. It is never repeated blindly: a serial
read first finishes any conditional write that is under way on the partition, and then shows, by `change_id`, whether
ours is the one that stands.

If that read fails, or shows another change, the caller gets Unavailable, and the outcome stays unknown: our write may
never have taken effect, or have been followed by another. So a change or a deletion may have been made although it
raised; the sweep then publishes its event.
"""

import json
from collections.abc import Collection
from uuid import UUID

from regions.errors import Unavailable
from regions.events.messages import Event, to_text
from regions.records import Photo, Status, Tombstone, Upload, photo_from_json, to_json_text
from regions.stores.cassandra.address import key
from regions.stores.cassandra.deletion import Deletion
from regions.stores.cassandra.expiries import CassandraExpiries
from regions.stores.cassandra.outbox import PUT_EVENT, CassandraOutbox, Intent
from regions.stores.cassandra.partitions import TimeUuidGenerator, year_of
from regions.stores.cassandra.rows import UNLESS_DELETED, YearlyLists, first_record, photo_of
from regions.stores.cassandra.session import Call, CassandraSession, first_rows

_PHOTO = "SELECT DISTINCT photo_id, record FROM photos WHERE photo_id = ?"


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
        begin = "UPDATE photos SET status = ?, record = ?, upload = ? WHERE photo_id = ? IF status = null"
        self._expiries.note(key(photo.photo_id), upload.expires_at_ms)
        self._list(photo)
        self._session.decide((begin, photo.status, to_json_text(photo), to_json_text(upload), key(photo.photo_id)))

    def get(self, photo_id: str) -> Photo | None:
        return first_record(photo_of, self._session.rows(_PHOTO, key(photo_id)))

    def get_many(self, photo_ids: Collection[str]) -> dict[str, Photo]:
        # All are here before the first is read: to work in between keeps the driver's thread from the interpreter,
        # and a page took a fifth longer.
        found = self._session.each((_PHOTO, key(photo_id)) for photo_id in photo_ids)
        return {photo_id: photo_from_json(json.loads(record)) for photo_id, record in first_rows(found) if record}

    def by_owner(self, owner_id: str, before: str | None, limit: int) -> list[Photo]:
        query = "SELECT photo_id FROM photos_by_owner WHERE owner_id = ? AND year = ? AND photo_id < ? LIMIT ?"
        found: list[Photo] = []
        while len(found) < limit:
            listed = self._lists.newest(query, owner_id, before, limit)
            photos = self.get_many([photo_id for (photo_id,) in listed])
            owned = [photos[photo_id] for (photo_id,) in listed if photo_id in photos]
            found += [photo for photo in owned if photo.status is Status.READY and photo.owner_id == owner_id]
            if len(listed) < limit:
                break
            before = listed[-1][0]
        return found[:limit]

    def update(self, photo: Photo, expected: Collection[Status], event: Event | None) -> bool:
        if not expected:
            return False
        change = "UPDATE photos SET status = ?, record = ?, change_id = ? WHERE photo_id = ? IF status IN ?"
        statuses = [str(status) for status in expected]
        self._list(photo)
        intent = self._outbox.intend(key(photo.photo_id)) if event else None
        change_id = intent.intent_id if intent else self._uuids.next()
        call = (change, photo.status, to_json_text(photo), change_id, key(photo.photo_id), statuses)
        return self._change(key(photo.photo_id), change_id, call, intent, event)

    def put_replica_metadata(self, photo: Photo) -> None:
        self._list(photo)
        keep = f"UPDATE photos SET status = ?, record = ? {UNLESS_DELETED}"
        self._session.decide((keep, photo.status, to_json_text(photo), key(photo.photo_id)))

    def delete(self, tombstone: Tombstone, event: Event | None) -> bool:
        photo_id = key(tombstone.photo_id)
        delete = f"""UPDATE photos SET status = 'deleted', tombstone = ?, record = null, upload = null, change_id = ?
                   {UNLESS_DELETED}"""
        intent = self._outbox.intend(photo_id, deletion=True)
        call = (delete, to_json_text(tombstone), intent.intent_id, photo_id)
        if not self._change(photo_id, intent.intent_id, call, intent, event):
            return False
        self._deletion.finish(tombstone)
        if event is None:
            self._outbox.withdraw(intent)
        else:
            self._outbox.completed(intent)
        return True

    def _change(self, photo_id: str, change_id: UUID, change: Call, intent: Intent | None, event: Event | None) -> bool:
        """The change and its event in one conditional write; the intent is withdrawn where nothing came of it."""
        calls = [change]
        if event is not None:
            calls.append((PUT_EVENT, photo_id, change_id, to_text(event)))
        try:
            changed = self._session.decide(*calls)
        except Unavailable:
            # Cut off. A serial read ends what was begun, and shows whether this change is the one that stands.
            query = "SELECT DISTINCT photo_id, change_id FROM photos WHERE photo_id = ?"
            if [(photo_id, change_id)] != self._session.serial_rows(query, photo_id):
                raise
            changed = True
        if intent is not None and not changed:
            self._outbox.withdraw(intent)
        elif intent is not None and event is not None:
            self._outbox.written(intent, event)
        return changed

    def _list(self, photo: Photo) -> None:
        """Before the photo becomes ready: a crash in between leaves a row that `by_owner` passes over."""
        if photo.status is Status.READY:
            insert = "INSERT INTO photos_by_owner (owner_id, year, photo_id) VALUES (?, ?, ?)"
            self._session.rows(insert, key(photo.owner_id), year_of(photo.photo_id), key(photo.photo_id))


class CassandraUploads:
    def __init__(self, session: CassandraSession, expiries: CassandraExpiries) -> None:
        self._session, self._expiries = session, expiries

    def get(self, photo_id: str) -> Upload | None:
        query = "SELECT DISTINCT photo_id, upload FROM photos WHERE photo_id = ?"
        return first_record(Upload, self._session.rows(query, key(photo_id)))

    def expired(self, before_ms: int, limit: int) -> list[Upload]:
        return self._expiries.expired(before_ms, limit)

    def discard(self, photo_id: str) -> None:
        abandon = "DELETE status, record, upload FROM photos WHERE photo_id = ? IF status = 'uploading'"
        self._session.decide((abandon, key(photo_id)))


def upload_states(session: CassandraSession, photo_ids: list[str]) -> list[tuple[str | None, Upload | None]]:
    """Each photo's status and its upload; None for each that does not exist."""
    query = "SELECT DISTINCT photo_id, status, upload FROM photos WHERE photo_id = ?"
    found = session.each((query, photo_id) for photo_id in photo_ids)
    return [(rows[0][1], first_record(Upload, rows)) if rows else (None, None) for rows in found]
