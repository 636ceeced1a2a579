"""A worker's own process: what it needs for every job, read and opened once.

Jobs name a region and a photo. The worker reads topology and secrets itself, from the machine that it is on, so that
none travels with a job.
"""

import asyncio
import threading
from typing import Any

from processing.known_bad import WorkerLists, fetch_from_actor
from regions.cluster import workers
from regions.cluster.workers import OutsideCluster, WorkerSettings
from regions.config import Config, load_from_environment, open_objects
from regions.errors import TopologyError, Unavailable
from regions.stores.objects import Objects

PRELOADS = ("processing.worker", "processing.job")
"""The job too, so that the first photo does not wait for its libraries."""


class Worker:
    """`memory_bytes` is the limit of this process; None if it has none."""

    def __init__(self, config: Config, memory_bytes: int | None) -> None:
        self._config, self.memory_bytes = config, memory_bytes
        self.known_bad = WorkerLists(fetch_from_actor)
        self._opened: dict[str, Objects] = {}

    def max_pixels(self, region: str) -> int:
        """Of a photo that is decoded for this region."""
        return self._config.topology.regions[region].max_megapixels * 1_000_000

    def objects(self, region: str) -> Objects:
        """If this machine lacks the secrets, that is not the photo's fault: raises Unavailable, for a retry."""
        if region not in self._opened:
            try:
                self._opened[region] = open_objects(self._config, region)
            except TopologyError as error:
                raise Unavailable(f"this worker can't open the objects of {region}: {error}") from error
        return self._opened[region]


_current: Worker | None = None


def current() -> Worker:
    if _current is None:
        raise Unavailable("this process was not started as a worker")
    return _current


def become(worker: Worker) -> None:
    global _current
    _current = worker


def dask_setup(dask_worker: Any) -> None:
    """Dask calls it in each worker's process, before its first task."""
    become(Worker(load_from_environment(), dask_worker.memory_manager.memory_limit))


def main(config: Config, region: str, memory_bytes: int, stop: threading.Event) -> None:
    """One worker of the region's scheduler, in a process below this one, until `stop` is set. Raises TopologyError."""
    address = config.topology.regions[region].scheduler
    if not address:
        raise TopologyError(f"{region} has no scheduler: its processors start their workers themselves")
    where = OutsideCluster(address, config.scheduler_tls(region))
    settings = WorkerSettings(PRELOADS, config.environ_of_child())
    asyncio.run(workers.run_worker(where, settings, memory_bytes, stop))
