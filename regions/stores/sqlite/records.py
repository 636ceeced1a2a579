"""The catalog port over one SQLite file: its schema, and the tables that record what happened to photos.

Records are stored as JSON in the columns `record`, next to the columns that are searched by. Positions of tombstones
and the order of the outbox are the order of commits. Photos and uploads are in `photos`, people in `social`.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from sqlite3 import Connection

from regions.events.messages import Event, UnreadableEvent, from_text
from regions.records import AuditEntry, Replica, Tombstone, from_json_text, to_json_text
from regions.stores.catalog import FORGET_AFTER_MS, TombstoneEntry, TombstonePage
from regions.stores.sqlite.database import Database
from regions.stores.sqlite.rows import UNLESS_DELETED, Table, put_in_outbox

log = logging.getLogger(__name__)

_DAY_MS = 86_400_000
_FORGOTTEN_AT_ONCE = 100

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (user_id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;

-- The ways in which a user proves who they are. `kind` is a passphrase or a recovery code; `verifier` is what checks
-- it (a salted hash), never the secret.
CREATE TABLE IF NOT EXISTS credentials (
    user_id TEXT NOT NULL, credential_id TEXT NOT NULL, kind TEXT NOT NULL, verifier TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL, PRIMARY KEY (user_id, credential_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS handles (handle TEXT PRIMARY KEY, user_id TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS sessions (
    user_id TEXT NOT NULL, session_id TEXT NOT NULL, version INTEGER NOT NULL, record TEXT NOT NULL,
    PRIMARY KEY (user_id, session_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS ended_sessions (
    at_ms INTEGER NOT NULL, session_id TEXT NOT NULL, regions TEXT NOT NULL, PRIMARY KEY (at_ms, session_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS account_erasures (user_id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS requests (
    request TEXT PRIMARY KEY, made TEXT NOT NULL, at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS requests_by_time ON requests (at_ms);

CREATE TABLE IF NOT EXISTS photos (
    photo_id TEXT PRIMARY KEY, owner_id TEXT NOT NULL, status TEXT NOT NULL,
    visibility TEXT NOT NULL DEFAULT 'public', record TEXT NOT NULL
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

CREATE INDEX IF NOT EXISTS likes_by_user ON likes (user_id, photo_id);

CREATE TABLE IF NOT EXISTS comments (
    photo_id TEXT NOT NULL, comment_id TEXT NOT NULL, author_id TEXT NOT NULL, record TEXT NOT NULL,
    PRIMARY KEY (photo_id, comment_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS comments_by_author ON comments (author_id, comment_id);

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

CREATE TABLE IF NOT EXISTS arrivals (photo_id TEXT PRIMARY KEY, until_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS arrivals_by_time ON arrivals (until_ms);

-- Other regions' records. `document` is NULL once the record is gone at its home.
CREATE TABLE IF NOT EXISTS copies (
    about TEXT NOT NULL, kind TEXT NOT NULL, part TEXT NOT NULL, home TEXT NOT NULL, version INTEGER NOT NULL,
    document TEXT, PRIMARY KEY (about, kind, part)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS copies_of ON copies (home, kind, about, part);

CREATE TABLE IF NOT EXISTS audit (
    position INTEGER PRIMARY KEY AUTOINCREMENT, photo_id TEXT NOT NULL, record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS audit_of ON audit (photo_id, position);

CREATE TABLE IF NOT EXISTS outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, event TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS outbox_of ON outbox (event_id);
"""

_CHAIN = 0
"""All processes that share the file write it one after the other, so one chain of tombstones is enough."""


class SqliteTombstones(Table):
    def get(self, photo_id: str) -> Tombstone | None:
        return self._record(Tombstone, "SELECT record FROM tombstones WHERE photo_id = ?", photo_id)

    def after(self, cursors: Mapping[int, int], limit: int) -> TombstonePage:
        query = "SELECT position, record FROM tombstones WHERE position > ? ORDER BY position LIMIT ?"
        with self._database.reading() as connection:
            last = connection.execute("SELECT max(position) FROM tombstones").fetchone()[0] or 0
            position = cursors.get(_CHAIN, 0)
            rows = connection.execute(query, (position if 0 <= position <= last else 0, limit)).fetchall()
        entries = [TombstoneEntry(_CHAIN, position, from_json_text(Tombstone, record)) for position, record in rows]
        return TombstonePage(entries, complete=len(entries) < limit)


