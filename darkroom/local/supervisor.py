"""Keeps programs running: starts them, starts again what dies, and leaves nothing behind.

Each program leads a process group of its own, so that Ctrl-C in a terminal reaches the launcher alone, and so
that what a dead program has started goes with it. Its standard input is the lifeline, a pipe that the
launcher holds: whatever way the launcher ends, its programs read end-of-file and stop.
"""

import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from regions.retry import backoff_s

_LOOK_EVERY_S = 0.1
_TRIM_EVERY_S = 1.0
_STEADY_S = 10.0
_MAX_LOG_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Program:
    """`inherited` are the descriptors it gets under the same numbers; `log` takes what it says, up to 8 MB twice."""

    name: str
    command: tuple[str, ...]
    log: Path
    inherited: tuple[int, ...]
    scratch: Path
    """Where its temporary files go."""


@dataclass(slots=True)
class _Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    due_s: float = 0.0
    deaths: int = 0
    """In a row, each soon after its start."""


class Supervisor:
    """`changed` is told the process ids by name whenever they change; `died` the name and how it ended."""

    def __init__(self, changed: Callable[[Mapping[str, int]], None], died: Callable[[str, str], None]) -> None:
        self._changed, self._died = changed, died
        self._pipe = ExitStack()
        self._lifeline, our_end = os.pipe()
        for descriptor in (self._lifeline, our_end):
            self._pipe.callback(os.close, descriptor)
        self._children: list[_Child] = []
        self._lock = threading.Lock()
        self._trimmed_s = 0.0

    def start(self, programs: Iterable[Program]) -> None:
        with self._lock:
            self._children += [_Child(program) for program in programs]
            self._start_due()

    def run_once(self) -> None:
        """Notices who has died, and starts again whose time has come."""
        with self._lock:
            for child in self._children:
                if child.process is not None and _has_ended(child.process):
                    self._note_death(child, child.process.returncode)
            self._start_due()
            if time.monotonic() - self._trimmed_s > _TRIM_EVERY_S:
                self._trimmed_s = time.monotonic()
                for child in self._children:
                    _trim(child.program.log)

    def run_forever(self, stop: threading.Event) -> None:
        while not stop.wait(_LOOK_EVERY_S):
            try:
                self.run_once()
            except OSError as error:
                self._died("the launcher", f"could not do its work: {error}")

    def stop(self, within_s: float) -> None:
        """Asks all to stop, and kills those that have not within that time. Idempotent; nothing is started any more."""
        with self._lock:
            running = [child.process for child in self._children if child.process is not None]
            self._children = []
            for process in running:
                # Not `terminate`, which reaps one that has died just now, and what it leaves behind would stay.
                os.kill(process.pid, signal.SIGTERM)
            running = _wait(running, within_s)
            for process in running:
                _kill_group(process.pid)
            _wait(running, within_s)
            self._pipe.close()

    def _start_due(self) -> None:
        waiting = [child for child in self._children if child.process is None and child.due_s <= time.monotonic()]
        for child in waiting:
            self._start(child)
        if waiting:
            self._tell()

    def _start(self, child: _Child) -> None:
        child.started_s = time.monotonic()
        try:
            with child.program.log.open("ab") as log:
                child.process = subprocess.Popen(
                    child.program.command,
                    stdin=self._lifeline,
                    stdout=log,
                    stderr=log,
                    pass_fds=child.program.inherited,
                    env={**os.environ, "TMPDIR": str(child.program.scratch)},
                    start_new_session=True,
                )
        except OSError as error:
            self._put_off(child, f"could not be started: {error}")

    def _note_death(self, child: _Child, code: int) -> None:
        child.process = None
        self._tell()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        self._put_off(child, how)

    def _put_off(self, child: _Child, how: str) -> None:
        if time.monotonic() - child.started_s > _STEADY_S:
            child.deaths = 0
        child.due_s = time.monotonic() + backoff_s(child.deaths, random.random)
        child.deaths += 1
        self._died(child.program.name, how)

    def _tell(self) -> None:
        self._changed({child.program.name: child.process.pid for child in self._children if child.process is not None})


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """True once it has; what is left of its group is gone then, and `returncode` is set."""
    # Looked at without reaping: until it is reaped, nobody else's group can have its number.
    if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        return False
    _kill_group(process.pid)
    process.wait()
    return True


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _wait(processes: list[subprocess.Popen[bytes]], within_s: float) -> list[subprocess.Popen[bytes]]:
    """Those that have not ended in that time."""
    deadline_s = time.monotonic() + within_s
    while processes := [process for process in processes if not _has_ended(process)]:
        if time.monotonic() > deadline_s:
            break
        time.sleep(0.02)
    return processes


def _trim(log: Path) -> None:
    """Moves a long log's text aside. The program goes on in the same file, which it opened to append."""
    with suppress(FileNotFoundError):
        if log.stat().st_size > _MAX_LOG_BYTES:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)
