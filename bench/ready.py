"""How long after `complete` a photo is ready, while photos arrive as at random, at 80 % of what the region can do.

A processor runs as a process of its own, with its own workers, on a region's embedded stores. The photos have 2 MB each
and many owners, and the known-bad list is as long as it may be. First all of some wait at once: how many become ready
a second is what the region can do. Then each arrives when it is due, whether or not earlier ones are ready (Poisson,
the same pattern in every run). At the end it is measured again what the region can do: if that has become less, the
machine has become slower, and the load was higher than 80 %.

A photo is completed as the origin does it, but for the joining of its parts. Its time begins when it is due, and not
when this process gets round to it; and ends when the catalog says `ready`, which is looked at every 5 ms.

Beside it: Dask's own client, as its manual shows it, with the same job for the same photos at the same moments, but
nothing recorded, compared or published; and the same moments at workers that take exactly as long as ours did at first,
and wait for nothing else. While the machine stays as fast as it was, no region can be faster than that queue: at 80 %
of one worker, its P99 is 11 jobs long.
"""

import asyncio
import heapq
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from itertools import accumulate, cycle, islice
from pathlib import Path

from distributed import Client, LocalCluster

from bench import harness, interleaved_runs, synthetic_photos
from bench.photo_job import whole_job
from darkroom.local import data_folder
from darkroom.local.addresses import TOPOLOGY
from deploy.servers.process import Server, Start, free_port
from processing import fingerprints, job, photo_cluster, worker
from processing.moderation import EMPTY
from processing.photo_processor import BUDGET_S
from regions import ids
from regions.clock import now_ms
from regions.cluster.workers import OwnCluster
from regions.config import Config, Stores, open_stores
from regions.events import messages
from regions.events.outbox import OutboxPublisher
from regions.ids import Snowflake
from regions.image_limits import JPEG
from regions.records import Photo, Status, Upload
from regions.stores.objects import RAW, raw_key
from regions.stores.settings import KNOWN_BAD

PROMISE_S, SHARE_OF_LOAD = 2.0, 0.8
_REGION = "eu-west"
_OWNERS = 101
_WARM_UP, _ALONE, _AT_ONCE, _ARRIVING = 8, 20, 60, 300
"""Photos; those that wait at once are so many for each worker."""
_SEEDS = range(31, 37)
_LOOK_EVERY_S = 0.005
_PEER, _QUEUE = "Dask's client", "the queue alone"

Requests = Sequence[job.JobRequest]
Drive = Callable[[Requests, Sequence[float]], list[float]]
"""Starts the job of each photo when it is due, in seconds from now, and returns how long after that each was ready."""


def run() -> list[harness.Measurement]:
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder, _region(Path(folder)) as (config, stores):
        workers = _workers(config)
        uploaded = _Photos(stores)
        batches = [uploaded.arrive(count) for count in (_WARM_UP, _ALONE, _AT_ONCE * workers, _ARRIVING)]
        afterwards = uploaded.arrive(_AT_ONCE * workers)
        with _processor(Path(folder), uploaded.drive, batches[0]):
            rate, alone = _capacity(uploaded.drive, batches)
            due_s = poisson_s(_ARRIVING, SHARE_OF_LOAD * rate)
            ours = uploaded.drive(batches[-1], due_s)
            rate_afterwards = _rate(uploaded.drive, afterwards)
        with _peer(config, workers) as drive:
            drive(batches[0], [0.0] * _WARM_UP)
            peer_rate, peer_alone = _capacity(drive, batches)
            peers = {_PEER: drive(batches[-1], due_s), _QUEUE: queued_s(due_s, workers, workers / rate)}
    return [
        _row("photos ready a second while many wait", "1/s", {"ours": rate, _PEER: peer_rate}, more_is_better=True),
        _row("the same, afterwards", "1/s", {"ours": rate_afterwards, "before": rate}, more_is_better=True),
        _row("complete to ready, one at a time: P50", "s", _each({"ours": alone, _PEER: peer_alone}, 0.5)),
        *rows({"ours": ours, **peers}),
    ]


