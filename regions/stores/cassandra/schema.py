"""The tables of the Cassandra catalog, as numbered migrations.

A migration that has been released is never changed: the next one corrects it. Any number of processes may start at
once: one of them takes the lock row by a conditional write and migrates, the others wait for it. The row expires after
a minute, so that the lock of a process that died is released; should the process only be slow, two migrate at once,
which is harmless since each statement is safe to run twice.
"""

from uuid import NAMESPACE_OID, uuid4, uuid5

from regions.errors import StoreMissing, Unavailable, WrongStore
from regions.stores.cassandra.columns import TYPES
from regions.stores.cassandra.session import CassandraSession, InvalidRequest
from regions.stores.stamp import Stamp, StoreRegion, require_region
from regions.waiting import attempts

_LOCK_S = 60
_WAIT_S = 120.0

# For tables whose rows live for minutes. The markers of deleted rows are dropped after an hour, instead of ten days. A
# Cassandra node that was down for longer may bring deleted rows back; their events are published again, and consumers
# ignore events that they have processed.
_SHORT_LIVED = "gc_grace_seconds = 3600 AND memtable_flush_period_in_ms = 3600000"

MIGRATIONS: tuple[tuple[tuple[str, str], ...], ...] = (
    (
        *((f"TYPE {name}", fields) for name, fields in TYPES.items()),
        (
            "users",
            """(user_id text PRIMARY KEY, name text, country text, residency_class text, home_region text,
                created_at timestamp)""",
        ),
        # One partition holds everything that must change in one conditional write: the photo, its upload, its
        # replicas, its tombstone, and the events that are not published yet.
        (
            "photos",
            """(photo_id text, event_id timeuuid, event text,
                status text static, owner_id text static, residency_class text static, home_region text static,
                caption text static, size_bytes bigint static, sha256 text static, created_at timestamp static,
                content_type text static, width int static, height int static, taken_at text static,
                camera text static, phash text static, variants frozen<list<frozen<variant>>> static,
                reason frozen<reason> static, recipe int static, upload frozen<upload> static,
                deleted_at timestamp static, change_id timeuuid static, replicas map<text, frozen<replica>> static,
                PRIMARY KEY (photo_id, event_id))""",
        ),
        # Only ids, of photos that are ready or were about to be: the photo's own partition has its status.
        (
            "photos_by_owner",
            """(owner_id text, year int, photo_id text, PRIMARY KEY ((owner_id, year), photo_id))
               WITH CLUSTERING ORDER BY (photo_id DESC)""",
        ),
        (
            "likes",
            """(photo_id text, year int, user_id text, at timestamp, PRIMARY KEY ((photo_id, year), user_id))
               WITH CLUSTERING ORDER BY (user_id DESC)""",
        ),
        (
            "comments",
            """(photo_id text, year int, comment_id text, author_id text, text text, created_at timestamp,
                PRIMARY KEY ((photo_id, year), comment_id))
               WITH CLUSTERING ORDER BY (comment_id DESC)""",
        ),
        # What a user has liked and written in this region, so that it can be found without reading every photo.
        (
            "likes_by_user",
            """(user_id text, year int, photo_id text, PRIMARY KEY ((user_id, year), photo_id))
               WITH CLUSTERING ORDER BY (photo_id DESC)""",
        ),
        (
            "comments_by_author",
            """(author_id text, year int, comment_id text, photo_id text, PRIMARY KEY ((author_id, year), comment_id))
               WITH CLUSTERING ORDER BY (comment_id DESC)""",
        ),
        (
            "following",
            """(follower_id text, author_id text, PRIMARY KEY (follower_id, author_id))
               WITH CLUSTERING ORDER BY (author_id DESC)""",
        ),
        # An author's followers, in buckets whose number grows with them: see `follows`.
        (
            "followers",
            "(author_id text, level int, bucket int, follower_id text,"
            " PRIMARY KEY ((author_id, level, bucket), follower_id))",
        ),
        ("follower_levels", "(author_id text PRIMARY KEY, level int, assigned bigint)"),
        # Stays when a follow ends; to be erased with the follower's account.
        ("assigned_levels", "(follower_id text, author_id text, level int, PRIMARY KEY (follower_id, author_id))"),
        ("follower_regions", "(author_id text, region text, PRIMARY KEY (author_id, region))"),
        (
            "audit",
            """(photo_id text, year int, entry_id timeuuid, action text, place text, allowed boolean, rule text,
                policy_version text, at timestamp, PRIMARY KEY ((photo_id, year), entry_id))
               WITH CLUSTERING ORDER BY (entry_id DESC)""",
        ),
        # The order of deletions: see `tombstones`.
        (
            "tombstones",
            """(chain int, partition bigint, position bigint, photo_id text, owner_id text, deleted_at timestamp,
                PRIMARY KEY ((chain, partition), position))""",
        ),
        ("tombstone_heads", "(one int, chain int, position bigint, PRIMARY KEY (one, chain))"),
        ("tombstone_chains", "(chain int PRIMARY KEY, partitions bigint, in_use boolean)"),
        (
            "outbox",
            f"""(minute bigint, shard int, intent_id timeuuid, photo_id text, event text, deletion_unfinished boolean,
                PRIMARY KEY ((minute, shard), intent_id)) WITH {_SHORT_LIVED}""",
        ),
        ("outbox_minutes", f"(one int, minute bigint, PRIMARY KEY (one, minute)) WITH {_SHORT_LIVED}"),
        (
            "expiries",
            f"""(bucket bigint, expires_at_ms bigint, photo_id text, PRIMARY KEY (bucket, expires_at_ms, photo_id))
               WITH {_SHORT_LIVED}""",
        ),
        ("expiry_buckets", f"(one int, bucket bigint, PRIMARY KEY (one, bucket)) WITH {_SHORT_LIVED}"),
    ),
    (
        ("ADD photos", "visibility text static"),
        # Room for the ways in which a user proves who they are; nothing reads or writes it yet. `kind` is a passkey, a
        # password, a recovery code …; `verifier` is what checks it (a public key, a salted hash), never the secret.
        (
            "credentials",
            """(user_id text, credential_id text, kind text, verifier text, created_at timestamp,
                PRIMARY KEY (user_id, credential_id))""",
        ),
    ),
    (
        ("ADD photos", "latitude double static"),
        ("ADD photos", "longitude double static"),
        ("ADD photos", "altitude_m double static"),
        ("ADD photos", "placeholder text static"),
        # A photo that kills the processes that decode it is given up, whatever has been restarted in between.
        ("ADD photos", "worker_deaths int static"),
    ),
    (
        ("ADD photos", "near_duplicate_of text static"),
        # So that an owner's fingerprints are one read. Of photos that were listed before, the list has only the ids.
        ("ADD photos_by_owner", "phash text"),
        ("ADD photos_by_owner", "near_duplicate_of text"),
    ),
    (
        ("ADD users", "handle text"),
        ("ADD users", "deleted_at timestamp"),
        ("handles", "(handle text PRIMARY KEY, user_id text)"),
        ("sessions", "(user_id text, session_id text, version int, record text, PRIMARY KEY (user_id, session_id))"),
        (
            "ended_sessions",
            f"""(minute bigint, at_ms bigint, session_id text, regions text, PRIMARY KEY (minute, at_ms, session_id))
               WITH {_SHORT_LIVED} AND default_time_to_live = 7200""",
        ),
        ("account_erasures", "(one int, user_id text, at_ms bigint, PRIMARY KEY (one, user_id))"),
        (
            "upload_expiries",
            f"""(shard int, minute bigint, expires_at_ms bigint, photo_id text,
                PRIMARY KEY ((shard, minute), expires_at_ms, photo_id)) WITH {_SHORT_LIVED}""",
        ),
        ("upload_expiry_minutes", f"(shard int, minute bigint, PRIMARY KEY (shard, minute)) WITH {_SHORT_LIVED}"),
        ("requests", f"(request text PRIMARY KEY, made text) WITH {_SHORT_LIVED}"),
    ),
    (
        ("arrivals", f"(photo_id text PRIMARY KEY, until_ms bigint) WITH {_SHORT_LIVED}"),
        # By region, and not a field of the type `replica`, as `columns` explains.
        ("ADD photos", "replicas_missing map<text, int> static"),
    ),
    (
        # Other regions' records. `version` is also the timestamp of its row: see `copies`. An empty `document` says
        # that the record is gone.
        (
            "copies",
            """(about text, year int, kind text, part text, home text, version bigint, document text,
                PRIMARY KEY ((about, year), kind, part))""",
        ),
        ("ADD comments", "residency_class text"),
    ),
)
"""Version 1 first. A migration is a list of tables to create: name, and columns with options. `TYPE name` creates a
user-defined type, and `ADD name` adds a column to a table: its name and type."""

