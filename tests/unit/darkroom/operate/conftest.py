"""For the operators' commands: real HTTP servers on loopback to send requests to, and an end to what they watch."""

import threading
from collections.abc import Callable, Iterable, Iterator
from socketserver import BaseServer

import pytest

from darkroom.operate import watching


@pytest.fixture
def between_looks(monkeypatch) -> Callable[..., None]:
    """`between_looks(*steps)`: one happens after each look of a watch, and Ctrl-C after the last."""

    def plan(*steps: Callable[[], object]) -> None:
        left = iter(steps)

        def pause(seconds: float) -> None:
            step = next(left, None)
            if step is None:
                raise KeyboardInterrupt
            step()

        monkeypatch.setattr(watching.time, "sleep", pause)

    return plan


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
