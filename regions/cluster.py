"""Runs functions on Dask, on an event loop: on a cluster of this process's own, or at the scheduler of an address.

Tasks run in worker processes, one at a time in each, because the libraries that they call can bring a process down.
The scheduler starts no task again whose worker died: the caller decides, since only it can remember across restarts
how often that has happened. A task that never ends costs its worker, and a cluster that is lost is replaced.
"""

import asyncio
import logging
import random
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import dask
from dask._expr import LLGExpr
from dask._task_spec import Task
from distributed import Client, Future, KilledWorker, Nanny, Scheduler, SpecCluster
from distributed.comm import CommClosedError
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.security import Security

from regions.batches import Batches, Waiting
from regions.config import TlsFiles
from regions.errors import Unavailable
from regions.retry import backoff_s

log = logging.getLogger(__name__)

_CONNECT_S = 30.0
_CLOSE_S = 3.0
_CHECK_S = 0.5
# Each message to the scheduler costs about a millisecond on both sides, however many tasks or results it is about.
# A worker may be waiting for a submission, but nobody for a result but the photo's owner.
_SUBMIT_EVERY_S, _GATHER_EVERY_S = 0.02, 0.05
_TOPIC = "darkroom-workers"
_MEMORY = "MEMORY"
"""The resource that every worker announces: its limit, in MiB."""
_MIB = 1 << 20

