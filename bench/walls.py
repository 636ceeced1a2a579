"""The walls of one region, on real servers that this starts on a temporary folder: what more processes can't speed up.

`bench/region/` says what is measured, and how. `make servers-install` installs the servers, once. Nothing here has a
goal, since the figures depend on the machine. Some figures name in brackets what the same thing was before it was
changed, with the source in the module that measures it.
"""

import sys
import tempfile
from pathlib import Path

from bench import harness
from bench.region import deletions, events, policy, uploads
from deploy.servers import cassandra, consul, fleet, kafka
from deploy.servers.process import ServerError
from regions.errors import Unavailable

ROOT = Path(__file__).parents[1] / ".servers"


def run() -> list[harness.Measurement]:
    """Raises NotMeasured if a server is not installed; exits with 1, and says why, if one does not start or answer."""
    if missing := [name for name in fleet.NAMES if not fleet.is_installed(ROOT, name)]:
        raise harness.NotMeasured(f"not installed: {', '.join(missing)}. `make servers-install` installs them, once.")
    try:
        with (
            tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder,
            fleet.running(ROOT, Path(folder)) as servers,
        ):
            return [
                *deletions.rows(servers[cassandra.NAME].address),
                *policy.rows(servers[consul.NAME].address),
                *uploads.rows(servers),
                *events.rows(servers[kafka.NAME].address),
            ]
    except (ServerError, Unavailable) as error:
        sys.exit(f"{error}. Does something else keep this machine busy?")
