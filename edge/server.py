"""Builds one edge from its parts. Import this before anything else: it patches the standard library for gevent."""

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
from urllib.parse import urlsplit

import gevent
from gevent.event import Event
from gevent.server import StreamServer
from gevent.socket import socket as GeventSocket

from edge import routing
from edge.app import App
from edge.cache import Cache
from edge.connections import Connections
from edge.flights import Flights
from edge.grant_cache import GrantCache
from edge.images import Images, Upstream
from edge.news import RegionNews
from edge.node_client import NodeClient
from edge.page import Page
from edge.permissions import Permissions
from edge.renewal import Renewal
from edge.saved_cursors import SavedCursors
from edge.tombstones import KnownTombstones
from edge.upstream import OriginUpstream, ShieldUpstream
from regions.clock import now_s
from regions.config import Config
from regions.errors import TopologyError
from regions.node_tokens import NodeSigner
from regions.residency.live import FollowedRules
from regions.residency.statement import Purpose
from regions.topology import Edge, Topology

log = logging.getLogger(__name__)

_MEMORY_BYTES = 128 * 1024 * 1024
_DISK_BYTES = 4 * 1024 * 1024 * 1024
_MAX_FLIGHTS = 512
_MAX_FLIGHT_BYTES = 128 * 1024 * 1024
_MAX_CONNECTIONS = 4000
_BACKLOG = 1024
_STOP_S = 3.0


class EdgeServer:
    """An edge. It accepts connections while `serve_forever` runs."""

    def __init__(self, app: App, loops: Sequence[Callable[[], None]], listener: socket.socket) -> None:
        self._server = StreamServer(listener, Connections(app, _MAX_CONNECTIONS).handle)
        self._loops = loops
        self._stopping = Event()
        self._hub_loop = gevent.get_hub().loop

    def serve_forever(self) -> None:
        """Until `stop`. Requests in progress then have a few seconds to finish."""
        running = [gevent.spawn(loop) for loop in self._loops]
        self._server.start()
        try:
            self._stopping.wait()
        finally:
            self._server.stop(timeout=_STOP_S)
            gevent.killall(running)

    def stop(self) -> None:
        """Returns at once. Safe to call from any thread and from a signal handler."""
        self._hub_loop.run_callback_threadsafe(self._stopping.set)


def serve(config: Config, name: str, listener: socket.socket | None, web_folder: Path) -> EdgeServer:
    """The edge `name`, on a listening socket or on the port of its URL, with the web page from `web_folder`."""
    topology = config.topology
    edge = topology.edges[name]
    _, max_open_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max_open_files, max_open_files))
    rules = FollowedRules(config.statement_folder(name), config.signers())
    listed = lambda: rules.everywhere().public_keys(name, Purpose.NODE)  # noqa: E731
    node_client = NodeClient(NodeSigner(name, config.private_keys(name, Purpose.NODE), listed, now_s))
    news, permissions = RegionNews(topology, edge, node_client, rules, now_s), Permissions(rules)
    folder = Path(edge.cache)
    cache = Cache(folder, _MEMORY_BYTES, _DISK_BYTES)
    grant_cache = GrantCache(time.monotonic)
    flights = Flights(topology.regions, _MAX_FLIGHTS, _MAX_FLIGHT_BYTES)
    is_of = partial(routing.is_home_of, topology)
    tombstones = KnownTombstones(news.poll, cache.purge, SavedCursors(folder), time.monotonic, is_of)
    upstreams = _upstreams(topology, edge, node_client, grant_cache, permissions, flights)
    images = Images(name, upstreams, cache, grant_cache, permissions, tombstones, flights, time.monotonic)
    app = App(topology, edge, node_client, news, cache, tombstones, images, Page(web_folder))
    renewal = Renewal(name, topology, cache, grant_cache, permissions, images, time.monotonic)
    loops: list[Callable[[], None]] = [partial(tombstones.run_forever, region) for region in topology.regions]
    return EdgeServer(
        app,
        [*loops, renewal.run_forever, renewal.watch_forever, node_client.ask_refused_forever],
        _gevent_listener(edge, listener),
    )


def _upstreams(
    topology: Topology,
    edge: Edge,
    node_client: NodeClient,
    grant_cache: GrantCache,
    permissions: Permissions,
    flights: Flights,
) -> dict[str, Upstream]:
    return {
        region.name: OriginUpstream(region, edge.name, node_client, grant_cache, permissions, flights, time.monotonic)
        if edge.shield_of == region.name
        else ShieldUpstream(
            topology.shield_of(region.name), edge.name, node_client, grant_cache, permissions, time.monotonic
        )
        for region in topology.regions.values()
    }


def _gevent_listener(edge: Edge, listener: socket.socket | None) -> socket.socket:
    if listener is not None:
        # `darkroom run` creates it before gevent has patched the standard library.
        patched: socket.socket = GeventSocket(listener.family, listener.type, fileno=listener.detach())
        return patched
    address = urlsplit(edge.url)
    if address.hostname is None or address.port is None:
        raise TopologyError(f"{edge.url!r} has no host or no port to listen on")
    return socket.create_server((address.hostname, address.port), backlog=_BACKLOG)
