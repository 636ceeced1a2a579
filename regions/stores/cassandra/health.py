"""The health check of a Cassandra: version, schema, copies, clock, and a conditional write, which needs a quorum."""

import json
import secrets
import time
from collections.abc import Callable
from functools import partial

from regions.errors import Unavailable
from regions.stores.cassandra import schema
from regions.stores.cassandra.session import CALLER_ERRORS, CassandraSession
from regions.stores.health import CheckResult, HealthCheck, Level, clock, run_checks

# A health check that is killed leaves a row behind, which expires by itself.
_TTL_S = 60
_CQL_TIMESTAMP_S = 0.001
_REACH = "Check that the nodes at the topology's addresses are up (`nodetool status`), and the login in REGION.catalog."
_SCHEMA = "Run this version's `darkroom prepare`, with a login that may create tables."
_COPIES = "Set the keyspace's replication by ALTER KEYSPACE, then run `nodetool repair`; or correct the topology's URL."
_WRITE = "Grant SELECT and MODIFY on the keyspace to the login, and see that a quorum of its copies is up."


def check_health(session: CassandraSession) -> list[CheckResult]:
    checks: list[tuple[str, Callable[[CassandraSession], str | CheckResult], str]] = [
        ("reachable", _version, _REACH),
        ("schema", _schema, _SCHEMA),
        ("copies", _copies, _COPIES),
        ("clock", _clock, _REACH),
        ("write, read, delete", _write, _WRITE),
    ]
    return run_checks([HealthCheck(what, partial(_probe, probe, session), advice) for what, probe, advice in checks])


def _probe(probe: Callable[[CassandraSession], str | CheckResult], session: CassandraSession) -> str | CheckResult:
    """Also turns a statement that the store rejects into a failed check, for instance when a table is missing."""
    try:
        return probe(session)
    except CALLER_ERRORS as error:
        raise Unavailable(f"the store rejects the request: {type(error).__name__}") from error


def _version(session: CassandraSession) -> str:
    return f"Cassandra {session.execute_unprepared('SELECT release_version FROM system.local')[0][0]}"


def _schema(session: CassandraSession) -> str | CheckResult:
    """A newer version works too, as long as it only added tables; so it is only a warning."""
    newest, ours = max(schema.versions(session), default=0), len(schema.MIGRATIONS)
    if newest == ours:
        return f"version {ours}"
    level = Level.WARNING if newest > ours else Level.FAILURE
    return CheckResult("schema", level, f"version {newest}; this program knows {ours}", _SCHEMA)


def _copies(session: CassandraSession) -> str | CheckResult:
    address = session.address
    ((replication,),) = session.execute_unprepared(
        f"SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = '{address.keyspace}'"
    )
    actual = dict(replication)
    if actual.get(address.datacenter) == str(address.replication):
        return f"{address.replication} in {address.datacenter}"
    detail = f"the topology wants {address.replication} in {address.datacenter}; the keyspace has {json.dumps(actual)}"
    return CheckResult("copies", Level.WARNING, detail, _COPIES)


def _clock(session: CassandraSession) -> CheckResult:
    sent_s = time.time()
    ((reading_ms,),) = session.execute_unprepared("SELECT toUnixTimestamp(now()) FROM system.local")
    return clock(reading_ms / 1000, _CQL_TIMESTAMP_S, sent_s, time.time())


def _write(session: CassandraSession) -> str:
    user_id = f"health-check-{secrets.token_hex(8)}"
    insert = f"INSERT INTO users (user_id, name) VALUES (?, ?) IF NOT EXISTS USING TTL {_TTL_S}"
    try:
        session.execute_conditional((insert, user_id, user_id))
        if session.execute("SELECT name FROM users WHERE user_id = ?", user_id) != [(user_id,)]:
            raise Unavailable("what was written was not read again")
    finally:
        session.execute_conditional(("DELETE FROM users WHERE user_id = ? IF EXISTS", user_id))
    return "done"
