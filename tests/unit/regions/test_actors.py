"""Objects that all processes of a cluster share, when the workers that hold them are killed, retire, or are busy."""

import asyncio
import os
import signal
import time
from contextlib import suppress
from itertools import starmap
from pathlib import Path

import psutil
import pytest

from regions.cluster.actors import call_from_worker
from regions.cluster.workers import OutsideCluster, OwnCluster, WorkerSettings
from regions.errors import Unavailable
from tests.builders.clusters import OperatorsDask, open_cluster, workers_below

pytestmark = pytest.mark.xdist_group("dask")

MIB = 1 << 20
OWN = OwnCluster(WorkerSettings(("json",)), 2, 512 * MIB, 512 * MIB)
PLENTY_S = 120.0


class Counter:
    def __init__(self) -> None:
        self._count = 0

    def add(self, number: int) -> int:
        self._count += number
        return self._count

    def pid(self) -> int:
        return os.getpid()

    def fail(self) -> None:
        raise LookupError("no such number")

    def rest(self) -> None:
        time.sleep(2)


class CounterOfAnotherVersion:
    """Makes a Counter. The first process that is to read it, which is the scheduler's, can't: then `file` is made."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self) -> Counter:
        return Counter()

    def __reduce__(self):
        return read_at_the_second_time, (self._file,)


def read_at_the_second_time(file: Path) -> type[Counter]:
    if not file.exists():
        file.touch()
        raise ImportError("an older version has no such class")
    return Counter


def add_from_worker(name: str) -> int:
    return call_from_worker(name, "add", 1)


def wait_for_file(file: Path) -> None:
    file.with_suffix(".begun").touch()
    while not file.exists():
        time.sleep(0.05)


@pytest.fixture(scope="module")
def cluster():
    with open_cluster(OWN, 2) as opened:
        yield opened


@pytest.fixture
def operators_dask(tmp_path, eventually):
    running = OperatorsDask(tmp_path, eventually)
    yield running
    running.kill()


def test_an_actor_keeps_its_state(cluster):
    """Between calls, and for all who have its name."""
    first, second = (cluster.cluster.actor("keeps", Counter) for _ in range(2))
    assert [cluster.call(actor.call("add", 2)) for actor in (first, second, first)] == [2, 4, 6]


def test_an_error_of_an_actor_is_raised_unchanged(cluster):
    """It is not mistaken for an actor that is away."""
    with pytest.raises(LookupError, match="no such number"):
        cluster.call(cluster.cluster.actor("fails", Counter).call("fail"))


def test_a_call_has_a_deadline(cluster):
    """Its caller hears that there is no answer."""
    with pytest.raises(Unavailable):
        cluster.call(cluster.cluster.actor("rests", Counter).call("rest", within_s=0.5))


def test_a_task_calls_an_actor_from_its_worker(cluster):
    """One that runs beside the actor, or elsewhere."""
    actor = cluster.cluster.actor("called", Counter)
    cluster.call(actor.call("add", 0))
    found = [cluster.run(add_from_worker, "called", "adds", PLENTY_S) for _ in range(6)]
    assert found == [1, 2, 3, 4, 5, 6]


def test_a_task_hears_that_there_is_no_actor(cluster):
    """At once: its caller can try again later."""
    with pytest.raises(Unavailable):
        cluster.run(add_from_worker, "nobody", "adds", PLENTY_S)


def test_an_actor_that_the_scheduler_could_not_read_is_made_by_the_next_call(cluster, tmp_path):
    """While programs are updated, it may be older than those that call."""
    actor = cluster.cluster.actor("newer", CounterOfAnotherVersion(tmp_path / "read"))
    with pytest.raises(Unavailable):
        cluster.call(actor.call("add", 1, within_s=1.0))
    assert cluster.call(actor.call("add", 1)) == 1


def test_an_actor_whose_worker_is_killed_is_made_again_within_seconds(cluster):
    """A call in between waits for the new one, which has forgotten everything."""
    cluster.wait_for_capacity(2)
    actor = cluster.cluster.actor("killed", Counter)
    assert cluster.call(actor.call("add", 5)) == 5
    os.kill(cluster.call(actor.call("pid")), signal.SIGKILL)
    start_s = time.monotonic()
    assert cluster.call(actor.call("add", 1, within_s=PLENTY_S)) == 1
    assert time.monotonic() - start_s < 5


def test_an_actor_whose_worker_freezes_is_made_again_on_another(cluster):
    """A process that is suspended still has its connections."""
    cluster.wait_for_capacity(2)
    actor = cluster.cluster.actor("frozen", Counter)
    assert cluster.call(actor.call("add", 5)) == 5
    frozen = psutil.Process(cluster.call(actor.call("pid")))
    frozen.suspend()
    try:
        assert cluster.call(actor.call("add", 1, within_s=PLENTY_S)) == 1
        assert cluster.call(actor.call("pid")) != frozen.pid
    finally:
        frozen.resume()
    assert cluster.call(actor.call("add", 1)) == 2


def test_an_actor_is_made_again_when_all_workers_have_frozen_and_died():
    """While they are frozen, it is sought on each in turn. Then all are replaced."""
    others = workers_below(os.getpid())
    with open_cluster(OWN, 2) as opened:
        actor = opened.cluster.actor("sought", Counter)
        opened.call(actor.call("pid"))
        workers = set(workers_below(os.getpid())) - set(others)
        for worker in workers:
            worker.suspend()
        with pytest.raises(Unavailable):
            opened.call(actor.call("pid", within_s=8.0))
        for worker in workers:
            worker.kill()
        assert opened.call(actor.call("pid", within_s=PLENTY_S)) not in {worker.pid for worker in workers}


def test_an_actor_does_not_wait_for_a_long_task_while_another_worker_is_free(cluster, tmp_path, eventually):
    """Both workers are busy when it is made; one goes on for long."""
    cluster.wait_for_capacity(2)
    short, long = tmp_path / "short", tmp_path / "long"

    async def two_tasks_and_an_actor() -> float:
        tasks = [asyncio.create_task(cluster.cluster.run(wait_for_file, f, "waits", PLENTY_S)) for f in (short, long)]
        while not all(file.with_suffix(".begun").exists() for file in (short, long)):
            await asyncio.sleep(0.05)
        call = asyncio.create_task(cluster.cluster.actor("late", Counter).call("add", 1, within_s=PLENTY_S))
        await asyncio.sleep(1.5)
        short.touch()
        start_s = time.monotonic()
        await call
        waited_s = time.monotonic() - start_s
        long.touch()
        await asyncio.gather(*tasks)
        return waited_s

    assert cluster.call(two_tasks_and_an_actor()) < 5


def test_processes_at_one_scheduler_share_an_actor(operators_dask, eventually):
    """Those that race for it, too; and after its worker was killed they share the next."""
    address = operators_dask.start_scheduler()
    for _ in range(2):
        operators_dask.start_worker(address)
    with open_cluster(OutsideCluster(address), 2) as one, open_cluster(OutsideCluster(address), 2) as other:
        actors = [(opened, opened.cluster.actor("shared", Counter)) for opened in (one, other)]

        def counted() -> list[int]:
            calls = [(actor.call("add", 1, within_s=PLENTY_S), opened.loop) for opened, actor in actors]
            return sorted(call.result(PLENTY_S) for call in list(starmap(asyncio.run_coroutine_threadsafe, calls)))

        assert counted() == [1, 2]
        os.kill(one.call(actors[0][1].call("pid")), signal.SIGKILL)
        assert counted() == [1, 2]
        assert counted() == [3, 4]


def test_an_actor_leaves_a_worker_that_retires(operators_dask, eventually):
    """An operator stops the worker that holds it: the next is made on the other."""
    address = operators_dask.start_scheduler()
    workers = [operators_dask.start_retiring_worker(address) for _ in range(2)]
    with open_cluster(OutsideCluster(address), 2) as opened:
        actor = opened.cluster.actor("moves", Counter)
        holder = psutil.Process(opened.call(actor.call("pid")))
        leaving = next(worker for worker in workers if holder in psutil.Process(worker.pid).children(recursive=True))
        leaving.terminate()
        eventually(lambda: opened.call(actor.call("pid")) != holder.pid, 10)
        assert leaving.wait(30) == 0
        with suppress(psutil.NoSuchProcess):
            assert not holder.is_running()
