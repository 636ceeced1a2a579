"""The whole job of a photo in one process: from its event to `ready` in the catalog, with a region's embedded stores.

Objects lie in a directory and the catalog in SQLite, both on the disk of the folder for temporary files, and synced as
always. The steps are those of `processing.job`, run here: the way to a Dask worker is not measured. Each job has a
photo of its own, of 2 MB, which moderation compares with as many known-bad ones as the setting holds.

Photos per core-second are what a worker's core does while other jobs fill its waits for the disk. The milliseconds of a
stage are processor time, except those by the clock.
"""

import asyncio
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import wraps
from itertools import cycle, islice
from pathlib import Path

from bench import harness, synthetic_photos
from processing import fingerprints, job, moderation
from processing.fair_queue import Urgency
from processing.photo_processor import PhotoProcessor
from regions import ids, topology
from regions.clock import now_ms
from regions.config import Config, Stores, open_stores
from regions.events import messages
from regions.events.messages import Event
from regions.events.outbox import OutboxPublisher
from regions.ids import Snowflake
from regions.image_limits import JPEG
from regions.preparation import prepare_region
from regions.records import Photo, Status
from regions.stores.objects import RAW, raw_key
from regions.stores.settings import KNOWN_BAD, MAX_VALUE_BYTES

GOAL_PER_CORE_S = 10.0

_SEEDS = range(21, 25)
SHAPE, QUALITY = (4000, 3000), 90
"""At this quality a drawn photo has 2 MB, as a phone's has."""
_WARM_UP, _JOBS = 4, 40

_REGION, _NUMBER, _CREATED_AT_MS = "eu-west", 1, 1_780_000_000_000
_TOPOLOGY = """
[regions.eu-west]
number = 1
jurisdiction = "EU"
latitude = 38.7
longitude = -9.1
origin = "http://127.0.0.1:1"
objects = "directory://{folder}/objects?server=http://127.0.0.1:2"
catalog = "sqlite://{folder}/catalog.db"
feeds = "sqlite://{folder}/feeds.db"
events = "sqlite://{folder}/events.db"
settings = "sqlite://{folder}/settings.db"
public_key = ""

[edges.lisbon]
jurisdiction = "EU"
latitude = 38.7
longitude = -9.1
url = "http://127.0.0.1:3"
cache = "cache"
public_key = ""
shield_of = "eu-west"
"""

_LOOK_UP, _RECORD = "look up the photo and the known-bad list", "record"
STAGES: Mapping[str, str] = {
    _LOOK_UP: _LOOK_UP,
    "fetch": "fetch",
    "verify_checksum": "hash",
    "read_header": "header",
    "check_memory": "check the memory",
    "decode": "decode",
    "scale": "scale",
    "fingerprint": "fingerprint",
    "moderate": "moderate",
    "render": "render",
    "draw_placeholder": "placeholder",
    "store": "store",
    _RECORD: _RECORD,
}
"""What the table calls each step of the job, and what comes before and after them."""
_WAIT_FOR_DISK = ("fetch", "store", _RECORD)


class Laps:
    """Seconds of one job by stage: on the core, and by the clock. Each stage ends where the next one begins."""

    def __init__(self) -> None:
        self.core_s: dict[str, float] = {}
        self.wall_s: dict[str, float] = {}
        self._at_core_s, self._at_s = time.process_time(), time.perf_counter()

    def end(self, stage: str) -> None:
        at_core_s, at_s = time.process_time(), time.perf_counter()
        self.core_s[stage], self.wall_s[stage] = at_core_s - self._at_core_s, at_s - self._at_s
        self._at_core_s, self._at_s = at_core_s, at_s


