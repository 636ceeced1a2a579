"""What Dask costs a photo: in the processor, at the scheduler, and of a worker's time.

The client is this process; scheduler and workers are processes of their own. Two workers end 100 jobs a second that
only sleep, while 2,000 wait at the scheduler. The peer is Dask's own client as its manual shows it: `submit`, and
`as_completed` with results. A share is the processor time of a process, over all its threads, at 100 jobs a second.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from distributed import Client, as_completed

from bench import harness, interleaved_runs, synthetic_photos
from bench.photo_job.in_process import ours
from processing import job
from processing.dispatcher import Dispatcher
from processing.fair_queue import Urgency
from regions.cluster.dask_cluster import DaskCluster
from regions.cluster.workers import OutsideCluster
from regions.records import Reason, Status

PER_S, IN_FLIGHT, MEASURED = 100, 2_000, 1_000
JOB_S, JOBS_OF_A_WORKER = 0.15, 40
PHOTOS_OF_A_WORKER = 60
REPEATS = 3
MOST_SHARE, MOST_OVERHEAD, MOST_OF_ONE_WORKER = 0.20, 0.05, 1.05
_PEER = "Dask's client"
_PLENTY_S = 600.0


@dataclass(frozen=True, slots=True)
class Dask:
    address: str
    scheduler: psutil.Process
    workers: list[psutil.Process]


def run() -> list[harness.Measurement]:
    with _dask(2) as two, _dask(1) as one:
        in_flight: dict[str, interleaved_runs.Run] = {
            "ours": lambda: asyncio.run(_shares(two, _ours_in_flight)),
            _PEER: lambda: asyncio.run(_shares(two, _peer_in_flight)),
        }
        shares = interleaved_runs.medians(in_flight, REPEATS)
        photos: dict[str, interleaved_runs.Run] = {
            "one": lambda: {"core_s": asyncio.run(_core_s_per_photo(one))},
            "two": lambda: {"core_s": asyncio.run(_core_s_per_photo(two))},
        }
        core_s = interleaved_runs.medians(photos, REPEATS)["core_s"]
        overheads = {name: _overheads(dask) for name, dask in (("one worker", one), ("two workers", two))}
    flight = f"{PER_S} jobs/s, {IN_FLIGHT:,} in flight"
    beside = f"time beside the job, of a job of {JOB_S * 1000:g} ms"
    return [
        _row(f"client's share of a core, {flight}", "", shares["client"]),
        harness.at_most(f"client's share of a core, {flight}", "", shares["client"]["ours"], MOST_SHARE),
        _row(f"scheduler's share of a core, {flight}", "", shares["scheduler"]),
        *(_row(f"{beside}, {workers}", "", overhead) for workers, overhead in overheads.items()),
        *(
            harness.at_most(f"{beside}, {workers}", "", overhead["ours"], MOST_OVERHEAD)
            for workers, overhead in overheads.items()
        ),
        harness.at_most("two workers' processor time a photo", "s", core_s["two"], MOST_OF_ONE_WORKER * core_s["one"]),
    ]


def _overheads(dask: Dask) -> Mapping[str, float]:
    contenders: dict[str, interleaved_runs.Run] = {
        "ours": lambda: {"overhead": asyncio.run(_ours_overhead(dask))},
        _PEER: lambda: {"overhead": asyncio.run(_peer_overhead(dask))},
    }
    return interleaved_runs.medians(contenders, REPEATS)["overhead"]


def _row(figure: str, unit: str, values: Mapping[str, float]) -> harness.Measurement:
    return interleaved_runs.row(figure, unit, values, None, more_is_better=False)


def _rest(number: int) -> int:
    time.sleep(2 / PER_S)
    return number


def _sleep(_: object) -> job.Final:
    time.sleep(JOB_S)
    return job.Rejected(Status.FAILED, Reason("", ""))


def _process_photo(file: str) -> int:
    return len(ours(Path(file).read_bytes()))


async def _shares(dask: Dask, in_flight: Callable[[Dask, Callable[[], None]], Awaitable[None]]) -> dict[str, float]:
    """Counts from the moment at which so many are in flight that none of those measured is among the first."""
    begun: list[float] = []
    done = 0

    def ended() -> None:
        nonlocal done
        done += 1
        if done in (PER_S, PER_S + MEASURED):
            begun.extend((time.process_time(), _core_s(dask.scheduler)))

    await in_flight(dask, ended)
    client_s, scheduler_s, client_end_s, scheduler_end_s = begun
    per_job = PER_S / MEASURED
    return {"client": (client_end_s - client_s) * per_job, "scheduler": (scheduler_end_s - scheduler_s) * per_job}


async def _ours_in_flight(dask: Dask, ended: Callable[[], None]) -> None:
    enough, count = asyncio.Event(), 0

    async def one_after_the_other(cluster: DaskCluster) -> None:
        nonlocal count
        while True:
            await cluster.run(_rest, count, "rests", _PLENTY_S)
            ended()
            count += 1
            if count == PER_S + MEASURED:
                enough.set()

    waiting: list[asyncio.Task[None]] = []

    async def drive(cluster: DaskCluster) -> None:
        waiting.extend(asyncio.create_task(one_after_the_other(cluster)) for _ in range(IN_FLIGHT))
        await enough.wait()

    await _with_cluster(dask, drive)
    # Without their cluster, all of them have ended.
    await asyncio.gather(*waiting, return_exceptions=True)


async def _with_cluster(dask: Dask, drive: Callable[[DaskCluster], Coroutine[Any, Any, None]]) -> None:
    async with (cluster := DaskCluster(OutsideCluster(dask.address))):
        while cluster.capacity < len(dask.workers):
            await asyncio.sleep(0.05)
        await drive(cluster)


async def _peer_in_flight(dask: Dask, ended: Callable[[], None]) -> None:
    async with Client(dask.address, asynchronous=True, set_as_default=False) as client:
        submitted = client.map(_rest, range(IN_FLIGHT), pure=False)
        following = as_completed(submitted, with_results=True, loop=client.loop)
        for number in range(PER_S + MEASURED):
            await anext(following)
            ended()
            following.add(client.submit(_rest, number, pure=False))


async def _ours_overhead(dask: Dask) -> float:
    taken: list[float] = []

    async def drive(cluster: DaskCluster) -> None:
        async def run_sleep(
            request: job.JobRequest, urgency: Urgency, memory_bytes: int, worker_is_free: Callable[[], None]
        ) -> job.Outcome:
            return await cluster.run(_sleep, request, "sleeps", _PLENTY_S, worker_is_free=worker_is_free)

        dispatcher = Dispatcher(run_sleep, lambda: cluster.capacity, lambda: 1, cluster.wait_for_memory)
        requests = [job.JobRequest("", f"p_{n}", 1, None, 60.0) for n in range(_jobs(dask))]
        start_s = time.perf_counter()
        await asyncio.gather(*(dispatcher.run(each, Urgency.FRESH, "u_1") for each in requests))
        taken.append(time.perf_counter() - start_s)

    await _with_cluster(dask, drive)
    return _beside(taken[0])


async def _peer_overhead(dask: Dask) -> float:
    async with Client(dask.address, asynchronous=True, set_as_default=False) as client:
        start_s = time.perf_counter()
        await client.gather(client.map(_sleep, range(_jobs(dask)), pure=False))
        return _beside(time.perf_counter() - start_s)


def _beside(taken_s: float) -> float:
    """As a part of the jobs' own time."""
    return taken_s / (JOBS_OF_A_WORKER * JOB_S) - 1