def rows(taken_s: Mapping[str, Sequence[float]]) -> list[harness.Measurement]:
    """`taken_s` are "ours" and the peers', by name, at 80 % load."""
    load = f"complete to ready at {SHARE_OF_LOAD * 100:g} % load"
    p99 = _each(taken_s, 0.99)
    return [
        _row(f"{load}: P50", "s", _each(taken_s, 0.5)),
        _row(f"{load}: P99", "s", p99),
        harness.at_most(f"{load}: P99", "s", p99["ours"], PROMISE_S),
    ]


def poisson_s(count: int, per_s: float, seed: int = 1) -> list[float]:
    """When so many photos arrive that arrive at random, in seconds from the start."""
    chance = random.Random(seed)
    return list(accumulate(chance.expovariate(per_s) for _ in range(count)))


def queued_s(due_s: Sequence[float], workers: int, work_s: float) -> list[float]:
    """How long each takes that waits for the first free worker, in turn, and then for exactly `work_s`."""
    free_at_s = [0.0] * workers
    taken_s = []
    for at_s in due_s:
        ready_at_s = max(at_s, free_at_s[0]) + work_s
        heapq.heapreplace(free_at_s, ready_at_s)
        taken_s.append(ready_at_s - at_s)
    return taken_s


def _capacity(drive: Drive, batches: Sequence[Requests]) -> tuple[float, list[float]]:
    """How many become ready a second while many wait, and how long each takes of those that come one at a time."""
    _, alone, at_once, _ = batches
    one_by_one_s = [drive([each], [0.0])[0] for each in alone]
    return _rate(drive, at_once), one_by_one_s


def _rate(drive: Drive, at_once: Requests) -> float:
    return rate_of(drive(at_once, [0.0] * len(at_once)))


