"""Runs functions on Dask, on an event loop: on a cluster of this process's own, or at the scheduler of an address.

Tasks run in worker processes, one at a time in each, because the libraries that they call can bring a process down.
The scheduler starts no task again whose worker died: the caller decides, since only it can remember across restarts
how often that has happened. A task that never ends costs its worker, and a cluster that is lost is replaced.
"""

import asyncio
import logging
import random
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from dask._expr import LLGExpr
from dask._task_spec import Task
from distributed import Client, Future, KilledWorker
from distributed.client import ClosedClientError, FutureCancelledError

from regions.batches import Batches, Waiting
from regions.cluster.actors import SharedActor
from regions.cluster.in_worker import BEGUN
from regions.cluster.rules import TOPIC, ClusterRules, memories_mib
from regions.cluster.workers import (
    CONNECT_S,
    LOST,
    MEMORY,
    MIB,
    OutsideCluster,
    OwnCluster,
    close,
    security_of,
    start_own,
)
from regions.errors import Unavailable
from regions.retry import backoff_s

log = logging.getLogger(__name__)

_CHECK_S = 0.5
# Each message to the scheduler costs about a millisecond on both sides, however many tasks or results it is about.
# A worker may be waiting for a submission, but nobody for a result but the photo's owner.
_SUBMIT_EVERY_S, _GATHER_EVERY_S = 0.02, 0.05

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class WorkerDied(Exception):
    """The worker's process ended while it ran the task: it was killed, crashed, froze, took too much memory or time."""


class NotEnoughMemory(Exception):
    """No worker of the cluster has the memory that the task needs."""


class DaskCluster:
    """Belongs to one event loop. While it is open (`async with`), it connects, and again when the cluster is lost."""

    def __init__(self, where: OwnCluster | OutsideCluster) -> None:
        self._where = where
        self.changed: Callable[[], object] = lambda: None
        """Called when `capacity` is another."""
        self.most_workers = where.workers if isinstance(where, OwnCluster) else None
        """None if others start and end the workers."""
        self._wanted = self.most_workers or 0
        self._client: Client | None = None
        self._lost = asyncio.Event()
        self._memories_mib: list[float] = []
        self._change = asyncio.Event()
        self._not_begun: set[str] = set()
        """The tasks that need memory and have not announced that they have begun."""
        self._submissions = Batches(self._submit, _SUBMIT_EVERY_S)
        self._results = Batches(self._gather, _GATHER_EVERY_S)

    @property
    def capacity(self) -> int:
        """How many tasks run at once: the workers that are there now."""
        return len(self._memories_mib)

    @property
    def large_workers(self) -> int:
        """How many workers have more memory than the smallest."""
        return sum(memory > min(self._memories_mib) for memory in self._memories_mib)

    def scale(self, workers: int) -> None:
        """How many workers a cluster of one's own shall have, at least 1; at first it is all. Idle ones go first."""
        self._wanted = workers

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
        function raised, WorkerDied, and Unavailable if the cluster was lost, or if the task has not ended in
        `timeout_s` from now: then the function may have run, or may still run. One that may hang or needs memory calls
        `in_worker.run_watched`.
        """
        client, key = self._client, f"{name}-{uuid.uuid4().hex}"
        if client is None:
            raise Unavailable("there is no cluster at the moment")
        # Dask keeps what it takes for the source of other tasks in one queue, and gives a worker one at a time.
        task = Task(key, function, argument, _data_producer=True)
        if memory_bytes:
            self._not_begun.add(key)
        future = await self._submissions.put(_Submission(client, task, priority, memory_bytes / MIB))
        try:
            await self._until_ended(client, future, timeout_s)
            worker_is_free()
            return await self._result(client, future, timeout_s)  # type: ignore[no-any-return]
        finally:
            self._not_begun.discard(key)
            future.release()

    def actor(self, name: str, kind: type) -> SharedActor:
        """The one object of this kind and name that everybody at this scheduler shares; it is made when needed."""
        return SharedActor(name, kind, lambda: self._client)

    async def wait_for_memory(self, memory_bytes: int, within_s: float) -> None:
        """Returns when a worker has a limit of so much; it may be starting.

        Raises NotEnoughMemory; and Unavailable as soon as there is no worker at all, which says nothing of memory.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while memory_bytes / MIB > max(self._memories_mib, default=0.0):
                    if not self._memories_mib:
                        raise Unavailable("there is no worker at the moment")
                    await self._change.wait()
                return
        raise NotEnoughMemory(f"no worker has {memory_bytes} bytes")

    async def _until_ended(self, client: Client, future: Future, timeout_s: float) -> None:
        try:
            # Not `wait_for`, which makes a task of its own each time.
            async with asyncio.timeout(timeout_s):
                error = await future.exception()
        except TimeoutError as late:
            raise Unavailable("the task has not ended in time") from late
        if isinstance(error, KilledWorker):
            if future.key in self._not_begun:
                raise Unavailable("the worker died with another task, behind which this one waited") from error
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
                resources={MEMORY: memory_mib} if memory_mib else None,
                fifo_timeout="0 ms",
            )
            for waiting, future in zip(group, futures, strict=True):
                waiting.resolve(future)

    async def _gather(self, finished: "list[Waiting[Future, Any]]") -> None:
        client = finished[0].item.client
        try:
            results = await client.gather([waiting.item for waiting in finished], asynchronous=True)
        except (*LOST, FutureCancelledError) as lost:
            self._lose(client)
            raise Unavailable(f"the cluster was lost: {lost!r}") from lost
        for waiting, result in zip(finished, results, strict=True):
            waiting.resolve(result)

    async def _keep_connected(self) -> None:
        failed = 0
        while True:
            try:
                async with AsyncExitStack() as opened:
                    client = await self._connect(opened)
                    failed = 0
                    await self._until_lost(client)
            except (*LOST, ClosedClientError) as error:
                failed += 1
                log.warning("no cluster", extra={"error": repr(error)})
            await asyncio.sleep(backoff_s(failed + 1, random.random))

    async def _connect(self, opened: AsyncExitStack) -> Client:
        opened.callback(self._disconnect)
        if isinstance(self._where, OwnCluster):
            own = await start_own(self._where, lambda: self._wanted)
            opened.push_async_callback(close, own)
            address: Any = own
            security = own.security
        else:
            address, security = self._where.address, security_of(self._where.tls)
        client = Client(address, timeout=CONNECT_S, set_as_default=False, asynchronous=True, security=security)
        opened.push_async_callback(close, client)
        await client
        client.subscribe_topic(TOPIC, self._workers_changed)
        client.subscribe_topic(BEGUN, lambda event: self._not_begun.discard(event[1]))
        await client.register_plugin(ClusterRules())
        self._lost.clear()
        self._client = client
        self._set_memories(await client.run_on_scheduler(memories_mib))
        return client

    async def _until_lost(self, client: Client) -> None:
        """A client connects again by itself; but a scheduler that was restarted knows neither our tasks nor rules."""
        known = client.scheduler_info()["id"]
        # Also while it was being connected, or in the moment in which a wait ends, somebody may have given it up.
        while not self._lost.is_set() and client.status == "running" and client.scheduler_info()["id"] == known:
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
