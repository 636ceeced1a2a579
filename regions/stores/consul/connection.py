"""The connection to a Consul agent: its address, its deadlines, and its calls with our own types.

The only module that knows the client library. Every error on the way to Consul, or in Consul, becomes `Unavailable`.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import consul
import requests

from regions.errors import TopologyError, Unavailable
from regions.stores.settings import is_key
from regions.stores.stamp import Stamp, StampCheck, StoreRegion, from_text, require_region

_TIMEOUT_S = 3.0
# Consul adds up to a sixteenth to a wait, so that not all waits end at once. The wait is shortened to make up for it.
_JITTER = 16 / 17
# Consul takes a wait of 0 for its default of five minutes.
_MIN_WAIT_MS = 1
_CONNECTIONS = 32
# The leader responds, after a majority of the servers has confirmed that it still is the leader.
_CONSISTENT = "consistent"
_STAMP = "stamp"


@dataclass(frozen=True, slots=True)
class ConsulAddress:
    """The agent's address, and the path in its key/value store under which a region's settings are."""

    scheme: str
    host: str
    port: int
    root: str


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """`date` is the `Date` header of the agent's response (RFC 9110)."""

    version: str
    date: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of the store. `version` is its ModifyIndex, from Consul's counter of all writes: never used twice."""

    path: str
    value: bytes
    version: int
    flags: int
    session: str | None


def parse_address(url: str) -> ConsulAddress:
    """`consul://HOST:PORT/ROOT?scheme=https` (default: http). Raises TopologyError."""
    split = urlsplit(url)
    options = parse_qs(split.query, keep_blank_values=True)
    scheme, root = options.pop("scheme", ["http"])[-1], split.path.strip("/")
    try:
        port = split.port
    except ValueError as error:
        raise TopologyError("a consul:// URL has a number for its port") from error
    if split.hostname is None or port is None or not is_key(root):
        raise TopologyError("a consul:// URL names host, port and path: consul://127.0.0.1:8500/darkroom/eu-west")
    if split.username is not None or split.password is not None or options or scheme not in ("http", "https"):
        raise TopologyError("a consul:// URL takes `scheme=http` or `scheme=https`, and nothing else: no token")
    return ConsulAddress(scheme, split.hostname, port, root)


