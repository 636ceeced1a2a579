"""Which photo's job runs next: one for each worker and a few ahead; the fair queue decides among the rest.

The jobs wait here and not at the scheduler, which knows neither owners nor costs.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from processing import job
from processing.fair_queue import FairQueue, Urgency
from regions.cluster.dask_cluster import NotEnoughMemory
from regions.errors import Unavailable
from regions.records import Reason, Status

_MEMORY_WITHIN_S = 60.0
_NO_MEMORY = job.Rejected(
    Status.FAILED,
    Reason("needs-memory", "the photo needs more memory to decode than any worker here has; upload a smaller version"),
)

# Of an ordinary JPEG. What it really takes counts when it is done.
_FIXED_S, _BYTES_PER_S = 0.02, 20_000_000

Run = Callable[[job.JobRequest, Urgency, int, Callable[[], None]], Awaitable[job.Outcome]]
"""Runs a job: with this urgency, on a worker that has so much memory. Calls the last when the worker is free again."""


class NeedsLargeWorker(Exception):
    """A fresh photo that needs more memory than most workers have is to come with the deferred ones.

    Their turns are few and long, and the processor's window of fresh photos would fill with those that wait.
    """


class Turn:
    """`worked_s` is what the job took its worker, if that is known; else all of the turn counts."""

    def __init__(self, end: Callable[[], None]) -> None:
        self._end, self._has_ended = end, False
        self.worked_s: float | None = None

    def end(self) -> None:
        """The worker is free again. Changes nothing the second time."""
        if not self._has_ended:
            self._has_ended = True
            self._end()


class Turns:
    """At most `limit()` at once; the fair queue says who is next."""

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit, self._taken, self._is_closed = limit, 0, False
        self._queue: FairQueue[tuple[asyncio.Future[None], Urgency, str]] = FairQueue()

    @asynccontextmanager
    async def turn(self, urgency: Urgency, owner: str, expected_s: float) -> AsyncIterator[Turn]:
        """It ends with the block, or before. Raises Unavailable if the process is stopping."""
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        expected_ms = round(1000 * expected_s)
        self._queue.put((mine, urgency, owner), urgency, owner, expected_ms)
        self.hand_out()
        turn = Turn(self._end)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                turn.end()
                self._queue.done(urgency, owner, -expected_ms)
            raise
        begun_s = time.monotonic()
        try:
            yield turn
        finally:
            worked_s = time.monotonic() - begun_s if turn.worked_s is None else turn.worked_s
            self._queue.done(urgency, owner, round(1000 * worked_s) - expected_ms)
            turn.end()

    def _end(self) -> None:
        self._taken -= 1
        self.hand_out()

    def hand_out(self) -> None:
        """Call it when the limit has grown, too."""
        while self._queue and (self._is_closed or self._taken < self._limit()):
            waiting, urgency, owner = self._queue.take()
            if not waiting.done() and not self._is_closed:
                self._taken += 1
                waiting.set_result(None)
                continue
            self._queue.done(urgency, owner, 0)
            if not waiting.done():
                waiting.set_exception(Unavailable("this process is stopping"))

    def close(self) -> None:
        self._is_closed = True
        self.hand_out()


class Dispatcher:
    """`run` runs a job on the cluster, which has so many `workers()`, and `large_workers()` with more memory.

    `wait_for_memory` returns when a worker has so many bytes within so many seconds, or raises NotEnoughMemory.
    """

    def __init__(
        self,
        run: Run,
        workers: Callable[[], int],
        large_workers: Callable[[], int],
        wait_for_memory: Callable[[int, float], Awaitable[None]],
    ) -> None:
        self._run, self._wait_for_memory = run, wait_for_memory
        self._turns = Turns(lambda: at_once(workers()))
        # None ahead: while it waited for its worker, it would keep a turn from the others.
        self._large_turns = Turns(large_workers)

    async def run(self, request: job.JobRequest, urgency: Urgency, owner: str) -> job.Final:
        """Waits for its turn.

        Raises what the job raised, NeedsLargeWorker, and Unavailable if the process is stopping.
        """
        outcome = await self._run_in_turn(request, urgency, owner, 0)
        if not isinstance(outcome, job.NeedsMemory):
            return outcome
        if urgency is Urgency.FRESH:
            raise NeedsLargeWorker
        memory_bytes = outcome.memory_bytes
        try:
            await self._wait_for_memory(memory_bytes, _MEMORY_WITHIN_S)
        except NotEnoughMemory:
            return _NO_MEMORY
        async with self._large_turns.turn(urgency, owner, _expected_s(request)):
            outcome = await self._run_in_turn(request, urgency, owner, memory_bytes)
        return _NO_MEMORY if isinstance(outcome, job.NeedsMemory) else outcome

    def capacity_changed(self) -> None:
        self._turns.hand_out()
        self._large_turns.hand_out()

    def close(self) -> None:
        """Those that wait for their turn get Unavailable, now and later; those that run go on."""
        self._turns.close()
        self._large_turns.close()

    async def _run_in_turn(
        self, request: job.JobRequest, urgency: Urgency, owner: str, memory_bytes: int
    ) -> job.Outcome:
        async with self._turns.turn(urgency, owner, _expected_s(request)) as turn:
            outcome = await self._run(request, urgency, memory_bytes, turn.end)
            # Not since the turn began: the job may have been ahead.
            turn.worked_s = sum(outcome.step_s.values())
            return outcome


def at_once(workers: int) -> int:
    """How many jobs may be at the scheduler. Pure.

    One for each worker, and one ahead for every four, at least one: no worker waits for a message from here. With one
    worker and jobs of 150 ms, that brought the time beside them from 6.9 % to 3.3 %, with two from 7.9 % to 4.2 %; a
    second one ahead brought no more. The next upload waits for those that are ahead, so there are few.
    """
    return workers + max(1, workers // 4) if workers else 0


def _expected_s(request: job.JobRequest) -> float:
    return _FIXED_S + request.size_bytes / _BYTES_PER_S
