"""The processor of one region, assembled: events of photos from the event log to Dask and back.

One event loop has a task for each photo. What blocks runs on a few threads: the stores, and each topic's subscription.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

from processing import crew_member, job, known_bad, near_duplicates
from processing.autoscale import Limits
from processing.crew_member import Crew, CrewMember
from processing.dispatcher import Dispatcher
from processing.fair_queue import Urgency
from processing.known_bad import HashList, Publisher
from processing.near_duplicates import Fingerprints, NearDuplicates
from processing.overflow import Overflow
from processing.photo_cluster import locate, run_job
from processing.photo_processor import PhotoProcessor
from processing.status_meter import StatusMeter
from regions import daemon
from regions.clock import now_ms
from regions.cluster.dask_cluster import DaskCluster
from regions.config import Config, Stores, open_stores
from regions.events.messages import Event
from regions.events.outbox import OutboxPublisher
from regions.events.subscription import consume_with
from regions.events.topics import PHOTOS_BACKFILL, PHOTOS_DEFERRED, PHOTOS_UPLOADED, PROCESSOR
from regions.events.work import AsyncWork, LastSteps
from regions.processing_status import PREFIX, ProcessingStatus, is_status_present
from regions.status_documents import to_text
from regions.status_reporter import StatusReporter

_WINDOW = 2_000
"""How many events of a topic are read ahead, so that one owner's do not hide another's."""
_BACKFILL_WINDOW = 200
"""Fewer: they would only fill the memory for hours."""
_STORE_CALLS = 8
_MOST_WANTED = 10_000
"""Workers, of a cluster that others scale."""
_FINISH_S = 3.0
"""How long the jobs in progress may still take when the processor is asked to stop."""


def main(config: Config, region: str, process_name: str, stop: threading.Event) -> None:
    """Runs until `stop` is set; then finishes what it can within seconds and leaves the rest to the next process.

    `process_name` names this process within its region. Raises the error of a loop that ended unexpectedly.
    """
    where = locate(config, region)
    stores = daemon.open_when_available(partial(open_stores, config, region), region, stop)
    if stores is None:
        return
    try:
        cluster_name = config.topology.regions[region].scheduler or process_name
        asyncio.run(Processor(region, process_name, stores, DaskCluster(where), cluster_name).run(stop))
    finally:
        stores.close()


class Processor:
    def __init__(self, region: str, process_name: str, stores: Stores, cluster: DaskCluster, cluster_name: str) -> None:
        self._name, self._stores, self._cluster, self._cluster_name = process_name, stores, cluster, cluster_name
        self._threads = ThreadPoolExecutor(_STORE_CALLS, thread_name_prefix="stores")
        self._meter = StatusMeter(time.monotonic)
        work = self._meter.around_work(self._run_job)
        self._dispatcher = Dispatcher(work, self._slots, self._large_slots, cluster.wait_for_memory)
        lists = cluster.actor(known_bad.actor_name(region), HashList)
        self._lists = Publisher(lists, stores.settings.values.read, self._threads)
        limits = Limits(1, cluster.most_workers or _MOST_WANTED)
        crew = cluster.actor(crew_member.actor_name(region), Crew)
        self._crew = CrewMember(f"{process_name}-{uuid4().hex}", crew, self._measure, self._lag, limits)
        self._crew.changed = self._crew_changed
        self._reporter = StatusReporter(
            stores.settings.values,
            PREFIX,
            process_name,
            lambda: to_text(self._crew.status()),
            lambda text: is_status_present(text, now_ms()),
        )
        cluster.changed = self._dispatcher.capacity_changed
        cluster.scale(self._crew.wanted_workers)
        known_photos = cluster.actor(near_duplicates.actor_name(region), Fingerprints)
        self._photos = PhotoProcessor(
            region,
            stores,
            self._meter.around_queue(self._dispatcher.run),
            NearDuplicates(known_photos, stores.catalog.photos, self._threads).find,
            OutboxPublisher(stores.catalog, stores.events, now_ms),
            now_ms,
            self._threads,
        )
        handle_fresh = partial(self._photos.handle, Urgency.FRESH)
        self._handlers: dict[str, Callable[[Event], Awaitable[None]]] = {
            PHOTOS_UPLOADED: Overflow(stores.events, handle_fresh, self._threads).handle,
            PHOTOS_DEFERRED: partial(self._photos.handle, Urgency.DEFERRED),
            PHOTOS_BACKFILL: self._photos.handle_backfill,
        }

    async def _run_job(
        self, request: job.JobRequest, urgency: Urgency, memory_bytes: int, worker_is_free: Callable[[], None]
    ) -> job.Outcome:
        """By the known-bad list of now: the photo may have waited for long."""
        current = replace(request, known_bad_version=await self._lists.version())
        return await run_job(self._cluster, current, urgency, memory_bytes, worker_is_free)

    def _slots(self) -> int:
        return self._crew.share.of(self._cluster.capacity)

    def _large_slots(self) -> int:
        """At least one: a large worker may be on its way."""
        return max(1, self._crew.share.of(self._cluster.large_workers))

    def _crew_changed(self) -> None:
        self._cluster.scale(self._crew.wanted_workers)
        self._dispatcher.capacity_changed()

    def _measure(self, lag: int, wanted_workers: int) -> ProcessingStatus:
        return self._meter.status(now_ms(), self._cluster_name, self._cluster.capacity, wanted_workers, lag)

    async def _lag(self) -> int:
        lag = partial(self._stores.events.lag, PHOTOS_UPLOADED, PROCESSOR)
        return sum((await asyncio.get_running_loop().run_in_executor(self._threads, lag)).values())

    async def run(self, stop: threading.Event) -> None:
        """Ends when `stop` is set, or when one of its parts ends: then raises that part's error, if it has one."""
        loop = asyncio.get_running_loop()
        consumers = ThreadPoolExecutor(len(self._handlers) + 1, thread_name_prefix="topics")
        with self._threads, consumers:
            try:
                stopped = loop.run_in_executor(consumers, stop.wait)
                topics = [loop.run_in_executor(consumers, self._consume, topic, loop, stop) for topic in self._handlers]
                async with self._cluster as connection:
                    sides = self._lists, self._crew, self._reporter
                    beside = [asyncio.create_task(side.run_forever()) for side in sides]
                    parts: list[asyncio.Future[Any]] = [stopped, connection, *beside, *topics]
                    await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
                    stop.set()
                    self._dispatcher.close()
                    await asyncio.wait(topics, timeout=_FINISH_S)
                    for task in beside:
                        task.cancel()
                    await asyncio.wait(beside)
                # A job that hangs would be waited for forever: without the cluster, it ends with Unavailable. Its
                # photo stays `processing`, and its event, which is not committed, goes to the next processor.
                await asyncio.wait(topics)
                await asyncio.gather(*topics)
            finally:
                stop.set()
        for task in (connection, *beside):
            if not task.cancelled():
                task.result()

    def _consume(self, topic: str, loop: asyncio.AbstractEventLoop, stop: threading.Event) -> None:
        last_step = LastSteps(self._stores.events, PROCESSOR, self._photos.give_up).take
        work = AsyncWork(self._handlers[topic], last_step, loop, self._threads)
        window = _BACKFILL_WINDOW if topic == PHOTOS_BACKFILL else _WINDOW
        consume_with(self._stores.events, topic, PROCESSOR, self._name, work, window, stop)
