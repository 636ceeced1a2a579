"""Runs functions on Dask: on a cluster of this process's own, or on one that a scheduler address names.

Tasks run in worker processes, one at a time in each, because the libraries that they call can bring a process down.
What follows from that is decided here: when a worker dies, its task is started again on another; a task that kills
worker after worker is given up, and so is one that never ends; and a cluster that is lost is replaced.
"""

import logging
import os
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any, TypeVar

import dask
from distributed import Client, Future, KilledWorker, LocalCluster
from distributed.comm import CommClosedError
from distributed.security import Security

from regions.errors import Unavailable

log = logging.getLogger(__name__)

MOST_DEATHS = 3
"""A task that has killed this many workers is not started again."""

_CONNECT_S = 30.0
_CLOSE_S = 3.0
_SETTINGS: dict[str, Any] = {
    # Dask closes the nanny of a worker that has been away for this long, 15 s by default. A nanny that is just about
    # to start the next worker would be closed with it, and the cluster would have no workers any more. A nanny that
    # gives up by itself is noticed by the task's deadline.
    "distributed.deploy.lost-worker-timeout": "3650 days",
    "distributed.scheduler.allowed-failures": MOST_DEATHS - 1,
    # No task queues at a worker that is busy: otherwise the deaths that one causes would count against the other too.
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # A worker over its limit is replaced. If it only paused, it would wait for memory that nobody frees.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    # Dask looks at itself 100 times a second (profiler) and 50 times a second (event loop), also when idle. Nobody
    # reads either here.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.tick.cycle": "5s",
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.nanny.pre-spawn-environ": {
        "VIPS_CONCURRENCY": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_TRIM_THRESHOLD_": "65536",
    },
}
_LOST = (CancelledError, CommClosedError, OSError, RuntimeError)

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class KilledWorkers(Exception):
    """The task killed `MOST_DEATHS` workers, one after the other."""


class TimedOut(Exception):
    """The task did not end within its time. Its worker was ended."""


class DaskCluster:
    """Any number of threads may call `run`.

    An empty `scheduler` means a cluster of our own: its workers import the module `preload` when they start, and one
    that takes more than `memory_bytes` is ended. With a scheduler of yours, set both where its workers start, and set
    Dask's `allowed-failures` and `worker-saturation` there as in `_SETTINGS`.
    """

    def __init__(self, scheduler: str, preload: str, memory_bytes: int) -> None:
        self._scheduler, self._preload, self._memory_bytes = scheduler, preload, memory_bytes
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._own: LocalCluster | None = None
        self._closed = False

    @property
    def concurrency(self) -> int:
        """How many tasks this process submits at once: half of this machine's cores, which it shares with others."""
        return max(1, (os.cpu_count() or 1) // 2)

    def start(self) -> None:
        """Makes the cluster before the first task needs it. Raises Unavailable."""
        self._connected()

    def run(self, function: Callable[[Argument], Result], argument: Argument, name: str, timeout_s: float) -> Result:
        """What `function(argument)` returns in a worker; both must be picklable. `name` appears in Dask's logs.

        Raises what the function raised, KilledWorkers, TimedOut, and Unavailable if the cluster was lost: then the
        function may have run, or may still run.
        """
        client = self._connected()
        try:
            future = client.submit(function, argument, key=f"{name}-{uuid.uuid4().hex}", pure=False)
            error, result = self._ended(client, future, timeout_s)
        except _LOST as lost:
            self._drop(client)
            raise Unavailable(f"the cluster was lost: {lost!r}") from lost
        if isinstance(error, KilledWorker):
            raise KilledWorkers(name) from error
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def close(self) -> None:
        """Tasks under way are lost: their callers get Unavailable. Idempotent."""
        self._closed = True
        self._drop(self._client)

    def _ended(self, client: Client, future: Future, timeout_s: float) -> tuple[BaseException | None, Any]:
        """The task's own error, or its result. Raises only errors of the cluster (`_LOST`).

        A task error that is one of `_LOST` is returned, not raised: it says nothing about the cluster.
        """
        try:
            error = future.exception(timeout_s)
            return error, None if error else future.result(timeout_s)
        except TimeoutError:
            self._end(client, future)
            return TimedOut(future.key), None
        finally:
            future.release()

    def _end(self, client: Client, future: Future) -> None:
        """Ends the worker process: a task that no longer checks its deadline hangs in a library or on a disk."""
        busy = [worker for worker, keys in client.processing().items() if future.key in keys]
        if not busy:
            raise CommClosedError("no worker took the task")
        future.cancel()
        client.restart_workers(busy, timeout=_CONNECT_S, raise_for_error=False)

    def _connected(self) -> Client:
        with self._lock:
            if self._closed:
                raise Unavailable("this process is stopping")
            if self._client is None:
                try:
                    self._client = self._connect()
                except _LOST as error:
                    raise Unavailable(f"no cluster: {error!r}") from error
            return self._client

    def _connect(self) -> Client:
        if self._scheduler:
            return Client(self._scheduler, timeout=_CONNECT_S, set_as_default=False)
        # Set for good, not in a `with` block: Dask reads some of them again when a worker has died.
        dask.config.set({**_SETTINGS, "distributed.worker.preload": [self._preload]})
        # Dask runs whatever it is sent: so, even on loopback, only the holder of this cluster's certificate may speak.
        own = LocalCluster(
            n_workers=self.concurrency,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            # Port 0 and no routes: Dask always opens an HTTP server, and by default on the same port in each process.
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            memory_limit=self._memory_bytes,
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
        """Gives up this client, and the cluster if it is ours, unless another thread has already done so."""
        with self._lock:
            if client is None or client is not self._client:
                return
            own, self._client, self._own = self._own, None, None
            for lost in (client, own):
                if lost is not None:
                    _close(lost)


def _close(lost: Client | LocalCluster) -> None:
    """Closes what still answers, and gives up the rest."""
    try:
        lost.close(timeout=_CLOSE_S)
    except _LOST as error:
        log.warning("a cluster did not close in order", extra={"error": repr(error)})
