"""Whether the disk of an embedded store has enough free space."""

import os
import shutil
from pathlib import Path

from regions.errors import Unavailable
from regions.stores.health import CheckResult, HealthCheck, Level

# The first holds a few uploads and a write-ahead log before its checkpoint; the second a day of moderate use.
_FAIL_BYTES, _WARN_BYTES = 256 << 20, 2 << 30


def check(folder: Path) -> HealthCheck:
    return HealthCheck("disk", lambda: evaluate(_free_bytes(folder)), "Mount the disk that holds the store.")


def evaluate(free_bytes: int) -> CheckResult:
    """Pure."""
    left = f"{free_bytes / (1 << 30):.1f} GiB free"
    if free_bytes >= _WARN_BYTES:
        return CheckResult("disk", Level.OK, left)
    level = Level.FAILURE if free_bytes < _FAIL_BYTES else Level.WARNING
    return CheckResult("disk", level, left, "Free space on the disk, or move the store to a larger one.")


def _free_bytes(folder: Path) -> int:
    """What is free for users other than root. Raises Unavailable."""
    try:
        return shutil.disk_usage(folder).free
    except OSError as error:
        raise Unavailable(f"the disk can't be read: {os.strerror(error.errno or 0)}") from error