class SqliteReplicas(Table):
    def put(self, replica: Replica) -> None:
        row = (replica.photo_id, replica.region, to_json_text(replica))
        self._write(f"INSERT OR REPLACE INTO replicas (photo_id, region, record) SELECT ?, ?, ? {UNLESS_DELETED}", *row)

    def remove(self, photo_id: str, region: str) -> None:
        self._write("DELETE FROM replicas WHERE photo_id = ? AND region = ?", photo_id, region)

    def of_photo(self, photo_id: str) -> list[Replica]:
        return self._records(Replica, "SELECT record FROM replicas WHERE photo_id = ? ORDER BY region", photo_id)


class SqliteArrivals(Table):
    def __init__(self, database: Database, clock_ms: Callable[[], int]) -> None:
        super().__init__(database)
        self._clock_ms = clock_ms

    def expect(self, photo_id: str, until_ms: int) -> None:
        """Removes what is forgotten in the same write: more than it adds, and never so much that others wait."""
        forget = """DELETE FROM arrivals WHERE photo_id IN
                    (SELECT photo_id FROM arrivals WHERE until_ms < ? ORDER BY until_ms LIMIT ?)"""
        upsert = """INSERT INTO arrivals (photo_id, until_ms) VALUES (?, ?)
                    ON CONFLICT (photo_id) DO UPDATE SET until_ms = max(until_ms, excluded.until_ms)"""

        def change(connection: Connection) -> None:
            connection.execute(forget, (self._clock_ms() - FORGET_AFTER_MS, _FORGOTTEN_AT_ONCE))
            connection.execute(upsert, (photo_id, until_ms))

        self._database.write(change)

    def until(self, photo_id: str) -> int | None:
        with self._database.reading() as connection:
            row = connection.execute("SELECT until_ms FROM arrivals WHERE photo_id = ?", (photo_id,)).fetchone()
        return int(row[0]) if row else None


class SqliteAuditLog(Table):
    def append(self, entries: Iterable[AuditEntry]) -> None:
        rows = [(entry.photo_id, to_json_text(entry)) for entry in entries]
        insert = "INSERT INTO audit (photo_id, record) VALUES (?, ?)"
        self._database.write(lambda connection: connection.executemany(insert, rows))

    def latest(self, photo_id: str, limit: int) -> list[AuditEntry]:
        query = "SELECT record FROM audit WHERE photo_id = ? ORDER BY position DESC LIMIT ?"
        return self._records(AuditEntry, query, photo_id, limit)[::-1]


class SqliteRequests(Table):
    def first(self, request: str, made: str, at_ms: int) -> str:
        insert = "INSERT OR IGNORE INTO requests (request, made, at_ms) VALUES (?, ?, ?)"
        with self._database.writing() as connection:
            connection.execute("DELETE FROM requests WHERE at_ms < ?", (at_ms - _DAY_MS,))
            connection.execute(insert, (request, made, at_ms))
            row = connection.execute("SELECT made FROM requests WHERE request = ?", (request,)).fetchone()
        return str(row[0])


class SqliteOutbox(Table):
    def add(self, event: Event) -> None:
        with self._database.writing() as connection:
            put_in_outbox(connection, event)

    def pending(self, limit: int) -> list[Event]:
        """Leaves out what this program can't read: the newer program that wrote it will publish it."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT event FROM outbox ORDER BY position")
            return list(islice(_readable(text for (text,) in rows), limit))

    def remove(self, events: Sequence[Event]) -> None:
        with self._database.writing() as connection:
            for event in events:
                _remove(connection, event)


def _remove(connection: Connection, event: Event) -> None:
    """Compares the whole event: a follow and its end within one millisecond share an id."""
    rows = connection.execute("SELECT position, event FROM outbox WHERE event_id = ?", (event.event_id,)).fetchall()
    same = [(position,) for position, text in rows if event in _readable([text])]
    connection.executemany("DELETE FROM outbox WHERE position = ?", same)


def _readable(texts: Iterable[str]) -> Iterator[Event]:
    for text in texts:
        try:
            yield from_text(text)
        except UnreadableEvent as error:
            log.error("unreadable event in the outbox", extra={"error": str(error)})
