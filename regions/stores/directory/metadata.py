"""The metadata of an object: a hidden JSON file beside its bytes.

Bytes and metadata are two files, and no rename replaces both at once. So the metadata goes first, and describes two
versions: the new bytes, and those that it is about to replace. The steps of a write, and what a kill after each
leaves:

1. rename metadata {new, old} into place: the old bytes are still there, and the second entry describes them;
2. rename the new bytes into place: now the new bytes are there, and the first entry describes them.

Each entry has the size and the modification time (in nanoseconds) of its bytes. A reader takes the entry that matches
the bytes that it has opened.
"""

import json
import os
from dataclasses import asdict
from io import FileIO
from pathlib import Path
from typing import Any

from regions.stores.directory import files as files
from regions.stores.directory.files import MISSING
from regions.stores.object_rules import UNKNOWN_TYPE
from regions.stores.objects import ObjectInfo

_FIELDS = {"size_bytes", "mtime_ns", "sha256", "content_type", "cache_control"}
"""What an entry must have to be used; bytes without such an entry are an object of unknown hash and type."""


def file_beside(data: Path) -> Path:
    return data.with_name(f".{data.name}.json")


def write(data: Path, info: ObjectInfo, mtime_ns: int, file: FileIO) -> None:
    """Describes the bytes with this modification time, before they are renamed to `data`.

    Writes the description into `file`, which is then renamed beside `data`.
    """
    old = _matching_entry(data)
    files.write_all(file, json.dumps([asdict(info) | {"mtime_ns": mtime_ns}, *([old] if old else [])]).encode())
    os.fsync(file.fileno())
    os.rename(file.name, file_beside(data))
    if old:
        # Otherwise, after a power failure, the new bytes could be there with the old metadata, which lacks them.
        files.sync_folder(data.parent)


def read(data: Path, key: str, stat: os.stat_result) -> ObjectInfo | None:
    """The metadata of the bytes with this size and modification time.

    If only the size matches, that of the newest bytes of this size: a copy of the directory may have lost the
    modification times. None if no size matches.
    """
    entry = _matching_entry(data, stat)
    if entry is None:
        return None
    return ObjectInfo(key, stat.st_size, entry["sha256"], entry["content_type"], entry["cache_control"])


def find(data: Path, key: str) -> ObjectInfo | None:
    """The object, with or without metadata; None if there are no bytes."""
    try:
        stat = os.stat(data)
    except MISSING:
        return None
    return read(data, key, stat) or ObjectInfo(key, stat.st_size, None, UNKNOWN_TYPE)


def _matching_entry(data: Path, stat: os.stat_result | None = None) -> dict[str, Any] | None:
    try:
        stat = stat or os.stat(data)
        written = json.loads(file_beside(data).read_bytes())
        entries = [entry for entry in written if entry.keys() >= _FIELDS and entry["size_bytes"] == stat.st_size]
    except (*MISSING, ValueError, TypeError, AttributeError):
        return None
    return next((entry for entry in entries if entry["mtime_ns"] == stat.st_mtime_ns), entries[0] if entries else None)
