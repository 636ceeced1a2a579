"""Locks in Consul: a key that a session has acquired.

Only Consul's leader decides when a lock has run out, so two clocks can't disagree on who holds it. A session ends at
the earliest one TTL after Consul received its last renewal. The holder stops relying on it one TTL after it *sent* that
renewal, which is earlier. So the old holder has stopped before a new one starts, and no lock delay is needed.

The fencing token is the key's ModifyIndex when the lock was acquired. Nothing writes the key while it is held, so an
equal ModifyIndex means the same acquisition; `renew` and `release` compare it before they use the session. The index
comes from Consul's counter of all writes, so it grows even if somebody deletes the key by hand. (LockIndex would start
again, so tokens would repeat.)
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
        # If somebody acquired the key since our read, Consul refuses our `acquire`. The second read gets the
        # ModifyIndex. If our session has ended since, that is another holder's, so the session is compared too.
        session_ttl_s = min(_MAX_TTL_S, max(_MIN_TTL_S, math.ceil(ttl_s)))
        session = self._connection.begin_session(f"{self._connection.root}/{name}", session_ttl_s)
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


def _path(name: str) -> str:
    return f"locks/{name}"
