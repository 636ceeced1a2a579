"""Counts what a processor does, for its status: what waits and how long, and how fast photos are finished.

Measures around the two functions that every photo passes: the queue, and inside it the work. Pure but for the clock,
which is an argument. Belongs to one event loop.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from processing import dispatcher, job, photo_processor
from processing.fair_queue import Urgency
from regions.cluster.dask_cluster import WorkerDied
from regions.processing_status import ProcessingStatus
from regions.records import Status

_RATES_OVER_S = 10.0
_URGENT = (Urgency.FRESH, Urgency.DEFERRED)
_MOST_NOT_DONE = 10_000
_FIRST_WORK_S = 0.2
"""What a photo is thought to take a worker until the first has ended."""


@dataclass(slots=True)
class _Counts:
    """Since the start. `urgent` are the photos that have come whose owners wait.

    `steps` are how often each step was taken, `step_s` how long that took in all.
    """

    urgent: int = 0
    finished: int = 0
    failed: int = 0
    deaths: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    step_s: Counter[str] = field(default_factory=Counter)

    def __sub__(self, earlier: "_Counts") -> "_Counts":
        """Also a copy, if nothing is subtracted."""
        return _Counts(
            self.urgent - earlier.urgent,
            self.finished - earlier.finished,
            self.failed - earlier.failed,
            self.deaths - earlier.deaths,
            self.steps - earlier.steps,
            self.step_s - earlier.step_s,
        )


class StatusMeter:
    """`clock_s` never goes back."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._waiting: dict[int, tuple[Urgency, float]] = {}
        """Since when each request waits, in the order of arrival. By `id`: two may be for one photo."""
        self._not_done: dict[str, None] = {}
        """The photos that have arrived, in this order; also some that were deleted before they were done."""
        self._in_flight = 0
        self._counts = _Counts()
        self._seen = deque([(clock_s(), _Counts())])
        self._work_s, self._step_ms = _FIRST_WORK_S, dict[str, float]()

    def around_queue(self, run: photo_processor.Run) -> photo_processor.Run:
        async def measured(request: job.JobRequest, urgency: Urgency, owner: str) -> job.Final:
            self._count_arrival(request.photo_id, urgency)
            self._waiting[id(request)] = urgency, self._clock_s()
            try:
                outcome = await run(request, urgency, owner)
            except WorkerDied:
                self._counts.deaths += 1
                raise
            finally:
                self._waiting.pop(id(request), None)
            self._not_done.pop(request.photo_id, None)
            self._count(outcome)
            return outcome

        return measured

    def around_work(self, run: dispatcher.Run) -> dispatcher.Run:
        async def measured(
            request: job.JobRequest, urgency: Urgency, memory_bytes: int, worker_is_free: Callable[[], None]
        ) -> job.Outcome:
            self._waiting.pop(id(request), None)
            self._in_flight += 1
            try:
                return await run(request, urgency, memory_bytes, worker_is_free)
            finally:
                self._in_flight -= 1

        return measured

    def status(self, at_ms: int, cluster: str, workers: int, wanted_workers: int, lag: int) -> ProcessingStatus:
        """Call it every second or two: rates are those of the last ten seconds."""
        over_s, lately = self._lately()
        return ProcessingStatus(
            at_ms=at_ms,
            cluster=cluster,
            workers=workers,
            wanted_workers=wanted_workers,
            in_flight=self._in_flight,
            lag=lag,
            arrived_per_s=lately.urgent / over_s,
            finished_per_s=lately.finished / over_s,
            failed_per_s=lately.failed / over_s,
            work_s=self._work_s,
            worker_deaths=self._counts.deaths,
            waiting=dict(Counter(urgency.name.lower() for urgency, _ in self._waiting.values())),
            oldest_waiting_s=self._oldest(),
            step_ms=self._step_ms,
        )

    def _count_arrival(self, photo_id: str, urgency: Urgency) -> None:
        """Once, however often the photo is tried."""
        if urgency not in _URGENT or photo_id in self._not_done:
            return
        self._counts.urgent += 1
        self._not_done[photo_id] = None
        if len(self._not_done) > _MOST_NOT_DONE:
            del self._not_done[next(iter(self._not_done))]

    def _count(self, outcome: job.Final) -> None:
        self._counts.finished += 1
        self._counts.failed += isinstance(outcome, job.Rejected) and outcome.status is Status.FAILED
        self._counts.steps.update(outcome.step_s.keys())
        self._counts.step_s.update(outcome.step_s)

    def _lately(self) -> tuple[float, _Counts]:
        """The seconds that the rates are over, and what has happened in them. Keeps the means of what has ended."""
        now_s = self._clock_s()
        self._seen.append((now_s, self._counts - _Counts()))
        while len(self._seen) > 2 and now_s - self._seen[0][0] > _RATES_OVER_S:
            self._seen.popleft()
        first_s, first = self._seen[0]
        lately = self._counts - first
        if lately.finished and lately.steps:
            self._work_s = lately.step_s.total() / lately.finished
            self._step_ms = {name: 1000 * lately.step_s[name] / times for name, times in lately.steps.items()}
        return max(now_s - first_s, 1e-3), lately

    def _oldest(self) -> dict[str, float]:
        now_s, oldest = self._clock_s(), dict[str, float]()
        for urgency, since_s in self._waiting.values():
            oldest.setdefault(urgency.name.lower(), now_s - since_s)
        return oldest
