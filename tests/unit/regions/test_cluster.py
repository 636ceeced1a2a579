"""A cluster of one's own and one that an operator runs, when processes of it are killed. Photo jobs: see processing."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from regions.cluster import rules
from regions.cluster.dask_cluster import NotEnoughMemory, WorkerDied
from regions.cluster.in_worker import run_watched
from regions.cluster.workers import OutsideCluster, OwnCluster, WorkerSettings
from regions.errors import Unavailable
from tests.builders.clusters import OperatorsDask, open_cluster
from tests.builders.processes import has_ended
from tests.unit.regions.test_actors import Counter, wait_for_file

pytestmark = pytest.mark.xdist_group("dask")

PLENTY_S = 120.0
MIB = 1 << 20
OWN = OwnCluster(WorkerSettings(("json",)), 2, 512 * MIB, 1024 * MIB)
STARTS_A_CLUSTER = """
import asyncio
from regions.cluster import rules
from regions.cluster.dask_cluster import DaskCluster
from regions.cluster.workers import OwnCluster, WorkerSettings

async def main():
    cluster = DaskCluster(OwnCluster(WorkerSettings(("json",)), 1, 1 << 30, 1 << 30))
    async with cluster as connection:
        while not cluster.capacity:
            await asyncio.sleep(0.1)
        print("started", flush=True)
        await connection

if __name__ == "__main__":
    asyncio.run(main())
