"""`darkroom run KIND NAME`: one process of a region, or one edge.

Nothing but the standard library is imported here before the process's own room, since gevent must patch first.
"""

import argparse
import importlib
import os
import signal
import stat
from _thread import start_new_thread
from collections.abc import Sequence
from pathlib import Path

ROOMS = {
    "origin": "origin.app",
    "object-server": "regions.config",
    "processor": "processing.processor",
    "janitor": "processing.background.janitor",
    "replicator": "replication.replicator",
    "edge": "edge.server",
}
"""The module of each kind of process that must be imported before any other."""

_STOP_S = 10


def main(arguments: Sequence[str]) -> int:
    """The exit code, once the process was told to stop: 0 well, 1 failed."""
    options = _parser().parse_args(arguments)
    if _has_lifeline():
        # Before gevent patches threads: this one waits in the kernel, and must not hold up the edge's loop.
        start_new_thread(_end_with_the_launcher, ())
    room = importlib.import_module(ROOMS[options.kind])
    return int(importlib.import_module("darkroom.processes.entry_points").run(room, options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="darkroom run", description="Runs one process of a region, or one edge.")
    parser.add_argument("kind", choices=ROOMS)
    parser.add_argument("name", help="the region or the edge")
    parser.add_argument("--topology", type=Path, required=True, metavar="FILE")
    parser.add_argument("--fd", type=int, metavar="N", help="the listening socket (default: binds its URL's port)")
    return parser


def _has_lifeline() -> bool:
    """A terminal or /dev/null is no launcher's pipe: then the process runs until it is told to stop."""
    try:
        return stat.S_ISFIFO(os.fstat(0).st_mode)
    except OSError:
        return False


def _end_with_the_launcher() -> None:
    """End-of-file on the lifeline asks this process to stop, and soon makes it."""
    while os.read(0, 4096):
        pass
    signal.alarm(_STOP_S)
    os.kill(os.getpid(), signal.SIGTERM)
