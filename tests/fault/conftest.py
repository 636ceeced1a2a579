"""Real servers that a fault test may kill."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from deploy.servers import fleet
from deploy.servers.process import Server
from tests.builders.embedded import catalog, clock, events
from tests.builders.processes import in_background

__all__ = ["catalog", "clock", "events", "in_background"]

_ROOT = Path(__file__).parents[2] / ".servers"


RunningServer = Callable[[str], AbstractContextManager[Server]]


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> RunningServer:
    """`with running_server("cassandra") as server`: on an empty folder and free ports, until the block ends.

    The test may call its `kill`, `start` and `wait`.
    """

    @contextmanager
    def running_server(name: str) -> Iterator[Server]:
        if not fleet.is_installed(_ROOT, name):
            if os.environ.get("CI"):
                pytest.fail(f"{name} must be installed: make servers-install")
            pytest.skip(f"{name} is not installed: make servers-install")
        server = fleet.prepare(_ROOT, tmp_path_factory.mktemp(name), name)
        try:
            server.start()
            server.wait()
            yield server
        finally:
            server.stop()

    return running_server


@pytest.fixture(scope="module")
def own_server(running_server: RunningServer) -> Iterator[Callable[[str], Server]]:
    """Starts a server of this module's own, which is stopped after the module: `own_server("cassandra")`."""
    with ExitStack() as servers:
        yield lambda name: servers.enter_context(running_server(name))
