"""The processor of one region, put together: its subscriptions, its sweeps, its Dask cluster."""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial

from processing.background import sweeps
from processing.background.fanout import Fanout
from processing.cluster import DaskCluster
from processing.photo_processor import PhotoProcessor
from regions.clock import now_ms
from regions.config import Config, Stores, open_stores
from regions.events.outbox import Outbox
from regions.events.subscription import Subscription
from regions.events.topics import FOLLOW_CHANGED, PHOTO_READY, PHOTO_REFERENCED, PHOTOS_UPLOADED

_FANOUT_WIDTH = 4
_FINISH_S = 3.0
_LOOK_S = 0.5

Loop = Callable[[], None]


def main(config: Config, region: str, holder: str, stop: threading.Event) -> None:
    """Runs until `stop` is set; then finishes what it can within seconds and leaves the rest to whoever is next.

    `holder` names this process among those of the region. Raises what ended a loop that should not have ended.
    """
    stores = open_stores(config, region)
    cluster = DaskCluster(config.topology.regions[region].scheduler)
    try:
        _run(_loops(config, region, holder, stores, cluster, stop), cluster, stop)
    finally:
        cluster.close()
        stores.close()


def _loops(
    config: Config, region: str, holder: str, stores: Stores, cluster: DaskCluster, stop: threading.Event
) -> list[Loop]:
    outbox = Outbox(stores.catalog, stores.events, now_ms)
    photos = PhotoProcessor(config, region, stores, cluster.run, outbox, now_ms)
    fanout = Fanout(stores.catalog, stores.feeds, config.topology.regions[region].number)
    expired = sweeps.ExpiredUploads(stores, now_ms)
    uploads = sweeps.OneAtATime(stores.settings, sweeps.UPLOADS, holder, expired.run_once)
    uploaded = Subscription(
        stores.events, PHOTOS_UPLOADED, "processor", holder, photos.handle, cluster.width, photos.give_up
    )
    told = [
        Subscription(stores.events, topic, "fanout", holder, fanout.handle, _FANOUT_WIDTH)
        for topic in (PHOTO_READY, PHOTO_REFERENCED, FOLLOW_CHANGED)
    ]
    return [
        *(partial(subscription.run_forever, stop) for subscription in (uploaded, *told)),
        partial(sweeps.run_forever, stop, sweeps.OUTBOX_EVERY_S, outbox.run_once),
        partial(sweeps.run_forever, stop, sweeps.UPLOADS_EVERY_S, uploads.run_once),
    ]


def _run(loops: list[Loop], cluster: DaskCluster, stop: threading.Event) -> None:
    """Each loop on a thread of its own; where one ends, all do."""
    threads = ThreadPoolExecutor(len(loops) + 1, thread_name_prefix="processor")
    running = [threads.submit(loop) for loop in loops]
    threads.submit(cluster.start)
    while not stop.is_set() and not wait(running, _LOOK_S, FIRST_COMPLETED).done:
        pass
    stop.set()
    wait(running, _FINISH_S)
    cluster.close()
    threads.shutdown()
    _raise_first(running)


def _raise_first(running: list[Future[None]]) -> None:
    for future in running:
        future.result()