def rate_of(ready_s: Sequence[float]) -> float:
    """Per second. The first third warms up: more workers may still be starting."""
    _, *counted = in_order = sorted(ready_s)[len(ready_s) // 3 :]
    return len(counted) / (in_order[-1] - in_order[0])


def _each(taken_s: Mapping[str, Sequence[float]], share: float) -> dict[str, float]:
    return {name: interleaved_runs.percentile(each_s, share) for name, each_s in taken_s.items()}


def _row(figure: str, unit: str, values: Mapping[str, float], more_is_better: bool = False) -> harness.Measurement:
    return interleaved_runs.row(figure, unit, values, None, more_is_better=more_is_better)


class _Photos:
    """Those of the region: what its origin does with them, and when they are ready."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._outbox = OutboxPublisher(stores.catalog, stores.events, now_ms)
        self._raws = cycle([synthetic_photos.jpeg(seed, *whole_job.SHAPE, whole_job.QUALITY) for seed in _SEEDS])
        self._photos: dict[str, Photo] = {}

    def arrive(self, count: int) -> Requests:
        """Photos whose bytes have all arrived, and which are not complete."""
        return [self._upload(raw) for raw in islice(self._raws, count)]

    def _upload(self, raw: bytes) -> job.JobRequest:
        number = len(self._photos)
        photo_id, owner_id = _id(ids.PHOTO, number), _id(ids.USER, number % _OWNERS)
        photo = Photo(photo_id, owner_id, "eu", _REGION, Status.UPLOADING, "", len(raw), None, now_ms())
        self._stores.objects.put(RAW, raw_key(photo_id), [raw], fingerprints.sha256(raw), JPEG)
        upload = Upload(photo_id, "", "IMG_1.jpg", len(raw), len(raw), now_ms() + 3_600_000)
        self._stores.catalog.photos.create(photo, upload)
        self._photos[photo_id] = photo
        return job.JobRequest(_REGION, photo_id, len(raw), None, BUDGET_S, EMPTY.version)

    def drive(self, requests: Requests, due_s: Sequence[float]) -> list[float]:
        start_s, ready_s = time.monotonic(), dict[str, float]()
        due = dict(zip((request.photo_id for request in requests), due_s, strict=True))
        coming, under_way = iter([*due.items(), ("", float("inf"))]), set[str]()
        photo_id, at_s = next(coming)
        while len(ready_s) < len(due):
            now_s = time.monotonic() - start_s
            if now_s >= at_s:
                self._complete(self._photos[photo_id])
                under_way.add(photo_id)
                photo_id, at_s = next(coming)
                continue
            found = self._ready(under_way)
            ready_s |= dict.fromkeys(found, time.monotonic() - start_s)
            under_way -= found
            time.sleep(min(_LOOK_EVERY_S, max(0.0, at_s - now_s)))
        return [ready_s[photo_id] - at_s for photo_id, at_s in due.items()]

    def _complete(self, photo: Photo) -> None:
        """As the origin does it."""
        event = messages.photos_uploaded(photo, now_ms())
        self._stores.catalog.photos.update(replace(photo, status=Status.PROCESSING), {Status.UPLOADING}, event)
        self._outbox.publish(event)

    def _ready(self, photo_ids: set[str]) -> set[str]:
        found = self._stores.catalog.photos.summaries(photo_ids) if photo_ids else {}
        ended = {photo_id for photo_id, photo in found.items() if photo.status is not Status.PROCESSING}
        assert all(found[photo_id].status is Status.READY for photo_id in ended), found
        return ended


def _id(kind: str, number: int) -> str:
    return ids.to_public(kind, ids.compose(Snowflake(ids.EPOCH_MS + number, 1, 0, 0)))


@contextmanager
def _region(folder: Path) -> Iterator[tuple[Config, Stores]]:
    """One of the machine's regions: no other one's processes run."""
    machine = data_folder.read_machine()
    config = data_folder.prepare(
        folder, machine, {process.name: free_port() for process in machine.processes() if process.listens}
    )
    with closing(open_stores(config, _REGION)) as stores:
        stores.settings.values.write(KNOWN_BAD, whole_job.known_bad())
        yield config, stores


def _workers(config: Config) -> int:
    """How many the region starts at most."""
    where = photo_cluster.locate(config, _REGION)
    assert isinstance(where, OwnCluster), where
    return where.workers


@contextmanager
def _processor(folder: Path, drive: Drive, first: Requests) -> Iterator[None]:
    """One that has made the first photos ready. Raises ServerError if it does not start."""
    command = [sys.executable, "-m", "darkroom", "run", "processor", _REGION, "--topology", str(folder / TOPOLOGY)]
    answers = partial(_all_ready, drive, first)
    processor = Server(Start("processor", "", command, answers), folder / "processor")
    processor.start()
    try:
        processor.wait()
        yield
    finally:
        processor.stop()


def _all_ready(drive: Drive, first: Requests) -> bool:
    return len(drive(first, [0.0] * len(first))) == len(first)


@contextmanager
def _peer(config: Config, workers: int) -> Iterator[Drive]:
    """Dask's own client and cluster, whose workers have opened the region's objects as ours have."""
    environ = {**config.environ_of_child(), "VIPS_CONCURRENCY": "1"}
    options = {"preload": worker.PRELOADS, "env": environ}
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, **options) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield lambda requests, due_s: client.sync(_submit_when_due, client, requests, due_s)


async def _submit_when_due(client: Client, requests: Requests, due_s: Sequence[float]) -> list[float]:
    start_s = time.monotonic()

    async def submit(request: job.JobRequest, at_s: float) -> float:
        await asyncio.sleep(start_s + at_s - time.monotonic())
        outcome = await client.submit(job.run, request, pure=False)
        assert isinstance(outcome, job.Ready), outcome
        return time.monotonic() - start_s - at_s

    return await asyncio.gather(*map(submit, requests, due_s))
