"""The production stores on real servers, which this starts on a temporary folder: Kafka, Cassandra, Redis.

`bench/ports/` says what is measured, and beside which peer. `make servers-install` installs the servers, once.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import harness
from bench.ports import catalog, events, feeds
from deploy.servers import cassandra, fleet, kafka, redis
from deploy.servers.process import ServerError

ROOT = Path(__file__).parents[1] / ".servers"

Rows = Callable[[str], list[harness.Measurement]]

MEASURED: dict[str, Rows] = {kafka.NAME: events.rows, cassandra.NAME: catalog.rows, redis.NAME: feeds.rows}
"""What is measured at a server's address, by the server's name."""


def run() -> list[harness.Measurement]:
    """Raises NotMeasured if a server is not installed; exits with 1, and says why, if one does not start."""
    if missing := [name for name in MEASURED if not fleet.is_installed(ROOT, name)]:
        raise harness.NotMeasured(f"not installed: {', '.join(missing)}. `make servers-install` installs them, once.")
    try:
        return [row for name, rows in MEASURED.items() for row in _on_server(name, rows)]
    except ServerError as error:
        sys.exit(str(error))


def _on_server(name: str, rows: Rows) -> list[harness.Measurement]:
    """One server at a time, so that they don't compete for the processor."""
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder:
        server = fleet.prepare(ROOT, Path(folder), name)
        try:
            server.start()
            server.wait()
            return rows(server.address)
        finally:
            server.stop()
