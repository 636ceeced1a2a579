"""The tables of the Cassandra catalog, as numbered migrations.

A migration that has been released is never changed: the next one mends it. Each statement is safe to run twice,
and any number of nodes may start at once: one of them holds the lock row and works, the others wait for it.
"""

import time
from random import random
from uuid import NAMESPACE_OID, uuid4, uuid5

from regions.errors import Unavailable
from regions.retry import backoff_s
from regions.stores.cassandra.session import CassandraSession, InvalidRequest

_LOCK_S = 60
_WAIT_S = 120.0

# An hour, where rows live for minutes: what a node that was away for longer brings back, consumers know already.
_SHORT_LIVED = "gc_grace_seconds = 3600 AND memtable_flush_period_in_ms = 3600000"

MIGRATIONS: tuple[tuple[tuple[str, str], ...], ...] = (
    (
        ("users", "(user_id text PRIMARY KEY, record text)"),
        # One partition holds all that must change in one conditional write: the photo, its upload, its replicas,
        # its tombstone, and the events that are not yet published.
        (
            "photos",
            """(photo_id text, event_id timeuuid, event text,
                status text static, record text static, upload text static, tombstone text static,
                change_id timeuuid static, replicas map<text, text> static,
                PRIMARY KEY (photo_id, event_id))""",
        ),
        # Ids only, of photos that are or were about to become ready: the photo itself says what it is.
        (
            "photos_by_owner",
            """(owner_id text, year int, photo_id text, PRIMARY KEY ((owner_id, year), photo_id))
               WITH CLUSTERING ORDER BY (photo_id DESC)""",
        ),
        (
            "likes",
            """(photo_id text, year int, user_id text, at_ms bigint, PRIMARY KEY ((photo_id, year), user_id))
               WITH CLUSTERING ORDER BY (user_id DESC)""",
        ),
        (
            "comments",
            """(photo_id text, year int, comment_id text, record text, PRIMARY KEY ((photo_id, year), comment_id))
               WITH CLUSTERING ORDER BY (comment_id DESC)""",
        ),
        (
            "following",
            """(follower_id text, author_id text, PRIMARY KEY (follower_id, author_id))
               WITH CLUSTERING ORDER BY (author_id DESC)""",
        ),
        (
            "followers",
            """(author_id text, year int, follower_id text, PRIMARY KEY ((author_id, year), follower_id))
               WITH CLUSTERING ORDER BY (follower_id DESC)""",
        ),
        ("follower_regions", "(author_id text, region text, PRIMARY KEY (author_id, region))"),
        (
            "audit",
            """(photo_id text, year int, entry_id timeuuid, record text, PRIMARY KEY ((photo_id, year), entry_id))
               WITH CLUSTERING ORDER BY (entry_id DESC)""",
        ),
        ("tombstones", "(bucket bigint, position bigint, record text, PRIMARY KEY (bucket, position))"),
        (
            "outbox",
            f"""(minute bigint, shard int, intent_id timeuuid, photo_id text, event text, deletion boolean,
                PRIMARY KEY ((minute, shard), intent_id)) WITH {_SHORT_LIVED}""",
        ),
        ("outbox_minutes", f"(one int, minute bigint, PRIMARY KEY (one, minute)) WITH {_SHORT_LIVED}"),
        (
            "expiries",
            f"""(slot bigint, expires_at_ms bigint, photo_id text, PRIMARY KEY (slot, expires_at_ms, photo_id))
               WITH {_SHORT_LIVED}""",
        ),
        ("expiry_slots", f"(one int, slot bigint, PRIMARY KEY (one, slot)) WITH {_SHORT_LIVED}"),
    ),
)
"""Version 1 first. A migration is tables to make, by name."""

_VERSIONS = ("schema_versions", "(one int, version int, at timestamp, PRIMARY KEY (one, version))")
_LOCK = ("schema_lock", "(one int PRIMARY KEY, holder text)")


def migrate(session: CassandraSession) -> None:
    """Brings the keyspace to the newest version, or waits for the process that does. Raises Unavailable.

    A holder that dies gives the lock back after a minute; what it had made is made again, to no effect.
    """
    holder, attempt, deadline_s = uuid4().hex, 0, time.monotonic() + _WAIT_S
    while not _work(session, holder, time.monotonic() > deadline_s):
        time.sleep(backoff_s(attempt, random))
        attempt += 1


def _work(session: CassandraSession, holder: str, is_last: bool) -> bool:
    """Whether the schema is the newest; migrates where nobody else does."""
    try:
        _make_keyspace(session)
        if _is_newest(session):
            return True
        if _take_lock(session, holder):
            try:
                _run_missing(session)
            finally:
                session.decide(("DELETE FROM schema_lock WHERE one = 0 IF holder = ?", holder))
        elif is_last:
            raise Unavailable("another node has been changing the store's schema for too long")
    except InvalidRequest:
        # What another node is just making can be read in the system's tables a moment before it can be used.
        if is_last:
            raise
    return False


def _make_keyspace(session: CassandraSession) -> None:
    address = session.address
    # Asked first, so that an operator may make it and give the service no right to make keyspaces.
    found = session.text(
        f"SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '{address.keyspace}'"
    )
    if not found:
        session.change_schema(
            f"CREATE KEYSPACE IF NOT EXISTS {address.keyspace} WITH replication ="
            f" {{'class': 'NetworkTopologyStrategy', '{address.datacenter}': {address.replication}}}"
        )
    session.use(address.keyspace)


def _is_newest(session: CassandraSession) -> bool:
    known = session.text(
        f"SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{session.address.keyspace}'"
    )
    if not {("schema_versions",), ("schema_lock",)} <= set(known):
        for name, columns in (_VERSIONS, _LOCK):
            _make_table(session, name, columns)
    # One that a newer program has migrated further will do, so that a release can be taken back.
    return len(versions(session)) >= len(MIGRATIONS)


def _take_lock(session: CassandraSession, holder: str) -> bool:
    lock = f"INSERT INTO schema_lock (one, holder) VALUES (0, ?) IF NOT EXISTS USING TTL {_LOCK_S}"
    return session.decide((lock, holder))


def _run_missing(session: CassandraSession) -> None:
    done = versions(session)
    for version, tables in enumerate(MIGRATIONS, 1):
        if version not in done:
            for name, columns in tables:
                _make_table(session, name, columns)
            session.rows("INSERT INTO schema_versions (one, version, at) VALUES (0, ?, toTimestamp(now()))", version)


def _make_table(session: CassandraSession, name: str, columns: str) -> None:
    # Two nodes that make one table at the same moment would give it two ids, and lose what lies under one of them.
    table_id = uuid5(NAMESPACE_OID, f"{session.address.keyspace}.{name}")
    joined = "AND" if " WITH " in columns else "WITH"
    session.change_schema(f"CREATE TABLE IF NOT EXISTS {name} {columns} {joined} ID = {table_id}")


def versions(session: CassandraSession) -> set[int]:
    """The migrations that the keyspace has had. Raises Unavailable."""
    return {version for (version,) in session.rows("SELECT version FROM schema_versions WHERE one = 0")}
