"""One edge, wired together. Import this before anything else: it patches the standard library for gevent."""

from gevent import monkey

monkey.patch_all()

# ruff: noqa: E402
import logging
import resource
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gevent
from gevent.event import Event
from gevent.server import StreamServer
from gevent.socket import socket as GeventSocket

from edge.app import App, read_tombstones
from edge.cache import Cache
from edge.connections import Connections
from edge.flights import Flights
from edge.grant_cache import GrantCache
from edge.images import Images, Upstream
from edge.node_client import NodeClient
from edge.page import Page
from edge.renewal import Renewal
from edge.tombstones import KnownTombstones
from edge.upstream import Origin, Shield
from regions.clock import now_s
from regions.config import Config
from regions.errors import TopologyError
from regions.topology import Edge, Topology

log = logging.getLogger(__name__)

_MEMORY_BYTES = 128 * 1024 * 1024
_DISK_BYTES = 4 * 1024 * 1024 * 1024
_FLIGHTS = 512
_FLIGHT_BYTES = 128 * 1024 * 1024
_CONNECTIONS = 4000
_BACKLOG = 1024
_STOP_S = 3.0


class EdgeServer:
    """An edge that listens once `serve_forever` runs."""

    def __init__(self, app: App, loops: Sequence[Callable[[], None]], listener: socket.socket) -> None:
        self._server = StreamServer(listener, Connections(app, _CONNECTIONS).handle)
        self._loops = loops
        self._stopping = Event()
        self._loop = gevent.get_hub().loop

    def serve_forever(self) -> None:
        """Until `stop`; requests under way then have a few seconds to end."""
        running = [gevent.spawn(loop) for loop in self._loops]
        self._server.start()
        try:
            self._stopping.wait()
        finally:
            self._server.stop(timeout=_STOP_S)
            gevent.killall(running)

    def stop(self) -> None:
        """Returns at once; safe from any thread and from a signal handler."""
        self._loop.run_callback_threadsafe(self._stopping.set)


def serve(config: Config, name: str, listener: socket.socket | None, web_folder: Path) -> EdgeServer:
    """The edge `name`, on a listening socket or on the port of its URL, with the web page of that folder."""
    topology = config.topology
    edge = topology.edges[name]
    _allow_many_sockets()
    calls = NodeClient(name, config.private_key(name), now_s)
    cache = Cache(Path(edge.cache), _MEMORY_BYTES, _DISK_BYTES)
    known = GrantCache(time.monotonic)
    flights = Flights(_FLIGHTS, _FLIGHT_BYTES)
    tombstones = KnownTombstones(_asks_tombstones(topology, edge, calls), cache.purge, time.monotonic)
    upstreams = _upstreams(topology, edge, calls, known, flights)
    images = Images(name, upstreams, cache, known, tombstones, flights, time.monotonic)
    app = App(topology, edge, calls, cache, tombstones, images, Page(web_folder))
    renewal = Renewal(name, topology, cache, known, images, time.monotonic)
    loops: list[Callable[[], None]] = [partial(tombstones.run_forever, region) for region in topology.regions]
    return EdgeServer(app, [*loops, renewal.run_forever], _gevent_listener(edge, listener))


def _upstreams(
    topology: Topology, edge: Edge, calls: NodeClient, known: GrantCache, flights: Flights
) -> dict[str, Upstream]:
    return {
        region.name: Origin(region, edge.name, calls, known, flights, time.monotonic)
        if edge.shield_of == region.name
        else Shield(topology.shield_of(region.name), calls, known, time.monotonic)
        for region in topology.regions.values()
    }


def _asks_tombstones(topology: Topology, edge: Edge, calls: NodeClient) -> Callable[[str, int], Any]:
    def ask(region: str, after: int) -> Any:
        if edge.shield_of == region:
            return read_tombstones(calls, f"{topology.regions[region].origin}/v1", after)
        return read_tombstones(calls, f"{topology.shield_of(region).url}/edge", after)

    return ask


def _gevent_listener(edge: Edge, listener: socket.socket | None) -> socket.socket:
    if listener is not None:
        # Whoever made it may have done so before the patch.
        patched: socket.socket = GeventSocket(listener.family, listener.type, fileno=listener.detach())
        return patched
    address = urlsplit(edge.url)
    if address.hostname is None or address.port is None:
        raise TopologyError(f"{edge.url!r} names no host and port to listen on")
    return socket.create_server((address.hostname, address.port), backlog=_BACKLOG)


def _allow_many_sockets() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
