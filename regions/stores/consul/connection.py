"""One connection to a Consul agent: its address, its deadlines, and its key/value store as values of ours.

The only module that knows the client. Whatever goes wrong on the way to Consul, or in it, is `Unavailable`.
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

_TIMEOUT_S = 3.0
# Consul adds up to a sixteenth to a wait, so that not all waits end together.
_JITTER = 16 / 17
# A wait of nothing would be one of five minutes to Consul.
_MIN_WAIT_MS = 1
_CONNECTIONS = 32
# The answer is the leader's, and it has asked the others that it still is.
_CONSISTENT = "consistent"


@dataclass(frozen=True, slots=True)
class ConsulAddress:
    """Where the agent answers, and under which path of its store a region's settings lie."""

    scheme: str
    host: str
    port: int
    root: str


@dataclass(frozen=True, slots=True)
class About:
    """What the agent says of itself. `date` is that of its answer (RFC 9110)."""

    version: str
    date: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of the store. `version` is its ModifyIndex: the store's own count of writes, never used twice."""

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
    """Safe to share between threads. `closed` is set when it is over."""

    def __init__(self, address: ConsulAddress, token: str | None) -> None:
        self.root, self.closed = address.root, threading.Event()
        self._consul = consul.Consul(
            address.host, address.port, scheme=address.scheme, verify=True, connections_timeout=_TIMEOUT_S
        )
        # The client would take a token, and requests a proxy, from the environment of the process.
        self._consul.token = token
        session = self._consul.http.session
        session.trust_env = False
        # Consul sends none, and the token would go along.
        session.max_redirects = 0
        session.mount(f"{address.scheme}://", requests.adapters.HTTPAdapter(pool_maxsize=_CONNECTIONS))

    def get(self, path: str) -> Entry | None:
        with self.reaching() as client:
            found = client.kv.get(self._full(path), consistency=_CONSISTENT)[1]
        return self._entry(found) if found else None

    def under(self, prefix: str) -> list[Entry]:
        """All entries whose path starts with `prefix`, in order."""
        with self.reaching() as client:
            found = client.kv.get(self._full(prefix), recurse=True, consistency=_CONSISTENT)[1]
        return [self._entry(one) for one in found or ()]

    def read_index(self, prefix: str, beyond: int = 0, wait_s: float = 0.0) -> tuple[int, bool]:
        """Consul's index of the keys under `prefix`, and whether there are any.

        With `beyond` it is a blocking query: it waits until the index is greater, or `wait_s` is over.
        """
        wait = f"{max(_MIN_WAIT_MS, int(wait_s * _JITTER * 1000))}ms"
        with self.reaching() as client:
            index, keys = client.kv.get(self._full(prefix), index=beyond, wait=wait, keys=True, consistency=_CONSISTENT)
        return int(index), bool(keys)

    def put(self, path: str, value: str, expected_version: int | None = None, flags: int = 0) -> bool:
        """With `expected_version` only where the key has that version (0: is not there), else False."""
        with self.reaching() as client:
            return bool(client.kv.put(self._full(path), value.encode(), cas=expected_version, flags=flags))

    def remove(self, path: str) -> None:
        """Idempotent. Not for settings: a watch would not see that it went."""
        with self.reaching() as client:
            client.kv.delete(self._full(path))

    def acquire(self, path: str, value: str, session: str) -> bool:
        """Makes the key the session's; False where another session has it."""
        with self.reaching() as client:
            return bool(client.kv.put(self._full(path), value.encode(), acquire=session))

    def begin_session(self, name: str, ttl_s: int) -> str:
        """A session lives on its renewals alone: `ttl_s` at least, twice that at most. Then its keys are free."""
        with self.reaching() as client:
            # No health check: an agent that starts again ends no session. No lock delay: see `locks`.
            return str(client.session.create(name, checks=[], lock_delay=0, ttl=ttl_s))

    def renew_session(self, session: str) -> bool:
        with self.reaching() as client:
            try:
                client.session.renew(session)
            except consul.NotFound:
                return False
        return True

    def end_session(self, session: str) -> None:
        with self.reaching() as client:
            client.session.destroy(session)

    def register(self, name: str, instance: str, address: Mapping[str, Any], check: Mapping[str, str]) -> None:
        """Adds or replaces an instance of a service, with its one check."""
        with self.reaching() as client:
            client.agent.service.register(
                name, service_id=instance, check=dict(check), replace_existing_checks=True, **address
            )

    def deregister(self, instance: str) -> None:
        """Idempotent."""
        with self.reaching() as client:
            client.agent.service.deregister(instance)

    def passes(self, check: str) -> bool:
        """Tells the agent that all is well; False where it knows no such check."""
        with self.reaching() as client:
            return bool(client.agent.check.ttl_pass(check))

    def healthy(self, name: str) -> list[Mapping[str, Any]]:
        """The instances of a service that pass all their checks, as Consul describes them."""
        with self.reaching() as client:
            return [found["Service"] for found in client.health.service(name, passing=True)[1] or ()]

    def leader(self) -> str:
        """Its address; empty where the servers have none."""
        with self.reaching() as client:
            return str(client.status.leader())

    def about(self) -> About:
        with self.reaching() as client:
            said = client.http.get(lambda answer: answer, "/v1/agent/self", headers=client.prepare_headers())
        date = said.headers.get("Date", "")
        if said.code == 403:
            # A token that may use the settings need not have `agent:read`.
            return About("of a version that it does not tell this token", date)
        try:
            return About(str(json.loads(said.body)["Config"]["Version"]), date)
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"it is no Consul that answers there, or not a whole one: {said.code}") from error

    def close(self) -> None:
        self.closed.set()
        self._consul.http.session.close()

    @contextmanager
    def reaching(self) -> Iterator[Any]:
        """The client, for calls that raise Unavailable."""
        if self.closed.is_set():
            raise Unavailable("the settings are closed")
        try:
            yield self._consul
        except (requests.RequestException, consul.ConsulException) as error:
            raise Unavailable(f"the settings do not answer: {type(error).__name__}") from error

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