def _jobs(dask: Dask) -> int:
    return JOBS_OF_A_WORKER * len(dask.workers)


async def _core_s_per_photo(dask: Dask) -> float:
    """Of all workers, while each has photos."""
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        file.write(synthetic_photos.jpeg(1, 4000, 3000))
        file.flush()
        spent: list[float] = []

        async def drive(cluster: DaskCluster) -> None:
            for count in (2 * len(dask.workers), PHOTOS_OF_A_WORKER * len(dask.workers)):
                before_s = sum(map(_core_s, dask.workers))
                files = [cluster.run(_process_photo, file.name, "photo", _PLENTY_S) for _ in range(count)]
                await asyncio.gather(*files)
                spent.append((sum(map(_core_s, dask.workers)) - before_s) / count)

        await _with_cluster(dask, drive)
    return spent[-1]


def _core_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def _dask(workers: int) -> Iterator[Dask]:
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder:
        file = Path(folder) / "scheduler.json"
        start = partial(_start, Path(folder))
        started = [start("scheduler", "--port", "0", "--scheduler-file", file, "--dashboard-address", "127.0.0.1:0")]
        try:
            while not file.exists() or not file.read_text():
                time.sleep(0.05)
            address = json.loads(file.read_text())["address"]
            options = ("--no-nanny", "--nthreads", 1, "--local-directory", folder)
            started += [start("worker", *options, address) for _ in range(workers)]
            processes = [psutil.Process(process.pid) for process in started]
            yield Dask(address, processes[0], processes[1:])
        finally:
            for process in reversed(started):
                process.kill()
                process.wait()


def _start(folder: Path, kind: str, *arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--host", "127.0.0.1", "--no-dashboard"]
    environ = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
        "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "500ms",
    }
    with (folder / f"{kind}.log").open("ab") as log:
        return subprocess.Popen([*command, *map(str, arguments)], env=environ, stdout=log, stderr=log)
