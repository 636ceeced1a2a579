"""The processor of one region, assembled: `photos_uploaded` from the event log to Dask and back."""

import threading
from functools import partial

from processing.photo_cluster import open_cluster, run_job
from processing.photo_processor import PhotoProcessor
from regions import daemon
from regions.clock import now_ms
from regions.cluster import DaskCluster
from regions.config import Config, Stores, open_stores
from regions.events.outbox import OutboxPublisher
from regions.events.subscription import consume
from regions.events.topics import PHOTOS_UPLOADED, PROCESSOR

_FINISH_S = 3.0
"""How long the jobs in progress may still take when the processor is asked to stop."""


def main(config: Config, region: str, process_name: str, stop: threading.Event) -> None:
    """Runs until `stop` is set; then finishes what it can within seconds and leaves the rest to the next process.

    `process_name` names this process within its region. Raises the error of a loop that ended unexpectedly.
    """
    stores = daemon.open_when_available(partial(open_stores, config, region), region, stop)
    if stores is None:
        return
    cluster = open_cluster(config.topology.regions[region].scheduler)
    try:
        daemon.run_together(_loops(config, region, process_name, stores, cluster, stop), stop)
    finally:
        cluster.close()
        stores.close()


def _loops(
    config: Config, region: str, process_name: str, stores: Stores, cluster: DaskCluster, stop: threading.Event
) -> list[daemon.Loop]:
    outbox = OutboxPublisher(stores.catalog, stores.events, now_ms)
    photos = PhotoProcessor(config, region, stores, partial(run_job, cluster), outbox, now_ms)
    process = partial(
        consume, stores.events, PHOTOS_UPLOADED, PROCESSOR, process_name, photos.handle, cluster.concurrency, stop,
        photos.give_up,
    )  # fmt: skip
    finished = threading.Event()
    return [partial(_finishing, process, finished), partial(_run_cluster, cluster, stop, finished)]


def _finishing(process: daemon.Loop, finished: threading.Event) -> None:
    try:
        process()
    finally:
        finished.set()


def _run_cluster(cluster: DaskCluster, stop: threading.Event, finished: threading.Event) -> None:
    """Starts the cluster before the first job needs it; closes it after `stop`, or if it can't be started.

    When `stop` is set, the subscription waits for its jobs in progress, and a job that hangs would make it wait
    forever. So after at most `_FINISH_S` the cluster is closed under them: each remaining job ends with Unavailable,
    its photo stays `processing`, and its event, which was not committed, is delivered to the next processor.
    """
    try:
        daemon.open_when_available(cluster.start, "cluster", stop)
        stop.wait()
        finished.wait(_FINISH_S)
    finally:
        cluster.close()