"""


def raise_error(error: BaseException) -> None:
    raise error


def die(_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def append_pid_and_die(file: Path) -> None:
    with file.open("a") as tries:
        tries.write(f"{os.getpid()}\n")
    die(None)


def write_pid_and_wait(file: Path) -> None:
    file.write_text(str(os.getpid()))
    threading.Event().wait()


def take_memory(size_bytes: int) -> int:
    taken = bytearray(os.urandom(MIB)) * (size_bytes // MIB)
    time.sleep(5)
    return len(taken)


@pytest.fixture(scope="module")
def cluster():
    with open_cluster(OWN, 2) as opened:
        yield opened


@pytest.mark.parametrize(
    "error", [OSError("no disk"), ValueError("no number"), RuntimeError("no luck"), TimeoutError("no time")], ids=repr
)
def test_an_error_of_the_task_is_not_mistaken_for_a_lost_cluster(cluster, error):
    with pytest.raises(type(error), match=str(error)):
        cluster.run(raise_error, error, "raises", PLENTY_S)
    assert cluster.run(len, "abc", "counts", PLENTY_S) == 3


def test_a_task_whose_worker_dies_is_not_started_again(cluster, tmp_path):
    """Its caller hears of each death, and decides. The next task finds a worker."""
    tries = tmp_path / "tries"
    with pytest.raises(WorkerDied):
        cluster.run(append_pid_and_die, tries, "dies", PLENTY_S)
    assert len(tries.read_text().splitlines()) == 1
    assert cluster.run(len, "abc", "counts", PLENTY_S) == 3


def test_capacity_follows_the_workers(cluster, monkeypatch):
    """One that died counts again when its successor is there."""
    cluster.wait_for_capacity(2)
    seen = []
    monkeypatch.setattr(cluster.cluster, "changed", lambda: seen.append(cluster.cluster.capacity))
    with pytest.raises(WorkerDied):
        cluster.run(die, None, "dies", PLENTY_S)
    cluster.wait_for_capacity(2)
    assert 1 in seen


def test_a_task_that_hangs_is_ended_with_its_worker(cluster, tmp_path, eventually):
    """Its time begins when it has begun, not while it waits for a worker."""
    cluster.wait_for_capacity(2)
    files = [tmp_path / str(number) for number in range(3)]

    async def three_tasks_for_two_workers() -> list[BaseException]:
        hang = partial(run_watched, 3.0, write_pid_and_wait)
        hanging = (cluster.cluster.run(hang, file, "hangs", PLENTY_S) for file in files)
        return await asyncio.gather(*hanging, return_exceptions=True)

    assert [type(error) for error in cluster.call(three_tasks_for_two_workers())] == [WorkerDied] * 3
    pids = {int(file.read_text()) for file in files}
    assert len(pids) == 3
    eventually(lambda: not any(map(psutil.pid_exists, pids)))
    assert cluster.run(len, "abc", "counts", PLENTY_S) == 3


def test_a_large_task_is_not_blamed_for_the_one_before(cluster, tmp_path, in_background, eventually):
    """It goes to its worker at once, and waits there. Once it has begun, a death is its own."""
    cluster.wait_for_capacity(2)
    run_large = partial(cluster.run, name="large", timeout_s=PLENTY_S, memory_bytes=1000 * MIB)
    watched = partial(run_watched, PLENTY_S, write_pid_and_wait)
    busy, waiting = tmp_path / "busy", tmp_path / "waiting"
    first = in_background(lambda: run_large(watched, busy))
    eventually(busy.exists)
    second = in_background(lambda: run_large(watched, waiting))
    time.sleep(1)
    os.kill(int(busy.read_text()), signal.SIGKILL)
    assert isinstance(first.exception(60), WorkerDied)
    assert isinstance(second.exception(60), Unavailable)
    assert not waiting.exists()


def test_a_worker_that_freezes_is_replaced(tmp_path, in_background, eventually, monkeypatch):
    """A process that is suspended, or a machine. What it ran counts as a death."""
    monkeypatch.setattr(rules, "WORKER_GONE_AFTER_S", 2.0)
    with open_cluster(OWN, 2) as opened:
        file = tmp_path / "pid"
        outcome = in_background(lambda: opened.run(write_pid_and_wait, file, "waits", PLENTY_S))
        frozen = psutil.Process(int(eventually(lambda: file.exists() and file.read_text())))
        frozen.suspend()
        assert isinstance(outcome.exception(60), WorkerDied)
        eventually(lambda: has_ended(frozen))
        opened.wait_for_capacity(2)


def test_a_worker_over_its_limit_dies_and_the_large_one_has_room(cluster):
    """The task that is over the limit of ordinary workers counts as one that killed its worker."""
    cluster.wait_for_capacity(2)
    assert cluster.run(take_memory, 600 * MIB, "takes", PLENTY_S, memory_bytes=1000 * MIB) == 600 * MIB
    with pytest.raises(WorkerDied):
        cluster.run(take_memory, 1200 * MIB, "takes", PLENTY_S)


def test_no_task_waits_for_a_worker_that_will_never_be_there(cluster):
    """A larger one than any of this cluster."""
    cluster.wait_for_capacity(2)
    cluster.call(cluster.cluster.wait_for_memory(1000 * MIB, 60.0))
    with pytest.raises(NotEnoughMemory):
        cluster.call(cluster.cluster.wait_for_memory(2000 * MIB, 0.1))


def test_a_cluster_shrinks_when_its_workers_are_idle_and_grows_again(tmp_path, in_background, eventually):
    """The one for large tasks stays, and so does one that has a task."""
    with open_cluster(OWN, 2) as opened:
        files = [tmp_path / name for name in "ab"]
        tasks = [in_background(partial(opened.run, wait_for_file, file, "waits", PLENTY_S)) for file in files]
        eventually(lambda: all(file.with_suffix(".begun").exists() for file in files))
        opened.cluster.scale(1)
        time.sleep(4)
        assert opened.cluster.capacity == 2
        for file in files:
            file.touch()
        assert [task.exception(60) for task in tasks] == [None, None]
        eventually(lambda: opened.cluster.capacity == 1, 20)
        opened.call(opened.cluster.wait_for_memory(1000 * MIB, 1.0))
        opened.cluster.scale(2)
        opened.wait_for_capacity(2)


def test_an_actor_keeps_its_worker_when_the_cluster_shrinks():
    with open_cluster(OWN, 2) as opened:
        actor = opened.cluster.actor("stays", Counter)
        assert opened.call(actor.call("add", 5)) == 5
        opened.cluster.scale(1)
        time.sleep(4)
        assert opened.call(actor.call("add", 1)) == 6


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


@pytest.fixture
def operators_dask(tmp_path, eventually):
    running = OperatorsDask(tmp_path, eventually)
    yield running
    running.kill()


def test_a_lost_cluster_is_joined_again_with_our_rules(operators_dask, tmp_path, in_background, eventually):
    """The whole cluster dies in the middle of a task: its caller gets Unavailable, and a later one the new cluster.

    The new scheduler has our rules too: it starts no task a second time.
    """
    address = operators_dask.start_scheduler()
    operators_dask.start_worker(address)
    with open_cluster(OutsideCluster(address)) as joined:
        pid = tmp_path / "pid"
        outcome = in_background(lambda: joined.run(write_pid_and_wait, pid, "waits", PLENTY_S))
        eventually(pid.exists)
        operators_dask.kill()
        assert isinstance(outcome.exception(200), Unavailable)
        operators_dask.start_scheduler(int(address.rpartition(":")[2]))
        operators_dask.start_worker(address)
        joined.wait_for_capacity(1)
        assert joined.run(len, "abc", "counts", PLENTY_S) == 3
        operators_dask.start_worker(address)
        joined.wait_for_capacity(2)
        with pytest.raises(WorkerDied):
            joined.run(die, None, "dies", PLENTY_S)


def test_many_tasks_at_once_all_return(cluster):
    """In batches, each with its own result."""
    cluster.wait_for_capacity(2)

    async def run_all() -> list[int]:
        return await asyncio.gather(*(cluster.cluster.run(abs, -n, "abs", PLENTY_S) for n in range(300)))

    assert cluster.call(run_all()) == list(range(300))
