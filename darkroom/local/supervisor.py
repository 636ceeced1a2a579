"""Keeps programs running: starts them, restarts those that die, and leaves no process behind.

Each program leads its own process group. So Ctrl-C in a terminal reaches only the launcher, and the children of a
program that died can be killed with it. The standard input of each program is the lifeline, a pipe whose other end is
open only in the launcher: however the launcher ends, its programs read end-of-file and stop.
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

_CHECK_EVERY_S = 0.1
_TRIM_EVERY_S = 1.0
_STEADY_S = 10.0
_MAX_LOG_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Program:
    """`inherited` are descriptors that keep their numbers. `log` receives its output, at most twice 8 MB."""

    name: str
    command: tuple[str, ...]
    log: Path
    inherited: tuple[int, ...]
    environ: Mapping[str, str]
    """Beside the launcher's own."""


@dataclass(slots=True)
class _Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    due_s: float = 0.0
    deaths: int = 0
    """The number of deaths in a row, each soon after a start."""


class Supervisor:
    """Calls `changed` with the process ids by name whenever they change, and `died` with a name and how it ended."""

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
        """Detects dead programs, restarts those whose pause is over, and trims the logs."""
        with self._lock:
            for child in self._children:
                if child.process is not None and _has_ended(child.process):
                    code, child.process = child.process.returncode, None
                    self._report_pids()
                    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
                    self._delay_restart(child, how)
            self._start_due()
            if time.monotonic() - self._trimmed_s > _TRIM_EVERY_S:
                self._trimmed_s = time.monotonic()
                for child in self._children:
                    _trim(child.program.log)

    def run_forever(self, stop: threading.Event) -> None:
        while not stop.wait(_CHECK_EVERY_S):
            try:
                self.run_once()
            except OSError as error:
                self._died("the launcher", f"failed: {error}")

    def stop(self, within_s: float) -> None:
        """Sends SIGTERM to all, and kills those that do not end in time. Idempotent; nothing is restarted after it."""
        with self._lock:
            running = [child.process for child in self._children if child.process is not None]
            self._children = []
            for process in running:
                # Not `terminate`: it reaps a process that has just died, whose group could then not be killed.
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
            self._report_pids()

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
                    env={**os.environ, **child.program.environ},
                    start_new_session=True,
                )
        except OSError as error:
            self._delay_restart(child, f"could not be started: {error}")

    def _delay_restart(self, child: _Child, how: str) -> None:
        if time.monotonic() - child.started_s > _STEADY_S:
            child.deaths = 0
        child.deaths += 1
        child.due_s = time.monotonic() + backoff_s(child.deaths, random.random)
        self._died(child.program.name, how)

    def _report_pids(self) -> None:
        self._changed({child.program.name: child.process.pid for child in self._children if child.process is not None})


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """True once the process has ended. Then the rest of its group has been killed, and `returncode` is set."""
    # WNOWAIT does not reap the process: until it is reaped, no other process group can get its number.
    if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        return False
    _kill_group(process.pid)
    process.wait()
    return True


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _wait(processes: list[subprocess.Popen[bytes]], within_s: float) -> list[subprocess.Popen[bytes]]:
    """The processes that have not ended within that time."""
    deadline_s = time.monotonic() + within_s
    while processes := [process for process in processes if not _has_ended(process)]:
        if time.monotonic() > deadline_s:
            break
        time.sleep(0.02)
    return processes


def _trim(log: Path) -> None:
    """Moves the content of a long log to a second file. The program goes on appending to the first, now empty, file."""
    with suppress(FileNotFoundError):
        if log.stat().st_size > _MAX_LOG_BYTES:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)
