"""Handles, credentials, sessions and erasures of accounts in the SQLite catalog."""

import json
import sqlite3
from collections.abc import Collection

from regions.account_records import Credential, EndedSession, UserSession, session_from_text, session_to_text
from regions.events.messages import Event
from regions.stores.sqlite.rows import Table, put_in_outbox

_KEEP_ENDED_MS = 2 * 3_600_000


class SqliteHandles(Table):
    def claim(self, handle: str, user_id: str) -> bool:
        with self._database.writing() as connection:
            connection.execute("INSERT OR IGNORE INTO handles (handle, user_id) VALUES (?, ?)", (handle, user_id))
            row = connection.execute("SELECT user_id FROM handles WHERE handle = ?", (handle,)).fetchone()
        return bool(row == (user_id,))

    def owner(self, handle: str) -> str | None:
        return next(iter(self._texts("SELECT user_id FROM handles WHERE handle = ?", handle)), None)


class SqliteCredentials(Table):
    def of_user(self, user_id: str) -> list[Credential]:
        query = "SELECT credential_id, kind, verifier, created_at_ms FROM credentials WHERE user_id = ?"
        with self._database.reading() as connection:
            return [Credential(*row) for row in connection.execute(query, (user_id,))]

    def replace(
        self, user_id: str, old: Collection[Credential], new: Collection[Credential], event: Event | None = None
    ) -> bool:
        delete = "DELETE FROM credentials WHERE user_id = ? AND credential_id = ? AND verifier = ?"
        insert = """INSERT INTO credentials (user_id, credential_id, kind, verifier, created_at_ms)
                    VALUES (?, ?, ?, ?, ?)"""
        try:
            with self._database.writing() as connection:
                for one in old:
                    _require_one(connection.execute(delete, (user_id, one.credential_id, one.verifier)))
                for one in new:
                    row = (user_id, one.credential_id, one.kind, one.verifier, one.created_at_ms)
                    connection.execute(insert, row)
                put_in_outbox(connection, event)
        except (_NotThere, sqlite3.IntegrityError):
            return False
        return True


class SqliteSessions(Table):
    def add(self, session: UserSession) -> None:
        insert = "INSERT OR REPLACE INTO sessions (user_id, session_id, version, record) VALUES (?, ?, ?, ?)"
        self._write(insert, session.user_id, session.session_id, session.version, session_to_text(session))

    def get(self, user_id: str, session_id: str) -> UserSession | None:
        query = "SELECT record FROM sessions WHERE user_id = ? AND session_id = ?"
        return next(map(session_from_text, self._texts(query, user_id, session_id)), None)

    def of_user(self, user_id: str) -> list[UserSession]:
        return list(map(session_from_text, self._texts("SELECT record FROM sessions WHERE user_id = ?", user_id)))

    def change(self, session: UserSession) -> bool:
        update = "UPDATE sessions SET version = ?, record = ? WHERE user_id = ? AND session_id = ? AND version = ?"
        values = (session.version, session_to_text(session), session.user_id, session.session_id, session.version - 1)
        with self._database.writing() as connection:
            return connection.execute(update, values).rowcount == 1

    def remove(self, user_id: str, session_id: str) -> None:
        self._write("DELETE FROM sessions WHERE user_id = ? AND session_id = ?", user_id, session_id)


class SqliteEndedSessions(Table):
    def add(self, ended: EndedSession) -> None:
        insert = "INSERT OR REPLACE INTO ended_sessions (at_ms, session_id, regions) VALUES (?, ?, ?)"
        with self._database.writing() as connection:
            connection.execute(insert, (ended.at_ms, ended.session_id, json.dumps(ended.regions)))
            connection.execute("DELETE FROM ended_sessions WHERE at_ms < ?", (ended.at_ms - _KEEP_ENDED_MS,))

    def after(self, at_ms: int, session_id: str, limit: int) -> list[EndedSession]:
        query = """SELECT session_id, at_ms, regions FROM ended_sessions WHERE (at_ms, session_id) > (?, ?)
                   ORDER BY at_ms, session_id LIMIT ?"""
        with self._database.reading() as connection:
            rows = connection.execute(query, (at_ms, session_id, limit)).fetchall()
        return [EndedSession(one, ended_at_ms, tuple(json.loads(regions))) for one, ended_at_ms, regions in rows]


class SqliteErasures(Table):
    def add(self, user_id: str, at_ms: int) -> None:
        self._write("INSERT OR IGNORE INTO account_erasures (user_id, at_ms) VALUES (?, ?)", user_id, at_ms)

    def pending(self, after: str | None, limit: int) -> list[tuple[str, int]]:
        query = "SELECT user_id, at_ms FROM account_erasures WHERE user_id > ? ORDER BY user_id LIMIT ?"
        with self._database.reading() as connection:
            return connection.execute(query, (after or "", limit)).fetchall()

    def remove(self, user_id: str) -> None:
        self._write("DELETE FROM account_erasures WHERE user_id = ?", user_id)


class _NotThere(Exception):
    """Rolls the transaction back."""


def _require_one(deleted: sqlite3.Cursor) -> None:
    if deleted.rowcount != 1:
        raise _NotThere
