"""Runs photo jobs on Dask: on a cluster of our own, or on one that a scheduler address names.

Jobs run in processes of their own, one at a time in each, because a file may bring its process down.
What follows from that is decided here: a process that dies costs its photo a new start; a photo that keeps killing
processes, or never ends, is declined; and a cluster that is lost is made again.
"""

import logging
import os
import threading
import uuid
from concurrent.futures import CancelledError
from typing import Any

import dask
from distributed import Client, Future, KilledWorker, LocalCluster
from distributed.comm import CommClosedError
from distributed.security import Security

from processing import job
from regions.errors import Unavailable
from regions.records import Reason, Status

log = logging.getLogger(__name__)

MEMORY_BYTES = 3 << 30
"""Of one worker process, at most. The hungriest photo measured, an AVIF of 120 megapixels, takes 1.8 GiB."""

_GRACE_S = 15.0
_CONNECT_S = 30.0
_CLOSE_S = 3.0
_DEATHS = 3
_SETTINGS: dict[str, Any] = {
    # Else a cluster whose worker is away at the 15th second after a death closes the nanny that is about to start
    # another, and has no workers for ever. Of nannies that give up themselves we hear by the deadline.
    "distributed.deploy.lost-worker-timeout": "3650 days",
    "distributed.scheduler.allowed-failures": _DEATHS - 1,
    # No job waits in a worker that has one: else the deaths of one would be counted against the other.
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.preload": ["processing.job"],
    # A worker over its limit is replaced. One that only paused would wait for memory that nobody frees.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.nanny.pre-spawn-environ": {
        "VIPS_CONCURRENCY": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_TRIM_THRESHOLD_": "65536",
    },
}
_LOST = (CancelledError, CommClosedError, OSError, RuntimeError)
_KILLS = job.Rejected(Status.FAILED, Reason("kills-workers", f"the photo has brought down {_DEATHS} processes"))
_HANGS = job.Rejected(Status.FAILED, Reason("timed-out", "the photo could not be brought to an end"))


class DaskCluster:
    """An empty `scheduler` means a cluster of our own. Any number of threads may call `run`."""

    def __init__(self, scheduler: str, grace_s: float = _GRACE_S) -> None:
        self._scheduler, self._grace_s = scheduler, grace_s
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._own: LocalCluster | None = None
        self._closed = False

    @property
    def width(self) -> int:
        """How many jobs may run at once: half of the cores, since the rest of the region lives here too."""
        return max(1, (os.cpu_count() or 1) // 2)

    def start(self) -> None:
        """Makes the cluster before the first job needs it. Raises Unavailable."""
        self._connected()

    def run(self, request: job.JobRequest) -> job.Outcome:
        """Raises Unavailable where the cluster was lost, or a store is away; and whatever else the job raised."""
        client = self._connected()
        try:
            ended = self._ended(client, request)
        except _LOST as error:
            self._drop(client)
            raise Unavailable(f"the cluster was lost: {error!r}") from error
        if isinstance(ended, KilledWorker):
            log.error("a photo kills workers", extra={"photo_id": request.photo_id})
            return _KILLS
        if isinstance(ended, BaseException):
            raise ended
        return ended

    def close(self) -> None:
        """What still runs is lost: its caller gets Unavailable."""
        self._closed = True
        self._drop(self._client)

    def _ended(self, client: Client, request: job.JobRequest) -> job.Outcome | BaseException:
        """How the job ended, or with which error of its own; raises only what befell the cluster."""
        future = client.submit(job.run, request, key=f"photo-{request.photo_id}-{uuid.uuid4().hex}", pure=False)
        deadline_s = request.budget_s + self._grace_s
        try:
            error: BaseException | None = future.exception(deadline_s)
            outcome: job.Outcome | BaseException = error or future.result(deadline_s)
            return outcome
        except TimeoutError:
            return self._end(client, future, request)
        finally:
            future.release()

    def _end(self, client: Client, future: Future, request: job.JobRequest) -> job.Outcome:
        """A job that looks at no deadline any more hangs within libvips or a disk: only its process can be ended."""
        busy = [worker for worker, keys in client.processing().items() if future.key in keys]
        if not busy:
            raise CommClosedError("no worker took the job")
        log.error("a photo hangs its worker", extra={"photo_id": request.photo_id})
        future.cancel()
        client.restart_workers(busy, timeout=_CONNECT_S, raise_for_error=False)
        return _HANGS

    def _connected(self) -> Client:
        with self._lock:
            if self._closed:
                raise Unavailable("this processor is stopping")
            if self._client is None:
                try:
                    self._client = self._connect()
                except _LOST as error:
                    raise Unavailable(f"no cluster: {error!r}") from error
            return self._client

    def _connect(self) -> Client:
        if self._scheduler:
            return Client(self._scheduler, timeout=_CONNECT_S, set_as_default=False)
        # For good, not for a block: some are read again when a worker has died.
        dask.config.set(_SETTINGS)
        # Dask runs whatever it is sent: even on loopback only who holds this cluster's own certificate may speak.
        own = LocalCluster(
            n_workers=self.width,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            # Port 0 and no routes: Dask always opens an HTTP door, and by default the same one in each process.
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            memory_limit=MEMORY_BYTES,
            security=Security.temporary(),
            silence_logs=logging.ERROR,
        )
        try:
            client = Client(own, timeout=_CONNECT_S, set_as_default=False)
        except _LOST:
            _close(own)
            raise
        self._own = own
        return client

    def _drop(self, client: Client | None) -> None:
        """Gives up this client, and the cluster if it is ours, unless another thread has done so already."""
        with self._lock:
            if client is None or client is not self._client:
                return
            own, self._client, self._own = self._own, None, None
            for lost in (client, own):
                if lost is not None:
                    _close(lost)


def _close(lost: Client | LocalCluster) -> None:
    """Whatever of it still answers; what does not is given up either way."""
    try:
        lost.close(timeout=_CLOSE_S)
    except _LOST as error:
        log.warning("a cluster did not close in order", extra={"error": repr(error)})
