"""Locks in Consul: a key that a session has acquired.

Consul's leader alone tells the time here, so that no two clocks can disagree on who holds a lock. A session ends at
the earliest one TTL after Consul heard its last renewal, and its holder stops relying on it one TTL after it sent that
renewal. The two can't overlap, so no lock delay is needed.

The fencing token is the key's ModifyIndex when it was acquired: nothing writes the key while it is held, and the index
grows for ever, even if the key is deleted by hand (LockIndex would start again).
"""

import math

from regions.stores.consul.connection import Connection
from regions.stores.settings import Lock, check_word

# The limits that Consul sets.
_MIN_TTL_S, _MAX_TTL_S = 10, 86_400


class ConsulLocks:
    """Safe to share between threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def acquire(self, name: str, holder: str, ttl_s: float) -> Lock | None:
        check_word(name)
        path = _path(name)
        before = self._connection.get(path)
        if before and before.session:
            return None
        session = self._connection.begin_session(f"{self._connection.root}/{name}", _ttl_s(ttl_s))
        if self._connection.acquire(path, holder, session):
            acquired = self._connection.get(path)
            if acquired and acquired.session == session:
                return Lock(name, holder, acquired.version, ttl_s)
        self._connection.end_session(session)
        return None

    def renew(self, lock: Lock) -> bool:
        session = self._session(lock)
        return session is not None and self._connection.renew_session(session)

    def release(self, lock: Lock) -> None:
        session = self._session(lock)
        if session is not None:
            self._connection.end_session(session)

    def _session(self, lock: Lock) -> str | None:
        """The session that has held the key since this lock was acquired, else None."""
        entry = self._connection.get(_path(lock.name))
        return entry.session if entry and entry.version == lock.fencing_token else None


def _ttl_s(ttl_s: float) -> int:
    return min(_MAX_TTL_S, max(_MIN_TTL_S, math.ceil(ttl_s)))


def _path(name: str) -> str:
    return f"locks/{name}"
