"""The entry point of each kind of process: it reads the configuration, serves or works, and stops on SIGTERM."""

import _thread
import importlib.resources
import logging
import os
import signal
import socket
import sys
import threading
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from regions import config, telemetry
from regions.config import Config
from regions.errors import TopologyError

log = logging.getLogger(__name__)

_BACKLOG = 512


def run(module: ModuleType, options: Namespace) -> int:
    """Runs the process until SIGTERM, and returns its exit code. `module` is that of its kind, imported already."""
    telemetry.start(f"{options.kind}-{options.name}")
    try:
        loaded = config.load(options.topology, os.environ)
        places = {"edge": loaded.topology.edges, "witness": loaded.topology.witnesses}
        if options.name not in places.get(options.kind, loaded.topology.regions):
            raise TopologyError(f"{options.topology} has no {options.name}")
        _KINDS[options.kind](module, loaded, options)
    except TopologyError as error:
        log.error("can't be started", extra={"error": str(error)})
        return 1
    return 0


def _origin(module: ModuleType, loaded: Config, options: Namespace) -> None:
    listener = _listener(options.fd, loaded.topology.regions[options.name].origin)
    _serve(listener, lambda: module.open_app(loaded, options.name, _process_name(options)))


def _witness(module: ModuleType, loaded: Config, options: Namespace) -> None:
    listener = _listener(options.fd, loaded.topology.witnesses[options.name].url)
    _serve(listener, lambda: module.open_app(loaded, options.name))


def _object_server(module: ModuleType, loaded: Config, options: Namespace) -> None:
    listener = _listener(options.fd, config.object_server_url(loaded, options.name))
    server = config.open_object_server(loaded, options.name)
    _serve(listener, lambda: server, server.max_body_bytes, server.takes_body)


def _loops(module: ModuleType, loaded: Config, options: Namespace) -> None:
    stop = threading.Event()
    _on_sigterm(stop.set)
    module.main(loaded, options.name, _process_name(options), stop)


def _worker(module: ModuleType, loaded: Config, options: Namespace) -> None:
    stop = threading.Event()
    _on_sigterm(stop.set)
    module.main(loaded, options.name, options.memory, stop)


def _edge(module: ModuleType, loaded: Config, options: Namespace) -> None:
    listener = _listener(options.fd, loaded.topology.edges[options.name].url)
    web = Path(str(importlib.resources.files("darkroom").joinpath("web")))
    server = module.serve(loaded, options.name, listener, web)
    _on_sigterm(server.stop)
    server.serve_forever()


_KINDS: dict[str, Callable[[ModuleType, Config, Namespace], None]] = {
    "origin": _origin,
    "object-server": _object_server,
    "processor": _loops,
    "worker": _worker,
    "janitor": _loops,
    "replicator": _loops,
    "edge": _edge,
    "witness": _witness,
}


def _serve(listener: socket.socket, load: Callable[[], Callable[..., Any]], *bodies: Any) -> None:
    _exit_on_sigterm()
    # Not at the top: only these kinds of process need Waitress.
    wsgi = importlib.import_module("darkroom.processes.wsgi")
    wsgi.WsgiServer(listener, load(), *bodies).run()


def _exit_on_sigterm() -> None:
    """Until a server is there to stop: what the application has registered by then is given back at exit."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))


def _on_sigterm(stop: Callable[[], object]) -> None:
    """Calls `stop` on a new thread: the handler interrupts the main thread, which may hold a lock that `stop` needs."""
    signal.signal(signal.SIGTERM, lambda number, frame: _thread.start_new_thread(stop, ()))


def _listener(descriptor: int | None, url: str) -> socket.socket:
    if descriptor is not None:
        return socket.socket(fileno=descriptor)
    address = urlsplit(url)
    if address.hostname is None or address.port is None:
        raise TopologyError(f"{url!r} names no host and port to listen on")
    try:
        return socket.create_server((address.hostname, address.port), backlog=_BACKLOG)
    except OSError as error:
        raise TopologyError(f"{url} can't be listened on: {error.strerror}") from error


def _process_name(options: Namespace) -> str:
    """A unique name for the owner of a lease. Must be called in the process that takes the lease: it has its id."""
    return f"{options.kind}-{options.name}-{socket.gethostname()}-{os.getpid()}"
