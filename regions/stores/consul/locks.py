"""Holds in Consul: a key that a session has acquired.

Consul's leader alone tells the time here, so that no two clocks can disagree on whose the hold is. A session ends at
least its TTL after its last renewal was heard, and its holder stops counting on it one TTL after that was sent, so
that the two don't overlap and no lock delay is wanted.

The fence is the key's ModifyIndex when it was acquired: nothing writes the key while it is held, and the index grows
for ever, even where the key is deleted by hand (LockIndex would begin again).
"""

import math

from regions.stores.consul.connection import Connection
from regions.stores.settings import Lock, check_word

# What Consul takes.
_MIN_TTL_S, _MAX_TTL_S = 10, 86_400


def hold(connection: Connection, name: str, holder: str, ttl_s: float) -> Lock | None:
    check_word(name)
    path = _path(name)
    before = connection.get(path)
    if before and before.session:
        return None
    session = connection.begin_session(f"{connection.root}/{name}", _ttl_s(ttl_s))
    if connection.acquire(path, holder, session):
        held = connection.get(path)
        if held and held.session == session:
            return Lock(name, holder, held.version, ttl_s)
    connection.end_session(session)
    return None


def renew(connection: Connection, lock: Lock) -> bool:
    session = _session(connection, lock)
    return session is not None and connection.renew_session(session)


def release(connection: Connection, lock: Lock) -> None:
    session = _session(connection, lock)
    if session is not None:
        connection.end_session(session)


def _session(connection: Connection, lock: Lock) -> str | None:
    """The one that has the key since this lock was acquired, else None."""
    entry = connection.get(_path(lock.name))
    return entry.session if entry and entry.version == lock.fencing_token else None


def _ttl_s(ttl_s: float) -> int:
    return min(_MAX_TTL_S, max(_MIN_TTL_S, math.ceil(ttl_s)))


def _path(name: str) -> str:
    return f"holds/{name}"
