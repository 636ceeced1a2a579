"""The processes of a cluster: how this machine's own cluster starts, and how a worker joins an operator's scheduler."""

import asyncio
import logging
import random
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import dask
from distributed import Adaptive, Client, Nanny, Scheduler, SpecCluster
from distributed.comm import CommClosedError
from distributed.security import Security

from regions.config import TlsFiles
from regions.retry import backoff_s

log = logging.getLogger(__name__)

CONNECT_S = 30.0
_CLOSE_S = 3.0
_SCALE_EVERY = "1 s"
_LARGE = "large"
MEMORY = "MEMORY"
"""The resource that every worker announces: its limit, in MiB."""
MIB = 1 << 20
MOVE_ACTORS = "darkroom_move_actors"
"""What a worker asks the scheduler before it retires: Dask retires none that holds an actor (`rules`)."""
LOST = (CommClosedError, OSError, RuntimeError, ImportError)
"""What Dask raises when a scheduler or a worker is lost."""

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


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker's process starts: the modules that it imports first, and its variables besides our own."""

    preload: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OwnCluster:
    """A scheduler and workers on this machine: at most `workers`, the first with the memory for large tasks."""

    settings: WorkerSettings
    workers: int
    memory_bytes: int
    large_memory_bytes: int


@dataclass(frozen=True, slots=True)
class OutsideCluster:
    """`address` is `tls://host:port`; `tcp://…` without `tls`, on this machine only."""

    address: str
    tls: TlsFiles | None = None


async def run_worker(where: OutsideCluster, settings: WorkerSettings, memory_bytes: int, stop: threading.Event) -> None:
    """Offers the scheduler one worker process of at most so much memory, again and again until `stop` is set."""
    dask.config.set(_SETTINGS)
    stopped = asyncio.ensure_future(asyncio.to_thread(stop.wait))
    failed = 0
    try:
        while not stopped.done():
            try:
                await _offer_worker(where, _nanny_options(settings, memory_bytes, security_of(where.tls)), stopped)
                failed = 0
            except (*LOST, TimeoutError) as error:
                log.warning("no scheduler", extra={"error": repr(error)})
            failed += 1
            await asyncio.wait([stopped], timeout=backoff_s(failed, random.random))
    finally:
        # The thread that waits for it would keep a process that has failed.
        stop.set()


async def _offer_worker(where: OutsideCluster, options: dict[str, Any], stopped: "asyncio.Future[bool]") -> None:
    """Ends when the scheduler is lost. When `stopped`, what the worker has goes to another one, without blame."""
    async with Nanny(where.address, **options) as nanny:
        ended = asyncio.create_task(nanny.finished())
        await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
        if stopped.done() and nanny.worker_address:
            await asyncio.wait_for(_retire(nanny), _CLOSE_S)


async def _retire(nanny: Nanny) -> None:
    # Without a processor the scheduler does not have our rules, and nothing to move either.
    with suppress(ValueError, AttributeError):
        await getattr(nanny.scheduler, MOVE_ACTORS)(worker=nanny.worker_address)
    await nanny.scheduler.retire_workers(workers=[nanny.worker_address])


class _Adaptive(Adaptive):  # type: ignore[misc]  # distributed has no types
    """Dask's way to start and to retire workers, each second, for a number that we say.

    Only a worker that is idle goes, and none that holds an actor, nor the one for large tasks. So more than wanted may
    stay.
    """

    def __init__(self, cluster: SpecCluster, wanted: Callable[[], int], **options: Any) -> None:
        super().__init__(cluster, **options)
        self._wanted = wanted

    async def target(self) -> int:
        return self._wanted()

    async def recommendations(self, target: int) -> dict[str, Any]:
        too_many = len(self.plan) - target
        if too_many <= 0:
            return dict(await super().recommendations(target))
        workers = self.cluster.scheduler.workers.values()
        idle = [worker.name for worker in workers if not worker.processing and not worker.actors]
        going = [name for name in idle if name != _LARGE][:too_many]
        return {"status": "down", "workers": going} if going else {"status": "same"}


async def start_own(own: OwnCluster, wanted: Callable[[], int]) -> SpecCluster:
    """With `wanted()` workers, also later on, within a second or two."""
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
        workers={_LARGE: large} | dict.fromkeys(range(1, wanted()), ordinary),
        worker=ordinary,
        security=security,
        asynchronous=True,
        silence_logs=logging.ERROR,
    )
    try:
        await cluster
        adaptive = partial(_Adaptive, wanted=wanted)
        cluster.adapt(Adaptive=adaptive, minimum=1, maximum=own.workers, interval=_SCALE_EVERY)
    except BaseException:
        await close(cluster)
        raise
    return cluster


def _nanny_options(settings: WorkerSettings, memory_bytes: int, security: Security | None) -> dict[str, Any]:
    return {
        "nthreads": 1,
        "memory_limit": memory_bytes,
        "resources": {MEMORY: memory_bytes / MIB},
        "preload": list(settings.preload),
        "env": dict(settings.environ),
        "security": security,
        "dashboard": False,
        "dashboard_address": "127.0.0.1:0",
        "silence_logs": logging.ERROR,
    }


def security_of(tls: TlsFiles | None) -> Security | None:
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


async def close(opened: Client | SpecCluster) -> None:
    """Closes what still answers, and gives up the rest."""
    try:
        await asyncio.wait_for(opened.close(), _CLOSE_S)
    except (*LOST, TimeoutError) as error:
        log.warning("a cluster did not close in order", extra={"error": repr(error)})