_SETTINGS: dict[str, Any] = {
    # Dask closes the nanny of a worker that has been away for this long, 15 s by default. A nanny that is just about
    # to start the next worker would be closed with it, and the cluster would have no workers any more. A nanny that
    # gives up by itself is noticed by the task's deadline.
    "distributed.deploy.lost-worker-timeout": "3650 days",
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
_LOST = (CommClosedError, OSError, RuntimeError, ImportError)

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class WorkerDied(Exception):
    """The worker's process ended while it ran the task: it was killed, crashed, or was over its memory limit."""


class TimedOut(Exception):
    """The task did not end within its time. Its worker was ended."""


class NotEnoughMemory(Exception):
    """No worker of the cluster has the memory that the task needs."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker's process starts: the modules that it imports first, and its variables besides our own."""

    preload: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OwnCluster:
    """A scheduler and workers on this machine: `workers` in number, the first with the memory for large tasks."""

    settings: WorkerSettings
    workers: int
    memory_bytes: int
    large_memory_bytes: int


@dataclass(frozen=True, slots=True)
class OutsideCluster:
    """`address` is `tls://host:port`; `tcp://…` without `tls`, on this machine only."""

    address: str
    tls: TlsFiles | None = None


class DaskCluster:
    """Belongs to one event loop. While it is open (`async with`), it connects, and again when the cluster is lost."""

    def __init__(self, where: OwnCluster | OutsideCluster) -> None:
        self._where = where
        self.changed: Callable[[], object] = lambda: None
        """Called when `capacity` is another."""
        self._client: Client | None = None
        self._lost = asyncio.Event()
        self._memories_mib: list[float] = []
        self._change = asyncio.Event()
        self._submissions = Batches(self._submit, _SUBMIT_EVERY_S)
        self._results = Batches(self._gather, _GATHER_EVERY_S)

    @property
    def capacity(self) -> int:
        """How many tasks run at once: the workers that are there now."""
        return len(self._memories_mib)

    async def __aenter__(self) -> "asyncio.Task[None]":
        """What keeps it connected: a task that ends only if it fails, with an error that trying again can't mend."""
        self._connection = asyncio.create_task(self._keep_connected())
        return self._connection

    async def __aexit__(self, *error: object) -> None:
        """Tasks under way are lost: their callers get Unavailable."""
        self._connection.cancel()
        await asyncio.wait([self._connection])

    async def run(
        self,
        function: Callable[[Argument], Result],
        argument: Argument,
        name: str,
        timeout_s: float,
        priority: int = 0,
        memory_bytes: int = 0,
        worker_is_free: Callable[[], object] = lambda: None,
    ) -> Result:
        """What `function(argument)` returns in a worker; both must be picklable. `name` appears in Dask's logs.

        Tasks of a higher `priority` start first. With `memory_bytes`, the task runs on a worker whose limit is no less.
        `worker_is_free` is called when the task has ended, while its result is still on the way. Raises what the
        function raised, WorkerDied, TimedOut, and Unavailable if the cluster was lost: then the function may have run,
        or may still run.
        """
        client, key = self._client, f"{name}-{uuid.uuid4().hex}"
        if client is None:
            raise Unavailable("there is no cluster at the moment")
        # Dask keeps what it takes for the source of other tasks in one queue, and gives a worker one at a time.
        task = Task(key, function, argument, _data_producer=True)
        future = await self._submissions.put(_Submission(client, task, priority, memory_bytes / _MIB))
        try:
            await self._until_ended(client, future, timeout_s)
            worker_is_free()
            return await self._result(client, future, timeout_s)  # type: ignore[no-any-return]
        finally:
            future.release()

    async def wait_for_memory(self, memory_bytes: int, within_s: float) -> None:
        """Returns when a worker has a limit of so much; it may be starting. Raises NotEnoughMemory, Unavailable."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while memory_bytes / _MIB > max(self._memories_mib, default=0.0):
                    await self._change.wait()
                return
        if not self._memories_mib:
            raise Unavailable("there is no worker at the moment")
        raise NotEnoughMemory(f"no worker has {memory_bytes} bytes")

    async def _until_ended(self, client: Client, future: Future, timeout_s: float) -> None:
        try:
            # Not `wait_for`, which makes a task of its own each time.
            async with asyncio.timeout(timeout_s):
                error = await future.exception()
        except TimeoutError:
            await self._end(client, future)
        if isinstance(error, KilledWorker):
            raise WorkerDied(future.key) from error
        if error is not None:
            raise error
        if future.status != "finished":
            self._lose(client)
            raise Unavailable("the cluster was lost")

    async def _result(self, client: Client, future: Future, timeout_s: float) -> Any:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._results.put(future)
        except TimeoutError as error:
            self._lose(client)
            raise Unavailable("the cluster does not return a result") from error

    async def _end(self, client: Client, future: Future) -> None:
        """Ends the worker process: a task that no longer checks its deadline hangs in a library or on a disk."""
        try:
            workers = [worker for worker, keys in (await client.processing()).items() if future.key in keys]
            if workers:
                await future.cancel()
                await client.restart_workers(workers, timeout=_CONNECT_S, raise_for_error=False)
        except _LOST as lost:
            self._lose(client)
            raise Unavailable(f"the cluster was lost: {lost!r}") from lost
        if not workers:
            raise Unavailable("no worker has taken the task")
        raise TimedOut(future.key)

    async def _submit(self, submissions: "list[Waiting[_Submission, Future]]") -> None:
        groups: dict[tuple[Client, int, float], list[Waiting[_Submission, Future]]] = {}
        for waiting in submissions:
            one = waiting.item
            groups.setdefault((one.client, one.priority, one.memory_mib), []).append(waiting)
        for (client, priority, memory_mib), group in groups.items():
            tasks = {waiting.item.task.key: waiting.item.task for waiting in group}
            futures = client.get(
                # The token spares Dask to hash every argument.
                LLGExpr(tasks, _determ_token=uuid.uuid4().hex),
                list(tasks),
                sync=False,
                priority=priority,
                resources={_MEMORY: memory_mib} if memory_mib else None,
                fifo_timeout="0 ms",
            )
            for waiting, future in zip(group, futures, strict=True):
                waiting.resolve(future)

    async def _gather(self, finished: "list[Waiting[Future, Any]]") -> None:
        client = finished[0].item.client
        results = await client.gather([waiting.item for waiting in finished], asynchronous=True)
        for waiting, result in zip(finished, results, strict=True):
            waiting.resolve(result)

    async def _keep_connected(self) -> None:
        failed = 0
        while True:
            try:
                async with AsyncExitStack() as opened:
                    await self._connect(opened)
                    failed = 0
                    await self._until_lost()
            except _LOST as error:
                failed += 1
                log.warning("no cluster", extra={"error": repr(error)})
            await asyncio.sleep(backoff_s(failed + 1, random.random))

    async def _connect(self, opened: AsyncExitStack) -> None:
        opened.callback(self._disconnect)
        if isinstance(self._where, OwnCluster):
            own = await _start(self._where)
            opened.push_async_callback(_close, own)
            address: Any = own
            security = own.security
        else:
            address, security = self._where.address, _security(self._where.tls)
        client = Client(address, timeout=_CONNECT_S, set_as_default=False, asynchronous=True, security=security)
        opened.push_async_callback(_close, client)
        await client
        client.subscribe_topic(_TOPIC, self._workers_changed)
        await client.register_plugin(_Rules())
        self._lost.clear()
        self._client = client
        self._set_memories(await client.run_on_scheduler(_memories_mib))

    async def _until_lost(self) -> None:
        """A client connects again by itself; but a scheduler that was restarted knows neither our tasks nor rules."""
        assert self._client is not None
        known = self._client.scheduler_info()["id"]
        while self._client.status == "running" and self._client.scheduler_info()["id"] == known:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._lost.wait(), _CHECK_S)
                return

    def _lose(self, client: Client) -> None:
        """Nothing is started there any more, and what keeps us connected makes a new client, unless it has already."""
        if client is self._client:
            self._disconnect()

    def _disconnect(self) -> None:
        self._lost.set()
        self._client = None
        self._set_memories([])

    def _workers_changed(self, event: tuple[float, list[float]]) -> None:
        if self._client is not None:
            self._set_memories(event[1])

    def _set_memories(self, memories_mib: list[float]) -> None:
        self._memories_mib = memories_mib
        self._change.set()
        self._change = asyncio.Event()
        self.changed()


@dataclass(frozen=True, slots=True)
class _Submission:
    client: Client
    task: Task
    priority: int
    memory_mib: float


class _Rules(SchedulerPlugin):  # type: ignore[misc]  # distributed has no types
    """What every scheduler does for us, also one that an operator started: it reports each death to the caller, once.

    And no task queues at a worker that is busy: otherwise the death that one causes would be blamed on the other too.
    """

    name, idempotent = "darkroom", True

    async def start(self, scheduler: Scheduler) -> None:
        scheduler.allowed_failures = 0
        scheduler.WORKER_SATURATION = 1.0

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        scheduler.log_event(_TOPIC, _memories_mib(scheduler))

    def remove_worker(self, scheduler: Scheduler, worker: str, **about: Any) -> None:
        scheduler.log_event(_TOPIC, _memories_mib(scheduler))


def _memories_mib(dask_scheduler: Scheduler) -> list[float]:
    """The limit of each worker; 0 for one that does not announce it, which gets no large tasks."""
    return [worker.resources.get(_MEMORY, 0.0) for worker in dask_scheduler.workers.values()]


async def run_worker(where: OutsideCluster, settings: WorkerSettings, memory_bytes: int, stop: threading.Event) -> None:
    """Offers the scheduler one worker process of at most so much memory, again and again until `stop` is set."""
    dask.config.set(_SETTINGS)
    stopped = asyncio.ensure_future(asyncio.to_thread(stop.wait))
    failed = 0
    try:
        while not stopped.done():
            try:
                await _offer_worker(where, _nanny_options(settings, memory_bytes, _security(where.tls)), stopped)
                failed = 0
            except (*_LOST, TimeoutError) as error:
                log.warning("no scheduler", extra={"error": repr(error)})
            failed += 1
            await asyncio.wait([stopped], timeout=backoff_s(failed, random.random))
    finally:
        # The thread that waits for it would keep a process that has failed.
        stop.set()


async def _offer_worker(where: OutsideCluster, options: dict[str, Any], stopped: "asyncio.Future[bool]") -> None:
    """Ends when the scheduler is lost. When `stopped`, the task that runs goes to another worker, without blame."""
    async with Nanny(where.address, **options) as nanny:
        ended = asyncio.create_task(nanny.finished())
        await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
        if stopped.done() and nanny.worker_address:
            await asyncio.wait_for(nanny.scheduler.retire_workers(workers=[nanny.worker_address]), _CLOSE_S)


async def _start(own: OwnCluster) -> SpecCluster:
    # Set for good, not in a `with` block: Dask reads some of them again when a worker has died.
    dask.config.set(_SETTINGS)
    # Dask runs whatever it is sent: so, even on loopback, only the holder of this cluster's certificate may speak.
    security = Security.temporary()
    here: dict[str, Any] = {"host": "127.0.0.1", "protocol": "tls://", "security": security}
    large, ordinary = (
        {"cls": Nanny, "options": here | _nanny_options(own.settings, memory_bytes, security)}
        for memory_bytes in (own.large_memory_bytes, own.memory_bytes)
    )
    cluster = SpecCluster(
        scheduler={
            "cls": Scheduler,
            # Port 0 and no routes: Dask always opens an HTTP server, and by default on the same port in each process.
            "options": here | {"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        },
        workers={"large": large} | dict.fromkeys(range(1, own.workers), ordinary),
        worker=ordinary,
        security=security,
        asynchronous=True,
        silence_logs=logging.ERROR,
    )
    try:
        await cluster
    except BaseException:
        await _close(cluster)
        raise
    return cluster


def _nanny_options(settings: WorkerSettings, memory_bytes: int, security: Security | None) -> dict[str, Any]:
    return {
        "nthreads": 1,
        "memory_limit": memory_bytes,
        "resources": {_MEMORY: memory_bytes / _MIB},
        "preload": list(settings.preload),
        "env": dict(settings.environ),
        "security": security,
        "dashboard": False,
        "dashboard_address": "127.0.0.1:0",
        "silence_logs": logging.ERROR,
    }


def _security(tls: TlsFiles | None) -> Security | None:
    if tls is None:
        return None
    return Security(
        tls_ca_file=str(tls.ca),
        tls_client_cert=str(tls.certificate),
        tls_client_key=str(tls.key),
        tls_worker_cert=str(tls.certificate),
        tls_worker_key=str(tls.key),
        require_encryption=True,
    )


async def _close(opened: Client | SpecCluster) -> None:
    """Closes what still answers, and gives up the rest."""
    try:
        await asyncio.wait_for(opened.close(), _CLOSE_S)
    except (*_LOST, TimeoutError) as error:
        log.warning("a cluster did not close in order", extra={"error": repr(error)})
