"""A region's origin and object server, on threads of the test and over stores of the test, by rules that it sets."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIServer, make_server

from darkroom.local.machine import Machine
from origin.accounts.passphrases import HashCost, PassphraseHasher
from origin.accounts.revocation import RevokedSessions
from origin.app import create
from origin.context import Context
from regions import ids
from regions.clock import now_ms
from regions.config import Config, Stores, open_object_server
from regions.errors import Unavailable
from regions.events.outbox import OutboxPublisher
from regions.node_tokens import NodeSigner
from regions.region_client import RegionClient
from regions.residency.exchange import Report
from regions.residency.rules import Rules
from regions.residency.statement import Purpose
from regions.stores.memory_limits import MemoryLimits
from tests.builders.http import QuietHandler, running

CHEAP = HashCost(memory_kib=8, passes=1)
"""As cheap as argon2 can be: what is tested here is not how slow it is."""


@dataclass
class SetRules:
    """What an origin asks of `LiveRules`, by what `now` says at the moment."""

    region: str
    now: Callable[[], Rules]

    def current(self) -> Rules:
        return self.now()

    def report(self) -> Report:
        held = self.now().in_force
        if held is None:
            raise Unavailable("there is no statement")
        return Report(self.region, held.serial, held.hash, held.hash, 0.0, 60.0)

    def signed(self, hash: str) -> str | None:
        return next((one.signed for one in self.now().statements if one.hash == hash), None)


class _Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    is_away = False

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return not self.is_away


class RegionServers:
    """The ports exist at once, so that a topology can name them; `serve` makes them answer. Close it at the end."""

    def __init__(self) -> None:
        self._origin, self._objects = (
            make_server("127.0.0.1", 0, _not_found, server_class=_Threaded, handler_class=QuietHandler)
            for _ in range(2)
        )
        self.ports = {"origin": self._origin.server_port, "objects": self._objects.server_port}
        self._running = ExitStack()

    def serve(
        self,
        config: Config,
        region: str,
        stores: Stores,
        rules: Callable[[], Rules],
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._origin.set_app(create(context_of(config, region, stores, SetRules(region, rules), clock_ms)))
        self._objects.set_app(open_object_server(config, region))
        for server in (self._origin, self._objects):
            self._running.enter_context(running(server))

    def set_away(self, is_away: bool) -> None:
        """While it is, connections are closed without an answer."""
        self._origin.is_away = self._objects.is_away = is_away

    def close(self) -> None:
        self._running.close()
        for server in (self._origin, self._objects):
            server.server_close()


def ports_of(machine: Machine, servers: Mapping[str, RegionServers]) -> dict[str, int]:
    """For `data_folder.prepare`: those of these servers; nothing listens for the other processes."""
    ports = {process.name: 1 for process in machine.processes()}
    ports |= {f"origin-{region}": server.ports["origin"] for region, server in servers.items()}
    return ports | {f"object-server-{region}": server.ports["objects"] for region, server in servers.items()}


def context_of(config: Config, region: str, stores: Stores, rules: Any, clock_ms: Callable[[], int]) -> Context:
    def listed() -> Any:
        return rules.current().public_keys(region, Purpose.NODE)

    node = config.topology.regions[region]
    signer = NodeSigner(region, config.private_keys(region, Purpose.NODE), listed, lambda: clock_ms() // 1000)
    return Context(
        region=node,
        topology=config.topology,
        stores=stores,
        limits=MemoryLimits(lambda: time.monotonic_ns() // 1000),
        rules=rules,
        outbox=OutboxPublisher(stores.catalog, stores.events, clock_ms),
        new_id=ids.IdGenerator(node.number, 0, 0, lambda: 1 << 62, clock_ms).next,
        clock_ms=clock_ms,
        user_keys=config.private_keys(region, Purpose.USERS),
        others=RegionClient(signer),
        passphrases=PassphraseHasher(CHEAP, at_once=4),
        revoked=RevokedSessions(clock_ms),
        random=os.urandom,
    )


def _not_found(environ: Any, start_response: Any) -> list[bytes]:
    start_response("404 Not Found", [])
    return []
