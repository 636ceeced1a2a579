"""The catalog port over one SQLite file.

Records lie as JSON in the columns `record`; beside them stand the columns that are searched by. What a
tombstone forbids is asked in the statement that writes, so that no write can slip in behind a burial.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar

from regions.events.messages import Event, from_text, to_text
from regions.records import (
    AuditEntry,
    Comment,
    Photo,
    Replica,
    Status,
    Tombstone,
    Upload,
    User,
    photo_from_json,
    to_json,
)
from regions.stores.catalog import TombstoneEntry
from regions.stores.health import CheckResult
from regions.stores.sqlite import health
from regions.stores.sqlite.database import Database, exclusive_upper_bound, json_list

_SCHEMA = """
CREATE TABLE IF NOT EXISTS users (user_id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS photos (
    photo_id TEXT PRIMARY KEY, owner_id TEXT NOT NULL, status TEXT NOT NULL, record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS photos_ready ON photos (owner_id, photo_id) WHERE status = 'ready';
CREATE INDEX IF NOT EXISTS photos_uploading ON photos (photo_id) WHERE status = 'uploading';

CREATE TABLE IF NOT EXISTS uploads (
    photo_id TEXT PRIMARY KEY, expires_at_ms INTEGER NOT NULL, record TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS tombstones (
    position INTEGER PRIMARY KEY AUTOINCREMENT, photo_id TEXT NOT NULL UNIQUE, record TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS likes (
    photo_id TEXT NOT NULL, user_id TEXT NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (photo_id, user_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS comments (
    photo_id TEXT NOT NULL, comment_id TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (photo_id, comment_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS following (
    follower_id TEXT NOT NULL, author_id TEXT NOT NULL, PRIMARY KEY (follower_id, author_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS followers ON following (author_id, follower_id);

CREATE TABLE IF NOT EXISTS follower_regions (
    author_id TEXT NOT NULL, region TEXT NOT NULL, PRIMARY KEY (author_id, region)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS replicas (
    photo_id TEXT NOT NULL, region TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (photo_id, region)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS audit (
    position INTEGER PRIMARY KEY AUTOINCREMENT, photo_id TEXT NOT NULL, record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS audit_of ON audit (photo_id, position);

CREATE TABLE IF NOT EXISTS outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, event TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS outbox_of ON outbox (event_id);
"""

_UNLESS_BURIED = "WHERE NOT EXISTS (SELECT 1 FROM tombstones WHERE photo_id = ?1)"
_LAST_POSITION = (1 << 63) - 1

Record = TypeVar("Record")


class SqliteCatalog:
    """Positions of tombstones and the order of the outbox are the order of commits."""

    def __init__(self, path: str) -> None:
        self._file = Database(path, _SCHEMA)

    def add_user(self, user: User) -> None:
        self._write("INSERT OR REPLACE INTO users VALUES (?, ?)", user.user_id, _text(user))

    def user(self, user_id: str) -> User | None:
        return self._record(User, "SELECT record FROM users WHERE user_id = ?", user_id)

    def begin_photo(self, photo: Photo, upload: Upload) -> None:
        with self._file.writing() as connection:
            begun = connection.execute(f"INSERT OR IGNORE INTO photos SELECT ?, ?, ?, ? {_UNLESS_BURIED}", _row(photo))
            if begun.rowcount:
                row = (upload.photo_id, upload.expires_at_ms, _text(upload))
                connection.execute("INSERT INTO uploads VALUES (?, ?, ?)", row)

    def upload(self, photo_id: str) -> Upload | None:
        return self._record(Upload, "SELECT record FROM uploads WHERE photo_id = ?", photo_id)

    def abandon_photo(self, photo_id: str) -> None:
        with self._file.writing() as connection:
            gone = connection.execute("DELETE FROM photos WHERE photo_id = ? AND status = 'uploading'", (photo_id,))
            if gone.rowcount:
                connection.execute("DELETE FROM uploads WHERE photo_id = ?", (photo_id,))

    def expired_uploads(self, before_ms: int, limit: int) -> list[Upload]:
        query = """SELECT uploads.record FROM photos JOIN uploads USING (photo_id)
                   WHERE status = 'uploading' AND expires_at_ms < ? ORDER BY expires_at_ms LIMIT ?"""
        return self._records(Upload, query, before_ms, limit)

    def photo(self, photo_id: str) -> Photo | None:
        return self._record(_photo, "SELECT record FROM photos WHERE photo_id = ?", photo_id)

    def photos(self, photo_ids: Collection[str]) -> dict[str, Photo]:
        query = "SELECT record FROM photos WHERE photo_id IN (SELECT value FROM json_each(?))"
        return {photo.photo_id: photo for photo in self._records(_photo, query, json_list(photo_ids))}

    def photos_of(self, owner_id: str, before: str | None, limit: int) -> list[Photo]:
        query = """SELECT record FROM photos WHERE owner_id = ? AND status = 'ready' AND photo_id < ?
                   ORDER BY photo_id DESC LIMIT ?"""
        return self._records(_photo, query, owner_id, exclusive_upper_bound(before), limit)

    def change_photo(self, photo: Photo, expected: Collection[Status], event: Event | None) -> bool:
        change = """UPDATE photos SET owner_id = ?2, status = ?3, record = ?4
                    WHERE photo_id = ?1 AND status IN (SELECT value FROM json_each(?5))"""
        with self._file.writing() as connection:
            changed = connection.execute(change, (*_row(photo), json_list(expected)))
            if changed.rowcount:
                _put_out(connection, event)
            return bool(changed.rowcount)

    def keep_copy(self, photo: Photo) -> None:
        self._write(f"INSERT OR REPLACE INTO photos SELECT ?, ?, ?, ? {_UNLESS_BURIED}", *_row(photo))

    def bury(self, tombstone: Tombstone, event: Event | None) -> bool:
        row = (tombstone.photo_id, _text(tombstone))
        with self._file.writing() as connection:
            buried = connection.execute("INSERT OR IGNORE INTO tombstones (photo_id, record) VALUES (?, ?)", row)
            if buried.rowcount:
                for table in ("photos", "uploads", "likes", "comments"):
                    connection.execute(f"DELETE FROM {table} WHERE photo_id = ?", (tombstone.photo_id,))
                _put_out(connection, event)
            return bool(buried.rowcount)

    def tombstone(self, photo_id: str) -> Tombstone | None:
        return self._record(Tombstone, "SELECT record FROM tombstones WHERE photo_id = ?", photo_id)

    def tombstones_after(self, position: int, limit: int) -> list[TombstoneEntry]:
        query = "SELECT position, record FROM tombstones WHERE position > ? ORDER BY position LIMIT ?"
        with self._file.reading() as connection:
            rows = connection.execute(query, (min(max(position, 0), _LAST_POSITION), limit)).fetchall()
        return [TombstoneEntry(position, Tombstone(**json.loads(record))) for position, record in rows]

    def like(self, photo_id: str, user_id: str, at_ms: int) -> None:
        self._write(f"INSERT OR IGNORE INTO likes SELECT ?, ?, ? {_UNLESS_BURIED}", photo_id, user_id, at_ms)

    def unlike(self, photo_id: str, user_id: str) -> None:
        self._write("DELETE FROM likes WHERE photo_id = ? AND user_id = ?", photo_id, user_id)

    def likes(self, photo_id: str, before: str | None, limit: int) -> list[str]:
        query = "SELECT user_id FROM likes WHERE photo_id = ? AND user_id < ? ORDER BY user_id DESC LIMIT ?"
        return self._texts(query, photo_id, exclusive_upper_bound(before), limit)

    def add_comment(self, comment: Comment) -> None:
        row = (comment.photo_id, comment.comment_id, _text(comment))
        self._write(f"INSERT OR IGNORE INTO comments SELECT ?, ?, ? {_UNLESS_BURIED}", *row)

    def comments(self, photo_id: str, before: str | None, limit: int) -> list[Comment]:
        query = "SELECT record FROM comments WHERE photo_id = ? AND comment_id < ? ORDER BY comment_id DESC LIMIT ?"
        return self._records(Comment, query, photo_id, exclusive_upper_bound(before), limit)

    def set_following(self, follower_id: str, author_id: str, following: bool, event: Event) -> None:
        change = "DELETE FROM following WHERE follower_id = ? AND author_id = ?"
        if following:
            change = "INSERT OR IGNORE INTO following VALUES (?, ?)"
        with self._file.writing() as connection:
            connection.execute(change, (follower_id, author_id))
            _put_out(connection, event)

    def following(self, follower_id: str, before: str | None, limit: int) -> list[str]:
        query = """SELECT author_id FROM following WHERE follower_id = ? AND author_id < ?
                   ORDER BY author_id DESC LIMIT ?"""
        return self._texts(query, follower_id, exclusive_upper_bound(before), limit)

    def is_following(self, follower_id: str, author_ids: Collection[str]) -> set[str]:
        query = """SELECT author_id FROM following
                   WHERE follower_id = ? AND author_id IN (SELECT value FROM json_each(?))"""
        return set(self._texts(query, follower_id, json_list(author_ids)))

    def followers_here(self, author_id: str, before: str | None, limit: int) -> list[str]:
        query = """SELECT follower_id FROM following WHERE author_id = ? AND follower_id < ?
                   ORDER BY follower_id DESC LIMIT ?"""
        return self._texts(query, author_id, exclusive_upper_bound(before), limit)

    def note_follower_region(self, author_id: str, region: str) -> None:
        self._write("INSERT OR IGNORE INTO follower_regions VALUES (?, ?)", author_id, region)

    def follower_regions(self, author_id: str) -> set[str]:
        return set(self._texts("SELECT region FROM follower_regions WHERE author_id = ?", author_id))

    def record_replica(self, replica: Replica) -> None:
        row = (replica.photo_id, replica.region, _text(replica))
        self._write(f"INSERT OR REPLACE INTO replicas SELECT ?, ?, ? {_UNLESS_BURIED}", *row)

    def forget_replica(self, photo_id: str, region: str) -> None:
        self._write("DELETE FROM replicas WHERE photo_id = ? AND region = ?", photo_id, region)

    def replicas(self, photo_id: str) -> list[Replica]:
        return self._records(Replica, "SELECT record FROM replicas WHERE photo_id = ? ORDER BY region", photo_id)

    def append_audit(self, entries: Iterable[AuditEntry]) -> None:
        rows = [(entry.photo_id, _text(entry)) for entry in entries]
        with self._file.writing() as connection:
            connection.executemany("INSERT INTO audit (photo_id, record) VALUES (?, ?)", rows)

    def audit(self, photo_id: str, limit: int) -> list[AuditEntry]:
        query = "SELECT record FROM audit WHERE photo_id = ? ORDER BY position DESC LIMIT ?"
        return self._records(AuditEntry, query, photo_id, limit)[::-1]

    def outbox(self, limit: int) -> list[Event]:
        return [from_text(text) for text in self._texts("SELECT event FROM outbox ORDER BY position LIMIT ?", limit)]

    def published(self, events: Sequence[Event]) -> None:
        # By the whole event: a follow and its end in one millisecond share an id.
        rows = [(event.event_id, to_text(event)) for event in events]
        with self._file.writing() as connection:
            connection.executemany("DELETE FROM outbox WHERE event_id = ? AND event = ?", rows)

    def check_health(self) -> list[CheckResult]:
        return health.check_health(self._file, _SCHEMA)

    def close(self) -> None:
        self._file.close()

    def _write(self, statement: str, *values: Any) -> None:
        with self._file.writing() as connection:
            connection.execute(statement, values)

    def _texts(self, query: str, *values: Any) -> list[str]:
        with self._file.reading() as connection:
            return [text for (text,) in connection.execute(query, values)]

    def _records(self, kind: Callable[..., Record], query: str, *values: Any) -> list[Record]:
        return [kind(**json.loads(text)) for text in self._texts(query, *values)]

    def _record(self, kind: Callable[..., Record], query: str, *values: Any) -> Record | None:
        return next(iter(self._records(kind, query, *values)), None)


def _put_out(connection: sqlite3.Connection, event: Event | None) -> None:
    if event is not None:
        row = (event.event_id, to_text(event))
        connection.execute("INSERT INTO outbox (event_id, event) VALUES (?, ?)", row)


def _row(photo: Photo) -> tuple[str, str, str, str]:
    return photo.photo_id, photo.owner_id, photo.status, _text(photo)


def _text(record: Any) -> str:
    return json.dumps(to_json(record), separators=(",", ":"))


def _photo(**values: Any) -> Photo:
    return photo_from_json(values)
