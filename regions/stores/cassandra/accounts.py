"""Handles, credentials, sessions and erasures of accounts in Cassandra.

Everything that two processes may change at once is changed by conditional writes only. After one whose outcome is
unknown, a serial read completes it and says what it was (as in `photos`): handles name their user, verifiers and
sessions contain what is random, so that one can tell one's own write from another's.

A session is one JSON text: it is read and replaced as a whole, by its version, and no column of it is searched.
"""

import json
from collections.abc import Callable, Collection, Iterator

from regions.account_records import Credential, EndedSession, UserSession, session_from_text, session_to_text
from regions.errors import Unavailable
from regions.events.messages import Event
from regions.stores.cassandra.address import key
from regions.stores.cassandra.columns import unix_ms
from regions.stores.cassandra.outbox import CassandraOutbox
from regions.stores.cassandra.session import Call, CassandraSession, Row

_MINUTE_MS = 60_000
_CREDENTIALS = "SELECT credential_id, kind, verifier, created_at FROM credentials WHERE user_id = ?"
_SESSION = "SELECT record FROM sessions WHERE user_id = ? AND session_id = ?"


class CassandraHandles:
    def __init__(self, session: CassandraSession) -> None:
        self._session = session

    def claim(self, handle: str, user_id: str) -> bool:
        insert = "INSERT INTO handles (handle, user_id) VALUES (?, ?) IF NOT EXISTS"
        try:
            if self._session.execute_conditional((insert, key(handle), user_id)):
                return True
        except Unavailable:
            # The serial read raises too if the store can't be reached.
            if not (rows := self._owners(handle)):
                raise
            return rows[0] == user_id
        return self._owners(handle) == [user_id]

    def owner(self, handle: str) -> str | None:
        rows = self._session.execute("SELECT user_id FROM handles WHERE handle = ?", key(handle))
        return rows[0][0] if rows else None

    def _owners(self, handle: str) -> list[str]:
        rows = self._session.execute_serial("SELECT user_id FROM handles WHERE handle = ?", key(handle))
        return [user_id for (user_id,) in rows]


class CassandraCredentials:
    def __init__(self, session: CassandraSession, outbox: CassandraOutbox) -> None:
        self._session, self._outbox = session, outbox

    def of_user(self, user_id: str) -> list[Credential]:
        return [_credential(row) for row in self._session.execute(_CREDENTIALS, key(user_id))]

    def replace(
        self, user_id: str, old: Collection[Credential], new: Collection[Credential], event: Event | None = None
    ) -> bool:
        return self._outbox.change_with_event(event, lambda: self._replace(user_id, old, new))

    def _replace(self, user_id: str, old: Collection[Credential], new: Collection[Credential]) -> bool:
        calls = list(_replacing(key(user_id), old, new))
        if not calls:
            return True
        try:
            return self._session.execute_conditional(*calls)
        except Unavailable:
            present = {_credential(row) for row in self._session.execute_serial(_CREDENTIALS, key(user_id))}
            # One that takes its own place is no sign of either.
            if (set(old) - set(new)) & present or not set(new) <= present:
                raise
            return True


class CassandraSessions:
    def __init__(self, session: CassandraSession) -> None:
        self._session = session

    def add(self, session: UserSession) -> None:
        insert = "INSERT INTO sessions (user_id, session_id, version, record) VALUES (?, ?, ?, ?) IF NOT EXISTS"
        row = key(session.user_id), key(session.session_id), session.version, session_to_text(session)
        # Its id is random, so that repeating it, should the outcome be unknown, is up to the caller.
        self._session.execute_conditional((insert, *row))

    def get(self, user_id: str, session_id: str) -> UserSession | None:
        rows = self._session.execute(_SESSION, key(user_id), key(session_id))
        return session_from_text(rows[0][0]) if rows else None

    def of_user(self, user_id: str) -> list[UserSession]:
        rows = self._session.execute("SELECT record FROM sessions WHERE user_id = ?", key(user_id))
        return [session_from_text(text) for (text,) in rows]

    def change(self, session: UserSession) -> bool:
        update = "UPDATE sessions SET version = ?, record = ? WHERE user_id = ? AND session_id = ? IF version = ?"
        text, ids = session_to_text(session), (key(session.user_id), key(session.session_id))
        try:
            return self._session.execute_conditional((update, session.version, text, *ids, session.version - 1))
        except Unavailable:
            if self._session.execute_serial(_SESSION, *ids) != [(text,)]:
                raise
            return True

    def remove(self, user_id: str, session_id: str) -> None:
        delete = "DELETE FROM sessions WHERE user_id = ? AND session_id = ? IF EXISTS"
        self._session.execute_conditional((delete, key(user_id), key(session_id)))


