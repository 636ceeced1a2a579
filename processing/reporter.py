"""Writes a processor's status into the settings every few seconds: for operators, autoscalers, and people who wait."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress

from processing.autoscale import Autoscaler, Limits, Load
from processing.dispatcher import Dispatcher
from processing.fair_queue import Urgency
from processing.photo_processor import PhotoProcessor
from regions import processing_status
from regions.cluster import DaskCluster
from regions.config import Stores
from regions.errors import Unavailable
from regions.events.topics import PHOTOS_UPLOADED, PROCESSOR
from regions.processing_status import EVERY_S, PREFIX, ProcessingStatus

log = logging.getLogger(__name__)

# An outside autoscaler has its own limits.
_LIMITS = Limits(1, 10_000)


class Reporter:
    """Belongs to the event loop of the processor; what blocks is called on `threads`."""

    def __init__(
        self,
        name: str,
        stores: Stores,
        cluster: DaskCluster,
        dispatcher: Dispatcher,
        photos: PhotoProcessor,
        clock_ms: Callable[[], int],
        threads: Executor,
    ) -> None:
        self._key, self._values, self._events = PREFIX + name, stores.settings.values, stores.events
        self._cluster, self._dispatcher, self._photos = cluster, dispatcher, photos
        self._clock_ms, self._threads = clock_ms, threads
        self._autoscaler = Autoscaler(_LIMITS)
        self._before: ProcessingStatus | None = None

    async def run_forever(self) -> None:
        """Until it is cancelled; then the status is deleted."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                with suppress(Unavailable):
                    lag = await loop.run_in_executor(self._threads, self._lag)
                    text = processing_status.to_text(self.measure(lag))
                    await loop.run_in_executor(self._threads, self._values.write, self._key, text)
                await asyncio.sleep(EVERY_S)
        finally:
            with suppress(Unavailable):
                await loop.run_in_executor(self._threads, self._values.delete, self._key)

    def measure(self, lag: int) -> ProcessingStatus:
        """`lag` is that of all partitions."""
        now_ms, waiting, finished = self._clock_ms(), self._dispatcher.waiting(), self._photos.finished
        per_s, lag_per_s = self._rates(now_ms, finished, lag)
        work_s = self._dispatcher.work_s
        # What is finished and what has come to wait in the meantime has arrived.
        arriving_per_s = max(0.0, per_s + lag_per_s)
        self._before = ProcessingStatus(
            at_ms=now_ms,
            workers=self._cluster.capacity,
            wanted_workers=self._autoscaler.step(Load(lag, arriving_per_s, work_s), now_ms / 1000),
            fresh=waiting[Urgency.FRESH],
            deferred=waiting[Urgency.DEFERRED],
            backfill=waiting[Urgency.BACKFILL],
            in_flight=self._dispatcher.in_flight,
            lag=lag,
            finished=finished,
            failed=self._photos.failed,
            worker_deaths=self._photos.worker_deaths,
            finished_per_s=round(per_s, 2),
            work_s=round(work_s, 4),
        )
        return self._before

    def _rates(self, now_ms: int, finished: int, lag: int) -> tuple[float, float]:
        """How many a second were finished, and came to wait, since the last report; 0 for the first."""
        if self._before is None or now_ms <= self._before.at_ms:
            return 0.0, 0.0
        seconds = (now_ms - self._before.at_ms) / 1000
        return (finished - self._before.finished) / seconds, (lag - self._before.lag) / seconds

    def _lag(self) -> int:
        return sum(self._events.lag(PHOTOS_UPLOADED, PROCESSOR).values())
