"""Whose job runs next, how many run at once, and what becomes of those that need more memory."""

import asyncio
from dataclasses import replace

import pytest

from processing import job
from processing.dispatcher import Dispatcher, NeedsLargeWorker, at_once
from processing.fair_queue import Urgency
from regions.cluster.dask_cluster import NotEnoughMemory, WorkerDied
from regions.errors import Unavailable
from regions.records import Reason, Status

DONE = job.Rejected(Status.FAILED, Reason("done", "the outcome of these jobs"))


def request(name: str, size_bytes: int = 1) -> job.JobRequest:
    return job.JobRequest("eu-west", name, size_bytes, None, 60.0)


class Cluster:
    """Jobs run until they are let go on; `largest_bytes` is the memory of its large workers."""

    def __init__(self, workers: int, largest_bytes: int = 0) -> None:
        self.workers, self.large_workers, self.largest_bytes = workers, 1, largest_bytes
        self.started, self.memory, self.needs = [], {}, {}
        self.dispatcher = Dispatcher(self._run, lambda: self.workers, lambda: self.large_workers, self._wait_for_memory)
        self._ends = {}

    def submit(self, name: str, urgency=Urgency.FRESH, owner="ana", size_bytes=1):
        return asyncio.create_task(self.dispatcher.run(request(name, size_bytes), urgency, owner))

    async def let_go_on(self, name: str, outcome=DONE) -> None:
        self._ends.pop(name).set_result(outcome)
        await settled()

    async def _run(self, one, urgency, memory_bytes, worker_is_free):
        self.started.append(one.photo_id)
        self.memory[one.photo_id] = memory_bytes
        end = self._ends[one.photo_id] = asyncio.get_running_loop().create_future()
        outcome = await end
        if outcome == "free":
            worker_is_free()
            outcome = await self._result(one.photo_id)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _result(self, name: str):
        end = self._ends[name] = asyncio.get_running_loop().create_future()
        return await end

    async def _wait_for_memory(self, memory_bytes, within_s):
        if memory_bytes > self.largest_bytes:
            raise NotEnoughMemory


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("workers", "jobs"), [(0, 0), (1, 2), (4, 5), (100, 125)])
def test_a_few_jobs_are_ahead_at_the_scheduler(workers, jobs):
    """So that no worker waits for a message from here. Without workers, no job leaves."""
    assert at_once(workers) == jobs


def test_the_next_job_starts_when_one_ends_or_a_worker_comes():
    async def scenario():
        cluster = Cluster(1)
        tasks = [cluster.submit(name) for name in "abcd"]
        await settled()
        assert cluster.started == ["a", "b"]
        await cluster.let_go_on("a")
        assert cluster.started == ["a", "b", "c"]
        cluster.workers = 2
        cluster.dispatcher.capacity_changed()
        await settled()
        assert cluster.started == ["a", "b", "c", "d"]
        for name in "bcd":
            await cluster.let_go_on(name)
        assert await asyncio.gather(*tasks) == [DONE] * 4

    asyncio.run(scenario())


def test_one_owners_many_jobs_do_not_delay_another_owners():
    """The one that runs is finished first, and the one that is ahead, and no more."""

    async def scenario():
        cluster = Cluster(1)
        many = [cluster.submit(f"large {number}", size_bytes=10**8) for number in range(12)]
        await settled()
        small = cluster.submit("small", owner="bob")
        await settled()
        await cluster.let_go_on("large 0")
        assert cluster.started == ["large 0", "large 1", "small"]
        for task in (*many, small):
            task.cancel()

    asyncio.run(scenario())


def test_an_owner_is_charged_what_a_job_took_its_worker():
    """Not what it waited there, and not what its size let us expect: bob's small file took a minute, ana's nothing."""

    async def scenario():
        cluster = Cluster(1)
        tasks = [cluster.submit(f"{owner} {number}", owner=owner) for number in range(6) for owner in ("ana", "bob")]
        await settled()
        await cluster.let_go_on("ana 0", replace(DONE, step_s={"decode": 0.0}))
        await cluster.let_go_on("bob 0", replace(DONE, step_s={"decode": 60.0}))
        while "ana 5" not in cluster.started:
            await cluster.let_go_on(cluster.started[-2])
        assert not [name for name in cluster.started[2:] if name.startswith("bob")]
        for task in tasks:
            task.cancel()

    asyncio.run(scenario())