class Connection:
    """Safe to share between threads. `closed` is set by `close`.

    With a region, the stamp beneath the root is checked before the first use; without one, anything may be read.
    """

    def __init__(self, address: ConsulAddress, token: str | None, ours: StoreRegion | None = None) -> None:
        self.root, self.closed = address.root, threading.Event()
        self._stamp = StampCheck(ours, self.read_stamp) if ours else None
        self._consul = consul.Consul(
            address.host, address.port, scheme=address.scheme, verify=True, connections_timeout=_TIMEOUT_S
        )
        # Without these lines the client library takes a token, and `requests` a proxy, from the environment.
        self._consul.token = token
        session = self._consul.http.session
        session.trust_env = False
        # Consul doesn't redirect, and a redirect would send our token to another server.
        session.max_redirects = 0
        session.mount(f"{address.scheme}://", requests.adapters.HTTPAdapter(pool_maxsize=_CONNECTIONS))

    def read_stamp(self) -> Stamp | None:
        """Raises Unavailable, WrongStore."""
        with self._client_errors_as_unavailable() as client:
            found = client.kv.get(self._full(_STAMP), consistency=_CONSISTENT)[1]
        return from_text((found["Value"] or b"").decode(errors="replace")) if found else None

    def set_stamp(self, stamp: Stamp) -> Stamp:
        """Sets it if there is none. Returns the one that is there then. Raises Unavailable, WrongStore."""
        with self._client_errors_as_unavailable() as client:
            client.kv.put(self._full(_STAMP), stamp.to_text().encode(), cas=0)
        return require_region(self.read_stamp(), stamp.region)

    def get(self, path: str) -> Entry | None:
        with self.errors_as_unavailable() as client:
            found = client.kv.get(self._full(path), consistency=_CONSISTENT)[1]
        return self._entry(found) if found else None

    def list_under(self, prefix: str) -> list[Entry]:
        """All entries whose path starts with `prefix`, in order."""
        with self.errors_as_unavailable() as client:
            found = client.kv.get(self._full(prefix), recurse=True, consistency=_CONSISTENT)[1]
        return [self._entry(one) for one in found or ()]

    def read_index(self, prefix: str, beyond: int = 0, wait_s: float = 0.0) -> tuple[int, bool]:
        """Consul's index of the keys under `prefix`, and whether there are any.

        With `beyond` it is a blocking query: it waits until the index is greater, or `wait_s` is over.
        """
        wait = f"{max(_MIN_WAIT_MS, int(wait_s * _JITTER * 1000))}ms"
        with self.errors_as_unavailable() as client:
            index, keys = client.kv.get(self._full(prefix), index=beyond, wait=wait, keys=True, consistency=_CONSISTENT)
        return int(index), bool(keys)

    def put(self, path: str, value: str, expected_version: int | None = None, flags: int = 0) -> bool:
        """With `expected_version`, only if the key has that version (0: doesn't exist); False if not."""
        with self.errors_as_unavailable() as client:
            return bool(client.kv.put(self._full(path), value.encode(), cas=expected_version, flags=flags))

    def remove(self, path: str) -> None:
        """Idempotent. Not for settings: a watch would not see the deletion."""
        with self.errors_as_unavailable() as client:
            client.kv.delete(self._full(path))

    def acquire(self, path: str, value: str, session: str) -> bool:
        """Locks the key for the session; False if another session holds it."""
        with self.errors_as_unavailable() as client:
            return bool(client.kv.put(self._full(path), value.encode(), acquire=session))

    def begin_session(self, name: str, ttl_s: int) -> str:
        """Without renewal the session ends after at least `ttl_s` and at most twice that. Its keys are then free."""
        with self.errors_as_unavailable() as client:
            # No health checks, so that a restart of the agent doesn't end the session. No lock delay: see `locks`.
            return str(client.session.create(name, checks=[], lock_delay=0, ttl=ttl_s))

    def renew_session(self, session: str) -> bool:
        with self.errors_as_unavailable() as client:
            try:
                client.session.renew(session)
            except consul.NotFound:
                return False
        return True

    def end_session(self, session: str) -> None:
        with self.errors_as_unavailable() as client:
            client.session.destroy(session)

    def register(self, name: str, instance: str, address: Mapping[str, Any], check: Mapping[str, str]) -> None:
        """Adds or replaces an instance of a service, with its one check."""
        with self.errors_as_unavailable() as client:
            client.agent.service.register(
                name, service_id=instance, check=dict(check), replace_existing_checks=True, **address
            )

    def deregister(self, instance: str) -> None:
        """Idempotent."""
        with self.errors_as_unavailable() as client:
            client.agent.service.deregister(instance)

    def pass_check(self, check: str) -> bool:
        """Renews a TTL check; False if the agent doesn't know it."""
        with self.errors_as_unavailable() as client:
            return bool(client.agent.check.ttl_pass(check))

    def healthy(self, name: str) -> list[Mapping[str, Any]]:
        """The instances of a service that pass all their checks, as Consul describes them."""
        with self.errors_as_unavailable() as client:
            return [found["Service"] for found in client.health.service(name, passing=True)[1] or ()]

    def leader(self) -> str:
        """The leader's address; empty if the servers have not elected one."""
        with self.errors_as_unavailable() as client:
            return str(client.status.leader())

    def agent_info(self) -> AgentInfo:
        with self.errors_as_unavailable() as client:
            response = client.http.get(lambda response: response, "/v1/agent/self", headers=client.prepare_headers())
        date = response.headers.get("Date", "")
        if response.code == 403:
            # A token that may use the settings need not have the permission `agent:read`.
            return AgentInfo("of unknown version (the token may not read it)", date)
        try:
            return AgentInfo(str(json.loads(response.body)["Config"]["Version"]), date)
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"the response is not that of a healthy Consul: {response.code}") from error

    def close(self) -> None:
        self.closed.set()
        self._consul.http.session.close()

    @contextmanager
    def errors_as_unavailable(self) -> Iterator[Any]:
        """The client, for calls that raise Unavailable."""
        if self._stamp is not None:
            self._stamp.require()
        with self._client_errors_as_unavailable() as client:
            yield client

    @contextmanager
    def _client_errors_as_unavailable(self) -> Iterator[Any]:
        if self.closed.is_set():
            raise Unavailable("the settings are closed")
        try:
            yield self._consul
        except (requests.RequestException, consul.ConsulException) as error:
            raise Unavailable(f"the settings are unavailable: {type(error).__name__}") from error

    def _full(self, path: str) -> str:
        return f"{self.root}/{path}"

    def _entry(self, found: Mapping[str, Any]) -> Entry:
        return Entry(
            found["Key"].removeprefix(f"{self.root}/"),
            found["Value"] or b"",
            found["ModifyIndex"],
            found["Flags"],
            found.get("Session"),
        )
