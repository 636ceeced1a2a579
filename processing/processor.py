"""The processor of one region, assembled: events of photos from the event log to Dask and back.

One event loop has a task for each photo. What blocks runs on a few threads: the stores, and each topic's subscription.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from processing.dispatcher import Dispatcher
from processing.fair_queue import Urgency
from processing.overflow import Overflow
from processing.photo_cluster import locate, run_job
from processing.photo_processor import PhotoProcessor
from regions import daemon
from regions.clock import now_ms
from regions.cluster.dask_cluster import DaskCluster
from regions.config import Config, Stores, open_stores
from regions.events.messages import Event
from regions.events.outbox import OutboxPublisher
from regions.events.subscription import consume_with
from regions.events.topics import PHOTOS_BACKFILL, PHOTOS_DEFERRED, PHOTOS_UPLOADED, PROCESSOR
from regions.events.work import AsyncWork, LastSteps

_WINDOW = 2_000
"""How many events of a topic are read ahead, so that one owner's do not hide another's."""
_STORE_CALLS = 8
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
        asyncio.run(Processor(region, process_name, stores, DaskCluster(where)).run(stop))
    finally:
        stores.close()


class Processor:
    def __init__(self, region: str, process_name: str, stores: Stores, cluster: DaskCluster) -> None:
        self._name, self._stores, self._cluster = process_name, stores, cluster
        self._threads = ThreadPoolExecutor(_STORE_CALLS, thread_name_prefix="stores")
        self._dispatcher = Dispatcher(partial(run_job, cluster), lambda: cluster.capacity, cluster.wait_for_memory)
        cluster.changed = self._dispatcher.capacity_changed
        outbox = OutboxPublisher(stores.catalog, stores.events, now_ms)
        self._photos = PhotoProcessor(region, stores, self._dispatcher.run, outbox, now_ms, self._threads)
        handle_fresh = partial(self._photos.handle, Urgency.FRESH)
        self._handlers: dict[str, Callable[[Event], Awaitable[None]]] = {
            PHOTOS_UPLOADED: Overflow(stores.events, handle_fresh, self._threads).handle,
            PHOTOS_DEFERRED: partial(self._photos.handle, Urgency.DEFERRED),
            PHOTOS_BACKFILL: self._photos.handle_backfill,
        }

    async def run(self, stop: threading.Event) -> None:
        """Ends when `stop` is set, or when one of its parts ends: then raises that part's error, if it has one."""
        loop = asyncio.get_running_loop()
        consumers = ThreadPoolExecutor(len(self._handlers) + 1, thread_name_prefix="topics")
        with self._threads, consumers:
            try:
                stopped = loop.run_in_executor(consumers, stop.wait)
                topics = [loop.run_in_executor(consumers, self._consume, topic, loop, stop) for topic in self._handlers]
                async with self._cluster as connection:
                    parts: list[asyncio.Future[Any]] = [stopped, connection, *topics]
                    await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
                    stop.set()
                    self._dispatcher.close()
                    await asyncio.wait(topics, timeout=_FINISH_S)
                # A job that hangs would be waited for forever: without the cluster, it ends with Unavailable. Its
                # photo stays `processing`, and its event, which is not committed, goes to the next processor.
                await asyncio.wait(topics)
                await asyncio.gather(*topics)
            finally:
                stop.set()
        if not connection.cancelled():
            connection.result()

    def _consume(self, topic: str, loop: asyncio.AbstractEventLoop, stop: threading.Event) -> None:
        last_steps = LastSteps(self._stores.events, PROCESSOR, self._photos.give_up)
        work = AsyncWork(self._handlers[topic], last_steps, loop, self._threads)
        consume_with(self._stores.events, topic, PROCESSOR, self._name, work, _WINDOW, stop)
