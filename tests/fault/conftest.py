"""Real servers that a fault test may kill."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.servers import fleet
from deploy.servers.process import Server
from tests.builders.embedded import catalog, clock, events

__all__ = ["catalog", "clock", "events"]

_ROOT = Path(__file__).parents[2] / ".servers"


Starter = Callable[[str], Server]


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    """Starts a server of this module's own, on an empty folder and free ports: `own_server("cassandra")`.

    The test may call its `kill`, `start` and `wait`; it is stopped after the module.
    """
    yield from _servers(tmp_path_factory)


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    """Like `own_server`, shared by the modules of one folder. Each of them must leave the server running."""
    yield from _servers(tmp_path_factory)


def _servers(folders: pytest.TempPathFactory) -> Iterator[Starter]:
    started: list[Server] = []

    def start(name: str) -> Server:
        if not fleet.is_installed(_ROOT, name):
            if os.environ.get("CI"):
                pytest.fail(f"{name} must be installed: make servers")
            pytest.skip(f"{name} is not installed: make servers")
        server = fleet.prepare(_ROOT, folders.mktemp(name), name)
        started.append(server)
        server.start()
        server.wait()
        return server

    yield start
    for server in started:
        server.stop()
