"""The cluster: processes that are killed, hang or vanish in the middle of a photo, and what becomes of it."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from processing import job
from processing.cluster import DaskCluster
from regions.errors import Unavailable

pytestmark = pytest.mark.xdist_group("processing-cluster")


@pytest.fixture(scope="module")
def cluster():
    made = DaskCluster("", grace_s=120.0)
    yield made
    made.close()


def test_a_worker_that_is_killed_costs_only_a_retry(room, draw, cluster, stuck, in_background, eventually):
    """kill -9 in the middle of a photo: another process begins again, and the photo is ready."""
    photo, _ = room.uploaded(draw(1))
    with stuck.writing(room, photo):
        outcome = in_background(lambda: cluster.run(room.request(photo)))
        eventually(stuck.worker).kill()
    assert isinstance(outcome.result(200), job.Ready)
    assert len(room.variants(photo)) == 4


def test_a_photo_that_keeps_killing_workers_is_declined(room, draw, cluster, stuck, in_background, eventually):
    """After the third death it is the photo's fault; the next photo finds a worker."""
    photo, _ = room.uploaded(draw(1))
    with stuck.writing(room, photo):
        outcome = in_background(lambda: cluster.run(room.request(photo)))
        for _ in range(3):
            worker = eventually(stuck.worker)
            worker.kill()
            eventually(lambda worker=worker: is_over(worker))
        assert outcome.result(200).reason.code == "kills-workers"
    assert isinstance(cluster.run(room.request(photo)), job.Ready)


def test_a_photo_that_hangs_is_declined_and_its_worker_replaced(room, draw, stuck, in_background, eventually):
    """A job that looks at no deadline any more would hold its process for ever."""
    photo, _ = room.uploaded(draw(1))
    impatient = DaskCluster("", grace_s=4.0)
    # A first job, so that the next one comes to where it hangs within its time on a slow machine too.
    impatient.run(room.request(room.uploaded(draw(2), 2)[0]))
    with stuck.writing(room, photo):
        outcome = in_background(lambda: impatient.run(room.request(photo, budget_s=8.0)))
        hung = eventually(stuck.worker)
        assert outcome.result(200).reason.code == "timed-out"
        eventually(lambda: is_over(hung))
    assert isinstance(impatient.run(room.request(photo)), job.Ready)
    impatient.close()


def is_over(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


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
from processing.cluster import DaskCluster
if __name__ == "__main__":
    DaskCluster("").start()
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
    eventually(lambda: all(map(is_over, left)))


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
def dask(tmp_path, eventually):
    running = OperatorsDask(tmp_path, eventually)
    yield running
    running.kill()


def test_a_lost_cluster_is_joined_again(room, draw, dask, stuck, in_background, eventually):
    """The whole cluster dies in the middle of a photo; the photo waits, and is ready when there is one again."""
    photo, _ = room.uploaded(draw(1))
    address = dask.start()
    joined = DaskCluster(address)
    with stuck.writing(room, photo):
        outcome = in_background(lambda: joined.run(room.request(photo)))
        eventually(stuck.worker)
        dask.kill()
        assert isinstance(outcome.exception(200), Unavailable)
    dask.start(int(address.rpartition(":")[2]))
    assert isinstance(eventually(lambda: ready_or_away(joined, room.request(photo))), job.Ready)
    joined.close()


def ready_or_away(cluster, request):
    try:
        return cluster.run(request)
    except Unavailable:
        return None
