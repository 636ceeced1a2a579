"""The supervisor with real processes that are killed, ignore signals, or leave children behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from darkroom.local import supervisor
from darkroom.local.supervisor import Program, Supervisor

WITHIN_S = 20
WAITS = "import sys; sys.stdin.read()"
IGNORES_SIGTERM = (
    "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)
HAS_A_CHILD = (
    "import subprocess, sys; "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], stdin=subprocess.DEVNULL); "
    "print(child.pid, flush=True); sys.stdin.read()"
)


def eventually(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline_s, "this did not become true"
        time.sleep(0.02)


class Watched:
    """A supervisor, and what it reported."""

    def __init__(self) -> None:
        self.pids: dict[str, int] = {}
        self.deaths: list[tuple[str, str]] = []
        self.supervisor = Supervisor(self.changed, lambda name, how: self.deaths.append((name, how)))

    def changed(self, pids) -> None:
        self.pids = dict(pids)

    def run_until(self, condition: Callable[[], object]) -> None:
        eventually(lambda: self.supervisor.run_once() or condition())


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.supervisor.stop(0.0)


@pytest.fixture
def program(tmp_path) -> Callable[..., Program]:
    def program(code: str, name: str = "one") -> Program:
        command, log = (sys.executable, "-S", "-c", code), tmp_path / f"{name}.log"
        return Program(name, command, log, (), {"TMPDIR": str(tmp_path)})

    return program


def test_a_program_that_dies_is_started_again(watched, program):
    """It has the same name and another process id, and its death is reported."""
    watched.supervisor.start([program(WAITS)])
    first = watched.pids["one"]
    os.kill(first, signal.SIGKILL)
    watched.run_until(lambda: watched.pids.get("one", first) != first)
    assert watched.deaths == [("one", "was ended by SIGKILL")]


def test_a_program_that_exits_is_started_again(watched, program):
    """No program should end by itself, so an exit code of 0 counts as a death too."""
    watched.supervisor.start([program("")])
    watched.run_until(lambda: len(watched.deaths) >= 2)
    assert set(watched.deaths) == {("one", "ended with exit code 0")}


def test_other_programs_keep_running_when_one_dies(watched, program):
    """Only the process id of the dead program changes."""
    watched.supervisor.start([program(WAITS, "one"), program(WAITS, "two")])
    before = dict(watched.pids)
    os.kill(before["one"], signal.SIGKILL)
    watched.run_until(lambda: watched.pids.get("one", before["one"]) != before["one"])
    assert watched.pids["two"] == before["two"]


def test_the_children_of_a_dead_program_are_killed(watched, program):
    """Otherwise an orphan would keep answering on the same port."""
    one = program(HAS_A_CHILD)
    watched.supervisor.start([one])
    eventually(lambda: one.log.read_text().endswith("\n"))
    child = psutil.Process(int(one.log.read_text()))
    os.kill(watched.pids["one"], signal.SIGKILL)
    watched.run_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_stopping_leaves_no_process_behind(program):
    """A program that ignores SIGTERM is killed."""
    watched, deaf = Watched(), program(IGNORES_SIGTERM, "deaf")
    watched.supervisor.start([program(WAITS), deaf])
    eventually(lambda: deaf.log.read_text() == "ready\n")
    pids = list(watched.pids.values())
    watched.supervisor.stop(0.1)
    assert len(pids) == 2
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_death_just_before_the_stop_does_not_prevent_it(watched, program):
    """The supervisor has not noticed the death yet; the other program is stopped anyway."""
    watched.supervisor.start([program(WAITS, "one"), program(WAITS, "two")])
    pids = dict(watched.pids)
    os.kill(pids["one"], signal.SIGKILL)
    eventually(lambda: psutil.Process(pids["one"]).status() == psutil.STATUS_ZOMBIE)
    watched.supervisor.stop(5.0)
    assert not any(psutil.pid_exists(pid) for pid in pids.values())


def test_a_program_that_can_not_be_started_is_reported_and_retried(watched, tmp_path):
    """It has no process id meanwhile."""
    missing = Program("missing", (str(tmp_path / "no-such-program"),), tmp_path / "missing.log", (), {})
    watched.supervisor.start([missing])
    watched.run_until(lambda: len(watched.deaths) >= 2)
    assert watched.pids == {}
    assert watched.deaths[0][1].startswith("could not be started")


def test_a_long_log_is_moved_aside(watched, program):
    """A program's output is in two files of bounded size, so it does not fill the disk."""
    one = program("import sys; sys.stdout.write('x' * 9_000_000); sys.stdout.flush(); sys.stdin.read()")
    watched.supervisor.start([one])
    aside = one.log.with_suffix(".log.1")
    watched.run_until(aside.exists)
    assert one.log.stat().st_size <= supervisor._MAX_LOG_BYTES


def test_programs_end_when_the_launcher_is_killed(tmp_path):
    """No signal reaches them, but they read end-of-file on their standard input."""
    launcher = (
        "import sys, time, pathlib\n"
        "from darkroom.local.supervisor import Program, Supervisor\n"
        f"log = pathlib.Path({str(tmp_path / 'one.log')!r})\n"
        f"one = Program('one', (sys.executable, '-c', {WAITS!r}), log, (), {{}})\n"
        "Supervisor(lambda pids: print(pids.get('one'), flush=True), print).start([one])\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", launcher], stdout=subprocess.PIPE) as process:
        child = psutil.Process(int(process.stdout.readline()))
        process.kill()
    eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