_STAMP = ("stamp", "(one int PRIMARY KEY, region text, number int, store_id text)")
_VERSIONS = ("schema_versions", "(one int, version int, at timestamp, PRIMARY KEY (one, version))")
_LOCK = ("schema_lock", "(one int PRIMARY KEY, holder text)")


def read_stamp(session: CassandraSession) -> Stamp | None:
    """None also without a keyspace; with one, the session uses it from now on. Raises Unavailable."""
    if _STAMP[0] not in _tables(session):
        return None
    session.use(session.address.keyspace)
    rows = session.execute("SELECT region, number, store_id FROM stamp WHERE one = 0")
    return Stamp(StoreRegion(rows[0][0], rows[0][1]), rows[0][2]) if rows else None


def create(session: CassandraSession, stamp: Stamp) -> Stamp:
    """Creates the keyspace, and sets its stamp before all other tables. Raises Unavailable, WrongStore."""
    for is_last in attempts(_WAIT_S):
        try:
            _create_keyspace(session)
            found = _set_stamp(session, stamp)
            break
        except WrongStore:
            raise
        except (InvalidRequest, Unavailable):
            # What another process is creating, keyspace or table, is listed a moment before it can be used.
            if is_last:
                raise
    stamped = require_region(found, stamp.region)
    migrate(session)
    return stamped


