"""Photo jobs on a Dask cluster: what becomes of a photo that kills its workers, or never ends."""

import logging

from processing import job
from regions import cluster
from regions.cluster import DaskCluster, KilledWorkers, TimedOut
from regions.records import Reason, Status

log = logging.getLogger(__name__)

# Of one worker process, at most. The hungriest photo measured, an AVIF of 120 megapixels, takes 1.8 GiB.
_MEMORY_BYTES = 3 << 30
# A job ends itself when its budget is spent. One that has not ended by then hangs.
_GRACE_S = 15.0
_KILLS = job.Rejected(
    Status.FAILED, Reason("kills-workers", f"the photo has brought down {cluster.MOST_DEATHS} processes")
)
_HANGS = job.Rejected(Status.FAILED, Reason("timed-out", "the photo could not be brought to an end"))


def open_cluster(scheduler: str) -> DaskCluster:
    """Starts nothing yet: `start` does, or the first task. An empty `scheduler` means a cluster of our own."""
    return DaskCluster(scheduler, job.__name__, _MEMORY_BYTES)


def run_job(dask: DaskCluster, request: job.JobRequest, grace_s: float = _GRACE_S) -> job.Outcome:
    """Raises Unavailable if the cluster was lost, or a store is unavailable; and whatever else the job raised."""
    try:
        return dask.run(job.run, request, f"photo-{request.photo_id}", request.budget_s + grace_s)
    except KilledWorkers:
        log.error("a photo kills workers", extra={"photo_id": request.photo_id})
        return _KILLS
    except TimedOut:
        log.error("a photo hangs its worker", extra={"photo_id": request.photo_id})
        return _HANGS
