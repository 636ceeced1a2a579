"""The health check of a Cassandra: version, schema, copies, clock, and a conditional write, which needs a quorum."""

import json
import secrets
import time
from collections.abc import Callable
from functools import partial

from regions.errors import Unavailable
from regions.stores.cassandra import schema
from regions.stores.cassandra.session import MISTAKES, CassandraSession
from regions.stores.health import CheckResult, HealthCheck, Level, clock, run_checks

# What a killed health check leaves behind expires by itself.
_KEPT_S = 60
_CQL_DATE_S = 0.001
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
    return run_checks([HealthCheck(what, partial(_told, look, session), advice) for what, look, advice in checks])


def _told(look: Callable[[CassandraSession], str | CheckResult], session: CassandraSession) -> str | CheckResult:
    """Here a refusal of the store too is what was to be found out."""
    try:
        return look(session)
    except MISTAKES as error:
        raise Unavailable(f"the store refuses it: {type(error).__name__}") from error


def _version(session: CassandraSession) -> str:
    return f"Cassandra {session.text('SELECT release_version FROM system.local')[0][0]}"


def _schema(session: CassandraSession) -> str | CheckResult:
    """A newer one is good as long as it only added to ours."""
    newest, ours = max(schema.versions(session), default=0), len(schema.MIGRATIONS)
    if newest == ours:
        return f"version {ours}"
    level = Level.WARNING if newest > ours else Level.FAILURE
    return CheckResult("schema", level, f"version {newest}; this program knows {ours}", _SCHEMA)


def _copies(session: CassandraSession) -> str | CheckResult:
    address = session.address
    (found,) = session.text(
        f"SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = '{address.keyspace}'"
    )
    there = dict(found[0]).get(address.datacenter)
    if there == str(address.replication):
        return f"{there} in {address.datacenter}"
    said = json.dumps(dict(found[0]))
    detail = f"the topology wants {address.replication} in {address.datacenter}; the keyspace has {said}"
    return CheckResult("copies", Level.WARNING, detail, _COPIES)


def _clock(session: CassandraSession) -> CheckResult:
    sent_s = time.time()
    ((said_ms,),) = session.text("SELECT toUnixTimestamp(now()) FROM system.local")
    return clock(said_ms / 1000, _CQL_DATE_S, sent_s, time.time())


def _write(session: CassandraSession) -> str:
    user_id = f"health-check-{secrets.token_hex(8)}"
    put = f"INSERT INTO users (user_id, record) VALUES (?, ?) IF NOT EXISTS USING TTL {_KEPT_S}"
    try:
        session.decide((put, user_id, user_id))
        if session.rows("SELECT record FROM users WHERE user_id = ?", user_id) != [(user_id,)]:
            raise Unavailable("what was written was not read again")
    finally:
        session.decide(("DELETE FROM users WHERE user_id = ? IF EXISTS", user_id))
    return "done"
