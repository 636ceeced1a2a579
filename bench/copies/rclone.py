"""rclone, with which people copy from one S3 to another: `rclone copy --transfers N`, as many checkers, and otherwise
its own settings, with which it compares MD5 sums. `make bench-peers` builds it from its Go module.

It starts, lists both buckets and then copies. A lane runs all the time and lists nothing, so the least that rclone took
to find nothing to copy, of several times, is subtracted.
"""

import os
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bench.copies.store_pair import ACCESS_KEY, BUCKETS, EMPTY_BUCKET, REGION, CopiedObject, CopyEnd

NAME = "rclone"
MISSING: Mapping[str, str] = {NAME: "`make bench-peers` installs it; Go is needed"}
TRANSFERS = (8, 32, 128)
"""By itself it does 4, which is the slowest everywhere."""

_OVERHEADS = 3
_BINARY = Path(__file__).parents[1] / "peers" / "bin" / "rclone"


def is_installed() -> bool:
    return _BINARY.exists()


def copy(transfers: int, source: CopyEnd, destination: CopyEnd, objects: Sequence[CopiedObject]) -> float:
    """Raises CalledProcessError if it reports an error."""
    overhead_s = min(_run(transfers, source, destination, [EMPTY_BUCKET]) for _ in range(_OVERHEADS))
    return _run(transfers, source, destination, BUCKETS.values()) - overhead_s


def _run(transfers: int, source: CopyEnd, destination: CopyEnd, buckets: Iterable[str]) -> float:
    number = str(transfers)
    command = [str(_BINARY), "copy", "source:", "destination:", "--transfers", number]
    command += [argument for bucket in buckets for argument in ("--include", f"/{bucket}/**")]
    command += ["--checkers", number, "--retries", "1", "--stats", "0", "--log-level", "ERROR"]
    # What this machine has set for AWS is about other servers.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RCLONE_"))}
    environment |= _remote("SOURCE", source) | _remote("DESTINATION", destination)
    start_s = time.perf_counter()
    subprocess.run(command, env={**environment, "RCLONE_CONFIG": ""}, check=True)
    return time.perf_counter() - start_s


def _remote(name: str, end: CopyEnd) -> dict[str, str]:
    settings = {
        "TYPE": "s3",
        "PROVIDER": "Other",
        "ENDPOINT": end.endpoint,
        "REGION": REGION,
        "ACCESS_KEY_ID": ACCESS_KEY,
        "SECRET_ACCESS_KEY": end.secret,
    }
    return {f"RCLONE_CONFIG_{name}_{key}": value for key, value in settings.items()}
