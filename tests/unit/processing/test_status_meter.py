"""What a processor's status says of the photos that wait, are being worked on and are done."""

import asyncio

import pytest

from processing import job
from processing.fair_queue import Urgency
from processing.status_meter import StatusMeter
from regions.cluster.dask_cluster import WorkerDied
from regions.errors import Unavailable
from regions.processing_status import from_text
from regions.records import Reason, Status
from regions.status_documents import to_text

FAILED = job.Rejected(Status.FAILED, Reason("truncated", "…"), step_s={"fetch": 0.1, "decode": 0.3})
REJECTED = job.Rejected(Status.REJECTED, Reason("known-bad", "…"), step_s={"fetch": 0.3})


class Measured:
    """A queue in which a photo waits until it is let in, and then works until it is let out."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.meter = StatusMeter(lambda: self.now_s)
        self._work = self.meter.around_work(self._on_worker)
        self._run = self.meter.around_queue(self._in_queue)
        self._gates = {}

    def submit(self, name: str, urgency=Urgency.FRESH):
        request = job.JobRequest("eu-west", name, 1, None, 60.0)
        return asyncio.create_task(self._run(request, urgency, "ana"))

    async def let_on(self, name: str, outcome=FAILED) -> None:
        self._gates.pop(name).set_result(outcome)
        await settled()

    def status(self):
        return self.meter.status(at_ms=5, cluster="cluster", workers=4, wanted_workers=3, lag=9)

    async def _in_queue(self, request, urgency, owner):
        await self._gate(request)
        return await self._work(request, urgency, 0, lambda: None)

    async def _on_worker(self, request, urgency, memory_bytes, worker_is_free):
        outcome = await self._gate(request)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def _gate(self, request):
        gate = self._gates[request.photo_id] = asyncio.get_running_loop().create_future()
        return await gate


async def settled() -> None:
    for _ in range(9):
        await asyncio.sleep(0)


def on_loop(check):
    """Runs the coroutine function with a Measured that was made on its loop."""

    async def run() -> None:
        await check(Measured())

    return asyncio.run(run())


def test_photos_wait_by_urgency_until_a_worker_takes_them():
    """Each urgency has an oldest one."""

    async def check(measured):
        for name, urgency in (("a", Urgency.FRESH), ("b", Urgency.BACKFILL), ("c", Urgency.FRESH)):
            measured.submit(name, urgency)
            await settled()
            measured.now_s += 1
        await measured.let_on("a", None)
        status = measured.status()
        assert (status.waiting, status.in_flight) == ({"fresh": 1, "backfill": 1}, 1)
        assert from_text(to_text(status)) == status
        assert status.oldest_waiting_s == {"backfill": 2.0, "fresh": 1.0}
        assert (status.at_ms, status.workers, status.wanted_workers, status.lag) == (5, 4, 3, 9)

    on_loop(check)


def test_rates_and_means_are_those_of_the_last_seconds():
    """The mean of a step is over the photos that came to it. When nothing ends, the means stay.

    Old photos do not count as arrived: nobody waits for them.
    """

    async def check(measured):
        for name, outcome, urgency in (("a", FAILED, Urgency.FRESH), ("b", REJECTED, Urgency.BACKFILL)):
            measured.submit(name, urgency)
            await settled()
            await measured.let_on(name, None)
            await measured.let_on(name, outcome)
        measured.now_s = 2.0
        status = measured.status()
        assert (status.arrived_per_s, status.finished_per_s, status.failed_per_s) == (0.5, 1.0, 0.5)
        assert status.work_s == pytest.approx(0.35)
        assert status.step_ms == pytest.approx({"fetch": 200.0, "decode": 300.0})
        for measured.now_s in (8.0, 14.0, 20.0):
            later = measured.status()
        assert (later.finished_per_s, later.work_s) == (0.0, status.work_s)
        assert later.step_ms == status.step_ms

    on_loop(check)


@pytest.mark.parametrize(("error", "deaths"), [(WorkerDied(), 1), (Unavailable("no cluster"), 0)])
def test_what_ends_with_an_error_neither_waits_nor_counts_as_finished(error, deaths):
    """The death of a worker is counted."""

    async def check(measured):
        task = measured.submit("a")
        await settled()
        await measured.let_on("a", None)
        await measured.let_on("a", error)
        assert task.exception() is error
        measured.now_s = 1.0
        status = measured.status()
        assert (status.waiting, status.in_flight, status.finished_per_s) == ({}, 0, 0.0)
        assert status.worker_deaths == deaths

    on_loop(check)


def test_a_photo_that_is_tried_again_has_arrived_once():
    """Otherwise an outage would look like a rush."""

    async def check(measured):
        for outcome in (WorkerDied(), Unavailable("no cluster"), Unavailable("no cluster"), FAILED):
            task = measured.submit("a")
            await settled()
            await measured.let_on("a", None)
            await measured.let_on("a", outcome)
            assert task.done() and (task.exception() or task.result()) is outcome
        measured.now_s = 1.0
        assert measured.status().arrived_per_s == 1.0

    on_loop(check)


def test_the_first_photo_is_thought_to_take_a_moment():
    """So that an estimate is possible before one has ended."""

    async def check(measured):
        assert 0 < measured.status().work_s < 1

    on_loop(check)