class _Processor:
    """Handles events as a region's processor does, but for the jobs, which run here. Measures each stage."""

    def __init__(self, stores: Stores, threads: Executor) -> None:
        self._objects = stores.objects
        outbox = OutboxPublisher(stores.catalog, stores.events, now_ms)
        self._settings = stores.settings.values
        self._processor = PhotoProcessor(_REGION, stores, self._run, _nothing_alike, outbox, now_ms, threads)
        self._laps = Laps()

    async def handle_all(self, events: Sequence[Event]) -> list[Laps]:
        return [await self._handle(event) for event in events]

    async def _handle(self, event: Event) -> Laps:
        self._laps = Laps()
        await self._processor.handle(Urgency.FRESH, event)
        self._laps.end(_RECORD)
        return self._laps

    async def _run(self, request: job.JobRequest, urgency: Urgency, owner_id: str) -> job.Final:
        setting = self._settings.read(KNOWN_BAD)
        known_bad = moderation.parse(setting.value if setting else "")
        self._laps.end(_LOOK_UP)
        work = job.Work(request, self._objects, known_bad)
        outcome = job.run_steps(work, list(map(self._timed, job.STEPS)))
        assert isinstance(outcome, job.Ready), outcome
        return outcome

    def _timed(self, step: job.Step) -> job.Step:
        @wraps(step)
        def run(work: job.Work) -> None:
            step(work)
            self._laps.end(step.__name__)

        return run


async def _nothing_alike(owner_id: str, photo_id: str, perceptual_hash: str) -> str | None:
    return None


def rows() -> list[harness.Measurement]:
    raws = [synthetic_photos.jpeg(seed, *SHAPE, QUALITY) for seed in _SEEDS]
    with _region() as stores, ThreadPoolExecutor(1) as thread:
        events = [_uploaded(stores, number, raw) for number, raw in enumerate(islice(cycle(raws), _WARM_UP + _JOBS))]
        jobs = asyncio.run(_Processor(stores, thread).handle_all(events))[_WARM_UP:]
    on_core, by_clock = [each.core_s for each in jobs], [each.wall_s for each in jobs]
    core_ms, wall_ms = _medians_ms(on_core), _medians_ms(by_clock)
    megabytes = statistics.fmean(map(len, raws)) / 1e6
    return [
        _row(f"whole job of {megabytes:.1f} MB: photos per core-second", "1/s", _per_second(on_core), True),
        _row("whole job: photos a second of one process, by the clock", "1/s", _per_second(by_clock)),
        *(_row(f"whole job: {name}", "ms", core_ms[stage]) for stage, name in STAGES.items()),
        *(_row(f"whole job: {STAGES[stage]}, by the clock", "ms", wall_ms[stage]) for stage in _WAIT_FOR_DISK),
    ]


def _row(figure: str, unit: str, ours: float, is_goal: bool = False) -> harness.Measurement:
    goal = GOAL_PER_CORE_S if is_goal else None
    return harness.compare(figure, unit, ours, {}, more_is_better=True, goal=goal, basis=harness.Basis.OURS)


def _per_second(jobs: Sequence[Mapping[str, float]]) -> float:
    return 1 / statistics.median(sum(each.values()) for each in jobs)


def _medians_ms(jobs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {stage: 1000 * statistics.median(each[stage] for each in jobs) for stage in STAGES}


@contextmanager
def _region() -> Iterator[Stores]:
    """A new region in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as name:
        folder = Path(name)
        (folder / "secrets").mkdir()
        (folder / "secrets" / f"{_REGION}.objects").write_bytes(secrets.token_bytes(32))
        config = Config(topology.parse(_TOPOLOGY.format(folder=folder)), folder / "secrets")
        prepare_region(config, _REGION)
        with closing(open_stores(config, _REGION)) as stores:
            stores.settings.values.write(KNOWN_BAD, known_bad())
            yield stores


def known_bad() -> str:
    """As long a list as the setting holds."""
    line = "phash {}\n"
    count = MAX_VALUE_BYTES // len(line.format("0" * 64))
    return "".join(line.format(secrets.token_hex(32)) for _ in range(count))


def _uploaded(stores: Stores, number: int, raw: bytes) -> Event:
    """The event of a new photo whose raw has arrived."""
    photo_id, owner_id = (_id(kind, number) for kind in (ids.PHOTO, ids.USER))
    photo = Photo(photo_id, owner_id, "eu", _REGION, Status.PROCESSING, "", len(raw), None, _CREATED_AT_MS)
    stores.objects.put(RAW, raw_key(photo_id), [raw], fingerprints.sha256(raw), JPEG)
    stores.catalog.photos.put_replica_metadata(photo)
    return messages.photos_uploaded(photo, _CREATED_AT_MS)


def _id(kind: str, number: int) -> str:
    return ids.to_public(kind, ids.compose(Snowflake(_CREATED_AT_MS + number, _NUMBER, 0, 0)))
