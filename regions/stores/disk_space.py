"""Whether the disk under an embedded store has room."""

import os
import shutil
from pathlib import Path

from regions.errors import Unavailable
from regions.stores.health import CheckResult, HealthCheck, Level

# A few photos on their way and a log that is not yet written back fit into the first; the second is a day of some use.
_FAIL_BYTES, _WARN_BYTES = 256 << 20, 2 << 30


def check(folder: Path) -> HealthCheck:
    return HealthCheck("disk", lambda: judge(_free_bytes(folder)), "Mount the disk on which the store lies.")


def judge(free_bytes: int) -> CheckResult:
    """Pure."""
    left = f"{free_bytes / (1 << 30):.1f} GiB free"
    if free_bytes >= _WARN_BYTES:
        return CheckResult("disk", Level.OK, left)
    level = Level.FAILURE if free_bytes < _FAIL_BYTES else Level.WARNING
    return CheckResult("disk", level, left, "Free space on the disk, or move the store to a larger one.")


def _free_bytes(folder: Path) -> int:
    """For those who are not root. Raises Unavailable."""
    try:
        return shutil.disk_usage(folder).free
    except OSError as error:
        raise Unavailable(f"the disk does not answer: {os.strerror(error.errno or 0)}") from error
