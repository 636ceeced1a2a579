"""`darkroom run KIND NAME`: one process of a region, or one edge.

Imports only the standard library, and modules of ours that do the same, before the package that implements the process,
because gevent must patch it first.
"""

import argparse
import importlib
import os
import signal
import stat
from _thread import start_new_thread
from collections.abc import Sequence
from pathlib import Path

from darkroom.installation import require_service

MODULES = {
    "origin": "origin.app",
    "object-server": "regions.config",
    "processor": "processing.processor",
    "worker": "processing.worker",
    "janitor": "processing.background.janitor",
    "replicator": "replication.replicator",
    "edge": "edge.server",
    "witness": "origin.witness",
}
"""For each kind of process, the module that must be imported before all others."""

_STOP_S = 10


def main(arguments: Sequence[str]) -> int:
    """Runs the process until it is asked to stop. The exit code is 0 for success, 1 for a failure.

    Raises CommandError if the extra `service` is not installed.
    """
    options = _parser().parse_args(arguments)
    require_service("run")
    if _has_lifeline():
        # A real thread, started before gevent patches threads: it blocks in the kernel, not in the edge's event loop.
        start_new_thread(_stop_with_launcher, ())
    module = importlib.import_module(MODULES[options.kind])
    return int(importlib.import_module("darkroom.processes.entry_points").run(module, options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="darkroom run", description="Runs one process of a region, or one edge.")
    parser.add_argument("kind", choices=MODULES)
    parser.add_argument("name", help="the region, the edge or the witness")
    parser.add_argument("--topology", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--memory", type=gibibytes, default=1 << 30, metavar="GIB", help="a worker's limit (default: 1)"
    )
    parser.add_argument("--fd", type=int, metavar="N", help="a listening socket (default: bind the URL's port)")
    return parser


def gibibytes(text: str) -> int:
    memory_bytes = int(float(text) * (1 << 30))
    if memory_bytes <= 0:
        raise ValueError(text)
    return memory_bytes


def _has_lifeline() -> bool:
    """True if standard input is a launcher's pipe, not a terminal or /dev/null."""
    try:
        return stat.S_ISFIFO(os.fstat(0).st_mode)
    except OSError:
        return False


def _stop_with_launcher() -> None:
    """At end-of-file on the lifeline, stops this process with SIGTERM, and with SIGALRM if that takes too long."""
    while os.read(0, 4096):
        pass
    signal.alarm(_STOP_S)
    os.kill(os.getpid(), signal.SIGTERM)
