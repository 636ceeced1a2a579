"""Files that only their owner can read."""

import os
from pathlib import Path


def write_private(path: Path, data: bytes, times_ns: tuple[int, int] | None = None) -> None:
    """Creates or replaces the file, with mode 0600 from the start; with times of access and change, if given.

    Readers see the old content or the new, never a part: the data is flushed to disk under another name first, and
    then renamed.
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        os.fsync(file.fileno())
    if times_ns is not None:
        os.utime(fresh, ns=times_ns)
    fresh.replace(path)
