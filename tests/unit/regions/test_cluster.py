"""A cluster of one's own and one that an operator runs, when processes of it are killed. Photo jobs: see processing."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from regions.cluster import DaskCluster
from regions.errors import Unavailable
from tests.builders.processes import has_ended

pytestmark = pytest.mark.xdist_group("dask")

PLENTY_S = 120.0
STARTS_A_CLUSTER = """
import threading
from regions.cluster import DaskCluster
if __name__ == "__main__":
    DaskCluster("", "json", 1 << 30).start()
    print("started", flush=True)
    threading.Event().wait()
"""


def raise_error(error: BaseException) -> None:
    raise error


def write_pid_and_wait(file: Path) -> None:
    file.write_text(str(os.getpid()))
    threading.Event().wait()


@pytest.fixture(scope="module")
def cluster():
    made = DaskCluster("", "json", 1 << 30)
    yield made
    made.close()


@pytest.mark.parametrize("error", [OSError("no disk"), ValueError("no number"), RuntimeError("no luck")], ids=repr)
def test_an_error_of_the_task_is_not_mistaken_for_a_lost_cluster(cluster, error):
    with pytest.raises(type(error), match=str(error)):
        cluster.run(raise_error, error, "raises", PLENTY_S)
    assert cluster.run(len, "abc", "counts", PLENTY_S) == 3


def test_a_closed_cluster_runs_nothing():
    closed = DaskCluster("", "json", 1 << 30)
    closed.close()
    with pytest.raises(Unavailable):
        closed.run(len, "abc", "counts", PLENTY_S)


def test_no_worker_outlives_a_process_that_was_killed(tmp_path, eventually):
    """kill -9 of the process whose cluster it is: the processes that it started end too."""
    script = tmp_path / "starts_a_cluster.py"
    script.write_text(STARTS_A_CLUSTER)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, cwd=os.getcwd()) as owner:
        assert owner.stdout.readline() == b"started\n"
        workers = psutil.Process(owner.pid).children(recursive=True)
        assert workers
        os.kill(owner.pid, signal.SIGKILL)
    eventually(lambda: all(map(has_ended, workers)))


class OperatorsDask:
    """A scheduler with one worker, as an operator would run them."""

    def __init__(self, folder: Path, eventually) -> None:
        self._folder, self._eventually = folder, eventually
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, port: int = 0) -> str:
        """Returns the scheduler's address."""
        file = self._folder / "scheduler.json"
        file.unlink(missing_ok=True)
        self._spawn("scheduler", "--port", str(port), "--dashboard-address", "127.0.0.1:0", "--scheduler-file", file)
        address = self._eventually(
            lambda: file.exists() and file.read_text() and json.loads(file.read_text())["address"]
        )
        self._spawn("worker", "--no-nanny", "--nthreads", "1", "--local-directory", self._folder, address)
        return address

    def kill(self) -> None:
        while self._processes:
            process = self._processes.pop()
            process.kill()
            process.wait()

    def _spawn(self, kind: str, *arguments: object) -> None:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--host", "127.0.0.1", "--no-dashboard"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._processes.append(subprocess.Popen([*command, *map(str, arguments)], **quiet))


@pytest.fixture
def operators_dask(tmp_path, eventually):
    running = OperatorsDask(tmp_path, eventually)
    yield running
    running.kill()


def test_a_lost_cluster_is_joined_again(operators_dask, tmp_path, in_background, eventually):
    """The whole cluster dies in the middle of a task: its caller gets Unavailable, and a later one the new cluster."""
    address = operators_dask.start()
    joined = DaskCluster(address, "json", 1 << 30)
    pid = tmp_path / "pid"
    outcome = in_background(lambda: joined.run(write_pid_and_wait, pid, "waits", PLENTY_S))
    eventually(pid.exists)
    operators_dask.kill()
    assert isinstance(outcome.exception(200), Unavailable)
    operators_dask.start(int(address.rpartition(":")[2]))
    assert eventually(lambda: length_or_none(joined, "abc")) == 3
    joined.close()


def length_or_none(cluster: DaskCluster, text: str) -> int | None:
    try:
        return cluster.run(len, text, "counts", PLENTY_S)
    except Unavailable:
        return None
