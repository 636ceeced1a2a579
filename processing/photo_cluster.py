"""Photo jobs on a Dask cluster: where they run, and how long they may."""

import os
from collections.abc import Callable

from processing import job, worker
from processing.fair_queue import Urgency
from regions.cluster.dask_cluster import DaskCluster
from regions.cluster.location import outside
from regions.cluster.workers import OutsideCluster, OwnCluster, WorkerSettings
from regions.config import Config

# What all but the largest photos need. The hungriest measured, an AVIF of 120 megapixels, takes 1.8 GiB.
_MEMORY_BYTES, _LARGE_MEMORY_BYTES = 1 << 30, 3 << 30
_ANSWERS_AFTER = 2 * job.HANGS_AFTER + 1
"""Budgets. A job may wait for one that hangs, and for a worker that comes back."""


def locate(config: Config, region: str) -> OwnCluster | OutsideCluster:
    """The region's scheduler, or a cluster on half of this machine's cores: it shares them. Raises TopologyError."""
    settings = WorkerSettings(worker.PRELOADS, config.environ_of_child())
    own = OwnCluster(settings, max(1, (os.cpu_count() or 1) // 2), _MEMORY_BYTES, _LARGE_MEMORY_BYTES)
    return outside(config, region) or own


async def run_job(
    dask: DaskCluster,
    request: job.JobRequest,
    urgency: Urgency = Urgency.FRESH,
    memory_bytes: int = 0,
    worker_is_free: Callable[[], object] = lambda: None,
) -> job.Outcome:
    """Raises WorkerDied, Unavailable if the cluster or a store is unavailable, and whatever else the job raised."""
    name, timeout_s = f"photo-{request.photo_id}", _ANSWERS_AFTER * request.budget_s
    return await dask.run(job.run, request, name, timeout_s, -urgency, memory_bytes, worker_is_free)
