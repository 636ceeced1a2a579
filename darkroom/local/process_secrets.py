"""Which secrets a process gets: those of its own node, and no other's.

Each process of the launcher has a folder with these alone. On production machines, the same table says which files to
put where (docs/operating.md).
"""

import shutil
from pathlib import Path

from darkroom.local.machine import Process

FOLDER = "process-secrets"

_STORES = ("objects", "s3", "catalog", "feeds", "settings")
_NEEDED: dict[str, tuple[str, ...]] = {
    "edge": ("node",),
    "witness": ("node",),
    "origin": ("node", "users", "limits", *_STORES),
    "object-server": ("objects",),
    "processor": ("dask", *_STORES),
    "worker": ("dask", *_STORES),
    "janitor": _STORES,
    "replicator": ("dask", "node", *_STORES),
}
"""By kind: the second word of its files' names, after the name of its node."""


def needed(process: Process) -> list[str]:
    """What the names of its files begin with, each up to a dot or the end."""
    return [f"{process.node}.{word}" for word in _NEEDED[process.kind]]


def give(process: Process, secrets: Path, folder: Path) -> Path:
    """The process's own folder, with copies of its secrets as they are now."""
    own = folder / process.name
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(mode=0o700, parents=True)
    words = set(needed(process))
    for file in secrets.iterdir():
        if file.name in words or ".".join(file.name.split(".")[:2]) in words:
            shutil.copyfile(file, own / file.name)
    return own
