"""Real HTTP servers on loopback, for the operators' commands to send requests to."""

import threading
from collections.abc import Callable, Iterable, Iterator
from socketserver import BaseServer

import pytest


@pytest.fixture
def serve() -> Iterator[Callable[[Iterable[BaseServer]], None]]:
    """Runs the given servers until the end of the test, each on its own thread."""
    running: dict[BaseServer, threading.Thread] = {}

    def serve(servers: Iterable[BaseServer]) -> None:
        for server in servers:
            running[server] = threading.Thread(target=server.serve_forever, args=[0.02])
            running[server].start()

    yield serve
    for server, thread in running.items():
        server.shutdown()
        server.server_close()
        thread.join()
