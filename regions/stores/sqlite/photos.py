"""Photos and their uploads in the SQLite catalog."""

from collections.abc import Collection

from regions.events.messages import Event
from regions.records import PUBLIC, Fingerprint, Photo, PhotoSummary, Status, Tombstone, Upload, to_json_text
from regions.stores.paging import exclusive_upper_bound
from regions.stores.sqlite.database import json_list
from regions.stores.sqlite.rows import UNLESS_DELETED, Table, put_in_outbox

_COLUMNS = "photo_id, owner_id, status, visibility, record"


class SqlitePhotos(Table):
    def create(self, photo: Photo, upload: Upload) -> None:
        insert = f"INSERT OR IGNORE INTO photos ({_COLUMNS}) SELECT ?, ?, ?, ?, ? {UNLESS_DELETED}"
        with self._database.writing() as connection:
            if connection.execute(insert, _row(photo)).rowcount:
                row = (upload.photo_id, upload.expires_at_ms, to_json_text(upload))
                connection.execute("INSERT INTO uploads (photo_id, expires_at_ms, record) VALUES (?, ?, ?)", row)

    def get(self, photo_id: str) -> Photo | None:
        return self._record(Photo, "SELECT record FROM photos WHERE photo_id = ?", photo_id)

    def summaries(self, photo_ids: Collection[str]) -> dict[str, PhotoSummary]:
        query = "SELECT record FROM photos WHERE photo_id IN (SELECT value FROM json_each(?))"
        return {photo.photo_id: photo for photo in self._records(PhotoSummary, query, json_list(photo_ids))}

    def by_owner(self, owner_id: str, before: str | None, limit: int) -> list[PhotoSummary]:
        # What `Photo.is_public` says, for an index.
        query = """SELECT record FROM photos WHERE owner_id = ? AND status = 'ready' AND visibility = ? AND photo_id < ?
                   ORDER BY photo_id DESC LIMIT ?"""
        return self._records(PhotoSummary, query, owner_id, PUBLIC, exclusive_upper_bound(before), limit)

    def fingerprints(self, owner_id: str, limit: int) -> list[Fingerprint]:
        query = """SELECT photo_id, record ->> '$.perceptual_hash', record ->> '$.near_duplicate_of' FROM photos
                   WHERE owner_id = ? AND status = 'ready' AND json_valid(record) ORDER BY photo_id DESC LIMIT ?"""
        with self._database.reading() as connection:
            rows = connection.execute(query, (owner_id, limit)).fetchall()
        return [Fingerprint(*row) for row in rows if row[1] is not None]

    def update(self, photo: Photo, expected: Collection[Status], event: Event | None) -> bool:
        change = """UPDATE photos SET owner_id = ?2, status = ?3, visibility = ?4, record = ?5
                    WHERE photo_id = ?1 AND status IN (SELECT value FROM json_each(?6))"""
        with self._database.writing() as connection:
            changed = connection.execute(change, (*_row(photo), json_list(expected)))
            if changed.rowcount:
                put_in_outbox(connection, event)
            return bool(changed.rowcount)

    def put_replica_metadata(self, photo: Photo) -> None:
        self._write(f"INSERT OR REPLACE INTO photos ({_COLUMNS}) SELECT ?, ?, ?, ?, ? {UNLESS_DELETED}", *_row(photo))

    def delete(self, tombstone: Tombstone, event: Event | None) -> bool:
        row = (tombstone.photo_id, to_json_text(tombstone))
        with self._database.writing() as connection:
            inserted = connection.execute("INSERT OR IGNORE INTO tombstones (photo_id, record) VALUES (?, ?)", row)
            if inserted.rowcount:
                for table in ("photos", "uploads", "likes", "comments"):
                    connection.execute(f"DELETE FROM {table} WHERE photo_id = ?", (tombstone.photo_id,))
                connection.execute("DELETE FROM copies WHERE about = ?", (tombstone.photo_id,))
                put_in_outbox(connection, event)
            return bool(inserted.rowcount)


class SqliteUploads(Table):
    def get(self, photo_id: str) -> Upload | None:
        return self._record(Upload, "SELECT record FROM uploads WHERE photo_id = ?", photo_id)

    def expired(self, before_ms: int, limit: int, shard: int) -> list[Upload]:
        """One process after another writes to the file, so that they all are in the first shard."""
        if shard != 0:
            return []
        query = """SELECT uploads.record FROM photos JOIN uploads USING (photo_id)
                   WHERE status = 'uploading' AND expires_at_ms < ? ORDER BY expires_at_ms LIMIT ?"""
        return self._records(Upload, query, before_ms, limit)

    def discard(self, photo_id: str) -> bool:
        with self._database.writing() as connection:
            removed = connection.execute("DELETE FROM photos WHERE photo_id = ? AND status = 'uploading'", (photo_id,))
            if removed.rowcount:
                connection.execute("DELETE FROM uploads WHERE photo_id = ?", (photo_id,))
            return bool(removed.rowcount)


def _row(photo: Photo) -> tuple[str, str, str, str, str]:
    return photo.photo_id, photo.owner_id, photo.status, photo.visibility, to_json_text(photo)
