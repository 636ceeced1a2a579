"""The health check of a Consul: version, leader, clock, and the permissions that settings, locks and services need."""

import secrets
import time

from regions.errors import Unavailable
from regions.stores.consul.connection import Connection
from regions.stores.consul.services import ConsulServices
from regions.stores.health import CheckResult, HealthCheck, http_clock, run_checks
from regions.stores.settings import Service

_SESSION_S, _SERVICE_S = 10, 10.0
_REACH = "Check that the agent at the topology's address is up, and that the token in REGION.settings is valid."
_LEADER = "Start enough servers to elect one (`consul members`)."
_WRITE = 'Allow the token `key_prefix "ROOT/" { policy = "write" }`.'
_SESSION = 'Allow the token `session_prefix "" { policy = "write" }`: locks need it.'
_SERVICE = 'Allow the token `service_prefix "ROOT-" { policy = "write" }`: services need it to list healthy origins.'


def check_health(connection: Connection) -> list[CheckResult]:
    return run_checks(
        [
            HealthCheck("reachable", lambda: f"Consul {connection.agent_info().version}", _REACH),
            HealthCheck("leader", lambda: _leader(connection), _LEADER),
            HealthCheck("clock", lambda: _clock(connection), _REACH),
            HealthCheck("write, read, delete", lambda: _write(connection), _WRITE),
            HealthCheck("locks", lambda: _lock(connection), _SESSION),
            HealthCheck("services", lambda: _serve(connection), _SERVICE),
        ]
    )


def _leader(connection: Connection) -> str:
    leader = connection.leader()
    if not leader:
        raise Unavailable("there is none")
    return leader


def _clock(connection: Connection) -> CheckResult:
    sent_s = time.time()
    return http_clock(connection.agent_info().date, sent_s, time.time())


def _write(connection: Connection) -> str:
    path, text = f"health-check/{secrets.token_hex(8)}", "a health check"
    try:
        if not connection.put(path, text, expected_version=0):
            raise Unavailable("it accepts no write")
        entry = connection.get(path)
        if entry is None or entry.value.decode(errors="replace") != text:
            raise Unavailable("the value that was written could not be read back")
    finally:
        connection.remove(path)
    return "done"


def _lock(connection: Connection) -> str:
    connection.end_session(connection.begin_session(f"{connection.root}/health-check", _SESSION_S))
    return "can be acquired"


def _serve(connection: Connection) -> str:
    services, service = ConsulServices(connection), Service("health-check", secrets.token_hex(8), "")
    try:
        services.register(service, _SERVICE_S)
        if service not in services.healthy(service.name):
            raise Unavailable("a service that was registered is not healthy")
    finally:
        services.deregister(service)
    return "can be registered"