class CassandraEndedSessions:
    """The sessions that ended in one minute are one partition; rows expire after two hours."""

    def __init__(self, session: CassandraSession, clock_ms: Callable[[], int]) -> None:
        self._session, self._clock_ms = session, clock_ms

    def add(self, ended: EndedSession) -> None:
        insert = "INSERT INTO ended_sessions (minute, at_ms, session_id, regions) VALUES (?, ?, ?, ?)"
        row = ended.at_ms // _MINUTE_MS, ended.at_ms, key(ended.session_id), json.dumps(ended.regions)
        self._session.execute(insert, *row)

    def after(self, at_ms: int, session_id: str, limit: int) -> list[EndedSession]:
        """Reads the last hour at most, minute by minute."""
        query = (
            "SELECT session_id, at_ms, regions FROM ended_sessions"
            " WHERE minute = ? AND (at_ms, session_id) > (?, ?) LIMIT ?"
        )
        # Another process's clock may be ahead.
        last = (self._clock_ms() + _MINUTE_MS) // _MINUTE_MS
        first = max(at_ms // _MINUTE_MS, last - 61)
        calls = [(query, minute, at_ms, session_id, limit) for minute in range(first, last + 1)]
        rows = [row for found in self._session.execute_concurrent(calls) for row in found][:limit]
        return [EndedSession(one, ended_at_ms, tuple(json.loads(regions))) for one, ended_at_ms, regions in rows]


class CassandraErasures:
    def __init__(self, session: CassandraSession) -> None:
        self._session = session

    def add(self, user_id: str, at_ms: int) -> None:
        insert = "INSERT INTO account_erasures (one, user_id, at_ms) VALUES (0, ?, ?) IF NOT EXISTS"
        self._session.execute_conditional((insert, key(user_id), at_ms))

    def pending(self, after: str | None, limit: int) -> list[tuple[str, int]]:
        query = "SELECT user_id, at_ms FROM account_erasures WHERE one = 0 AND user_id > ? LIMIT ?"
        return [(user_id, at_ms) for user_id, at_ms in self._session.execute(query, after or "", limit)]

    def remove(self, user_id: str) -> None:
        delete = "DELETE FROM account_erasures WHERE one = 0 AND user_id = ? IF EXISTS"
        self._session.execute_conditional((delete, key(user_id)))


def _replacing(user_id: str, old: Collection[Credential], new: Collection[Credential]) -> Iterator[Call]:
    """A write for each credential: within one batch, a deletion would win over an insertion of the same row."""
    gone = {one.credential_id: one for one in old}
    for one in new:
        values = one.kind, one.verifier, one.created_at_ms
        before = gone.pop(one.credential_id, None)
        if before is not None:
            update = "UPDATE credentials SET kind = ?, verifier = ?, created_at = ? WHERE user_id = ?"
            yield (
                f"{update} AND credential_id = ? IF verifier = ?",
                *values,
                user_id,
                one.credential_id,
                before.verifier,
            )
        else:
            insert = "INSERT INTO credentials (kind, verifier, created_at, user_id, credential_id)"
            yield f"{insert} VALUES (?, ?, ?, ?, ?) IF NOT EXISTS", *values, user_id, one.credential_id
    for one in gone.values():
        delete = "DELETE FROM credentials WHERE user_id = ? AND credential_id = ? IF verifier = ?"
        yield delete, user_id, one.credential_id, one.verifier


def _credential(row: Row) -> Credential:
    credential_id, kind, verifier, created_at = row
    return Credential(credential_id, kind, verifier, unix_ms(created_at))