def _set_stamp(session: CassandraSession, stamp: Stamp) -> Stamp | None:
    """The stamp that the keyspace then has: another process may be first."""
    # The tables first: another process, which sets the stamp before it makes them, can't make them in between.
    has_photos = "photos" in _tables(session)
    found = read_stamp(session)
    if found is not None:
        return found
    if has_photos:
        raise WrongStore(f"the keyspace {session.address.keyspace} has tables, but no stamp of a region")
    _create_table(session, *_STAMP)
    insert = "INSERT INTO stamp (one, region, number, store_id) VALUES (0, ?, ?, ?) IF NOT EXISTS"
    session.execute_conditional((insert, stamp.region.name, stamp.region.number, stamp.store_id))
    return read_stamp(session)


def require_newest(session: CassandraSession) -> None:
    """Raises StoreMissing if the keyspace lacks tables of this version."""
    if not _is_newest(session):
        raise StoreMissing(f"the keyspace {session.address.keyspace} lacks tables of this version")


def migrate(session: CassandraSession) -> None:
    """Brings the keyspace to the newest version, or waits for the process that does. Raises Unavailable."""
    holder = uuid4().hex
    for is_last in attempts(_WAIT_S):
        if _try_to_migrate(session, holder, is_last):
            return


def _try_to_migrate(session: CassandraSession, holder: str, is_last: bool) -> bool:
    """Whether the schema is the newest. Migrates if this process gets the lock, and raises if it fails `is_last`."""
    try:
        for name, columns in (_VERSIONS, _LOCK):
            _create_table(session, name, columns)
        if _is_newest(session):
            return True
        lock = f"INSERT INTO schema_lock (one, holder) VALUES (0, ?) IF NOT EXISTS USING TTL {_LOCK_S}"
        if session.execute_conditional((lock, holder)):
            try:
                _run_missing(session)
                return True
            finally:
                session.execute_conditional(("DELETE FROM schema_lock WHERE one = 0 IF holder = ?", holder))
        elif is_last:
            raise Unavailable("another process has been changing the store's schema for too long")
    except InvalidRequest:
        # A table that another process is creating is listed in the system's tables a moment before it can be used.
        if is_last:
            raise
    return False


def _create_keyspace(session: CassandraSession) -> None:
    address = session.address
    # Not only IF NOT EXISTS: where an operator has created the keyspace, the service needs no right to create one.
    found = session.execute_unprepared(
        f"SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '{address.keyspace}'"
    )
    if not found:
        session.change_schema(
            f"CREATE KEYSPACE IF NOT EXISTS {address.keyspace} WITH replication ="
            f" {{'class': 'NetworkTopologyStrategy', '{address.datacenter}': {address.replication}}}"
        )
    session.use(address.keyspace)


def _is_newest(session: CassandraSession) -> bool:
    # A newer version than ours is accepted too, so that a release can be rolled back.
    return _VERSIONS[0] in _tables(session) and len(versions(session)) >= len(MIGRATIONS)


def _tables(session: CassandraSession) -> set[str]:
    query = f"SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{session.address.keyspace}'"
    return {name for (name,) in session.execute_unprepared(query)}


def _run_missing(session: CassandraSession) -> None:
    done = versions(session)
    for version, tables in enumerate(MIGRATIONS, 1):
        if version not in done:
            for name, columns in tables:
                _run(session, name, columns)
            session.execute("INSERT INTO schema_versions (one, version, at) VALUES (0, ?, toTimestamp(now()))", version)


def _run(session: CassandraSession, name: str, columns: str) -> None:
    kind, _, named = name.rpartition(" ")
    if kind == "TYPE":
        session.change_schema(f"CREATE TYPE IF NOT EXISTS {named} {columns}")
    elif kind == "ADD":
        session.change_schema(f"ALTER TABLE {named} ADD IF NOT EXISTS {columns}")
    else:
        _create_table(session, named, columns)


def _create_table(session: CassandraSession, name: str, columns: str) -> None:
    # The id is fixed: two processes that create a table at the same moment would otherwise give it two ids, and the
    # rows stored under one of them would be lost.
    table_id = uuid5(NAMESPACE_OID, f"{session.address.keyspace}.{name}")
    conjunction = "AND" if " WITH " in columns else "WITH"
    session.change_schema(f"CREATE TABLE IF NOT EXISTS {name} {columns} {conjunction} ID = {table_id}")


def versions(session: CassandraSession) -> set[int]:
    """The migrations that the keyspace has had. Raises Unavailable."""
    return {version for (version,) in session.execute("SELECT version FROM schema_versions WHERE one = 0")}
