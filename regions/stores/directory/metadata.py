"""What the directory store knows of an object: a hidden file beside its bytes.

It describes the newest bytes and those before them, so that a kill between the file's arrival and the bytes'
leaves the old bytes described. A stamp, their time of change, says which of the two lie there.
"""

import json
import os
from dataclasses import asdict
from io import FileIO
from pathlib import Path
from typing import Any

from regions.stores.directory import files as files
from regions.stores.directory.files import NOT_THERE
from regions.stores.objects import ObjectInfo

UNKNOWN_TYPE = "application/octet-stream"


def file_beside(data: Path) -> Path:
    return data.with_name(f".{data.name}.json")


def describe(data: Path, info: ObjectInfo, stamp: int, file: FileIO) -> None:
    """Says, in `file` and then beside `data`, what the bytes with this stamp are, before they take that place."""
    before = _known(data)
    files.write_all(file, json.dumps([asdict(info) | {"stamp": stamp}, *([before] if before else [])]).encode())
    os.fsync(file.fileno())
    os.rename(file.name, file_beside(data))
    if before:
        # Else, when the power fails, new bytes could lie there under the old description alone.
        files.sync_folder(data.parent)


def described(data: Path, key: str, at: os.stat_result) -> ObjectInfo | None:
    """What was written of bytes of this size and stamp; None where nobody wrote as many as there are."""
    known = _known(data, at)
    if known is None:
        return None
    return ObjectInfo(key, at.st_size, known["sha256"], known["content_type"], known["cache_control"])


def found(data: Path, key: str) -> ObjectInfo | None:
    """What lies there, described or not; None where nothing does."""
    try:
        at = os.stat(data)
    except NOT_THERE:
        return None
    return described(data, key, at) or ObjectInfo(key, at.st_size, None, UNKNOWN_TYPE)


def _known(data: Path, at: os.stat_result | None = None) -> dict[str, Any] | None:
    try:
        at = at or os.stat(data)
        known = [each for each in json.loads(file_beside(data).read_bytes()) if each["size_bytes"] == at.st_size]
    except (*NOT_THERE, ValueError, TypeError, KeyError):
        return None
    # A copy of the folder may have lost the stamps: then the newest is meant.
    return next((each for each in known if each["stamp"] == at.st_mtime_ns), known[0] if known else None)
