"""The cluster: processes that are killed, hang or vanish in the middle of a photo, and what becomes of it."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from processing import job
from processing.cluster import Cluster
from regions.errors import Unavailable
from regions.stores.objects import VARIANTS, variant_key

pytestmark = pytest.mark.xdist_group("processing-cluster")


@pytest.fixture(scope="module")
def cluster():
    made = Cluster("", grace_s=1.0)
    yield made
    made.close()


@contextmanager
def nothing_can_be_written(room, photo):
    """Holds the lock that the store takes to write the photo's variants, so that its job stands in the middle."""
    key = variant_key(photo.photo_id, 150)
    folder = Path(room.config.topology.regions["eu-west"].objects.removeprefix("directory://").partition("?")[0])
    folder = folder / VARIANTS / key.partition("/")[0]
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def workers(parent: int) -> list[psutil.Process]:
    children = psutil.Process(parent).children(recursive=True)
    return [child for child in children if "--multiprocessing-fork" in child.cmdline()]


def in_the_middle(parent: int = 0) -> psutil.Process | None:
    """The worker that has a variant half written."""
    try:
        for worker in workers(parent or os.getpid()):
            if any("/objects/tmp/" in file.path for file in worker.open_files()):
                return worker
    except psutil.NoSuchProcess:
        return None
    return None


def test_a_worker_that_is_killed_costs_only_a_retry(room, draw, cluster, in_background, eventually):
    """kill -9 in the middle of a photo: another process begins again, and the photo is ready."""
    photo, _ = room.uploaded(draw(1))
    with nothing_can_be_written(room, photo):
        outcome = in_background(lambda: cluster.run(room.request(photo)))
        eventually(in_the_middle).kill()
    assert isinstance(outcome.result(60), job.Ready)
    assert len(room.variants(photo)) == 4


def test_a_photo_that_keeps_killing_workers_is_declined(room, draw, cluster, in_background, eventually):
    """After the third death it is the photo's fault; the next photo finds a worker."""
    photo, _ = room.uploaded(draw(1))
    with nothing_can_be_written(room, photo):
        outcome = in_background(lambda: cluster.run(room.request(photo)))
        for _ in range(3):
            worker = eventually(in_the_middle)
            worker.kill()
            eventually(lambda worker=worker: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
        assert outcome.result(60).reason.code == "kills-workers"
    assert isinstance(cluster.run(room.request(photo)), job.Ready)


def test_a_photo_that_hangs_is_declined_and_its_worker_replaced(room, draw, cluster, in_background, eventually):
    """A job that looks at no deadline any more would hold its process for ever."""
    photo, _ = room.uploaded(draw(1))
    with nothing_can_be_written(room, photo):
        outcome = in_background(lambda: cluster.run(room.request(photo, budget_s=2.0)))
        hung = eventually(in_the_middle)
        assert outcome.result(60).reason.code == "timed-out"
        eventually(lambda: not hung.is_running())
    assert isinstance(cluster.run(room.request(photo)), job.Ready)


def test_what_a_job_raises_is_raised_as_it_is(room, draw, cluster):
    """A store that is away is Unavailable; a fault of ours is told from a lost cluster."""
    photo, _ = room.uploaded(draw(1))
    with pytest.raises(AttributeError):
        cluster.run(room.request(photo, known_bad=None))
    nowhere = replace(room.config, secrets=room.config.secrets / "nowhere")
    with pytest.raises(Unavailable, match="can't open"):
        cluster.run(replace(room.request(photo), config=nowhere))
    assert isinstance(cluster.run(room.request(photo)), job.Ready)


_STANDS_ALONE = """
import sys, threading
from processing.cluster import Cluster
if __name__ == "__main__":
    Cluster("").start()
    print("started", flush=True)
    threading.Event().wait()
"""


def test_no_worker_outlives_a_processor_that_was_killed(tmp_path, eventually):
    """kill -9 of the processor itself: the processes that it started end too."""
    script = tmp_path / "processor.py"
    script.write_text(_STANDS_ALONE)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, cwd=os.getcwd()) as processor:
        assert processor.stdout.readline() == b"started\n"
        left = psutil.Process(processor.pid).children(recursive=True)
        assert left
        os.kill(processor.pid, signal.SIGKILL)
    eventually(lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in left), 30)


@pytest.fixture
def dask(tmp_path):
    """A scheduler with one worker, as an operator would run them: `dask.start()`, `dask.kill()`."""
    running = OperatorsDask(tmp_path)
    yield running
    running.kill()


class OperatorsDask:
    def __init__(self, folder: Path) -> None:
        self._folder, self._processes = folder, []
        self.file = folder / "scheduler.json"

    def start(self, port: int = 0) -> str:
        self.file.unlink(missing_ok=True)
        scheduler = [
            "scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--no-dashboard",
            "--dashboard-address",
            "127.0.0.1:0",
        ]
        worker = ["worker", "--scheduler-file", str(self.file), "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        self._spawn([*scheduler, "--scheduler-file", str(self.file)])
        deadline_s = time.monotonic() + 30
        while not self.file.exists() or not self.file.read_text():
            assert time.monotonic() < deadline_s
        self._spawn([*worker, "--host", "127.0.0.1", "--local-directory", str(self._folder)])
        return json.loads(self.file.read_text())["address"]

    def kill(self) -> None:
        while self._processes:
            process = self._processes.pop()
            process.kill()
            process.wait()

    def _spawn(self, arguments: list[str]) -> None:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._processes.append(
            subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]], **quiet)
        )


def test_a_lost_cluster_is_joined_again(room, draw, dask, in_background, eventually):
    """The whole cluster dies in the middle of a photo; the photo waits, and is ready when there is one again."""
    photo, _ = room.uploaded(draw(1))
    address = dask.start()
    joined = Cluster(address)
    with nothing_can_be_written(room, photo):
        outcome = in_background(lambda: joined.run(room.request(photo)))
        eventually(lambda: in_the_middle_of(dask))
        dask.kill()
        assert isinstance(outcome.exception(60), Unavailable)
    dask.start(int(address.rpartition(":")[2]))
    assert isinstance(eventually(lambda: ready_or_away(joined, room.request(photo))), job.Ready)
    joined.close()


def in_the_middle_of(dask) -> bool:
    return any(
        "/objects/tmp/" in file.path for process in dask._processes for file in psutil.Process(process.pid).open_files()
    )


def ready_or_away(cluster, request):
    try:
        return cluster.run(request)
    except Unavailable:
        return None