def test_fresh_photos_go_before_refined_ones_and_those_before_old_ones():
    async def scenario():
        cluster = Cluster(0)
        for urgency in (Urgency.BACKFILL, Urgency.REFINE, Urgency.DEFERRED, Urgency.FRESH):
            cluster.submit(urgency.name, urgency)
        await settled()
        assert cluster.started == []
        cluster.workers = 1
        cluster.dispatcher.capacity_changed()
        await settled()
        for number in range(4):
            await cluster.let_go_on(cluster.started[number])
        assert cluster.started == ["FRESH", "DEFERRED", "REFINE", "BACKFILL"]

    asyncio.run(scenario())


def test_a_worker_is_free_again_after_a_job_that_failed():
    """Whatever it raised."""

    async def scenario():
        cluster = Cluster(1)
        first, *others = [cluster.submit(name) for name in "abc"]
        await settled()
        await cluster.let_go_on("a", WorkerDied())
        with pytest.raises(WorkerDied):
            await first
        await cluster.let_go_on("b")
        await cluster.let_go_on("c")
        assert await asyncio.gather(*others) == [DONE] * 2

    asyncio.run(scenario())


def test_the_next_job_starts_while_a_result_is_on_the_way():
    """The worker is free before its result is here. Nobody's turn ends twice."""

    async def scenario():
        cluster = Cluster(1)
        tasks = [cluster.submit(name) for name in "abcd"]
        await settled()
        await cluster.let_go_on("a", "free")
        assert cluster.started == ["a", "b", "c"]
        await cluster.let_go_on("a")
        assert cluster.started == ["a", "b", "c"]
        for name in "bcd":
            await cluster.let_go_on(name)
        assert await asyncio.gather(*tasks) == [DONE] * 4

    asyncio.run(scenario())


def test_a_fresh_photo_that_needs_more_memory_is_to_come_later():
    """Nothing waits here for one of few workers."""

    async def scenario():
        cluster = Cluster(1, largest_bytes=300)
        task = cluster.submit("a")
        await settled()
        await cluster.let_go_on("a", job.NeedsMemory(200))
        with pytest.raises(NeedsLargeWorker):
            await task

    asyncio.run(scenario())


def test_a_photo_that_needs_more_memory_runs_again_on_a_worker_that_has_it():
    """Only as many such photos at a time as there are such workers."""

    async def scenario():
        cluster = Cluster(4, largest_bytes=300)
        tasks = [cluster.submit(name, Urgency.DEFERRED) for name in "abc"]
        await settled()
        for name in "abc":
            await cluster.let_go_on(name, job.NeedsMemory(200))
        assert cluster.started == ["a", "b", "c", "a"]
        cluster.large_workers = 2
        cluster.dispatcher.capacity_changed()
        await settled()
        assert cluster.started == ["a", "b", "c", "a", "b"]
        for name in "abc":
            await cluster.let_go_on(name)
        assert await asyncio.gather(*tasks) == [DONE] * 3
        assert cluster.memory == {"a": 200, "b": 200, "c": 200}

    asyncio.run(scenario())


def test_a_photo_that_needs_more_memory_than_any_worker_has_fails():
    """With a reason that says so, and without waiting forever."""

    async def scenario():
        cluster = Cluster(1, largest_bytes=300)
        task = cluster.submit("a", Urgency.BACKFILL)
        await settled()
        await cluster.let_go_on("a", job.NeedsMemory(301))
        assert (await task).reason.code == "needs-memory"

    asyncio.run(scenario())


def test_jobs_that_wait_when_the_process_stops_are_left_to_the_next_one():
    """Those that run go on."""

    async def scenario():
        cluster = Cluster(1)
        running, ahead, waiting = (cluster.submit(name) for name in "abc")
        await settled()
        cluster.dispatcher.close()
        with pytest.raises(Unavailable):
            await waiting
        with pytest.raises(Unavailable):
            await cluster.submit("d")
        await cluster.let_go_on("a")
        await cluster.let_go_on("b")
        assert await asyncio.gather(running, ahead) == [DONE] * 2

    asyncio.run(scenario())
