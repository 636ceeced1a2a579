"""How far a lane is behind at half of what it can do, and how soon the last edge has forgotten a deleted photo.

A whole system of three regions and four edges runs on this machine, as `darkroom up` starts it. Photos become ready in
one region, each with an original and four variants, and its lane copies them to another. First many wait at once: how
many are copied a second is what the lane can do, and is measured again at the end. In between they become ready as at
random, half as many a second (Poisson, the same pattern in every run). A photo's lag begins when it is due to be ready,
and ends when its home knows that all of it lies in the other region.

At the same time people delete photos that each edge has in its cache. The time begins when the request is due, and ends
when no edge serves the photo any more; each is asked every 50 ms.

Nobody publishes how far copies between regions of a service are behind, but one: Amazon promises for S3's Replication
Time Control that 99.9 % of a month's objects are copied within 15 minutes.
"""

import hashlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import urllib3

from bench import harness, interleaved_runs
from bench.ready import poisson_s
from darkroom.client.client import Client
from darkroom.local.addresses import TOPOLOGY
from deploy.servers.process import Server, Start
from regions import config, ids
from regions.clock import now_ms
from regions.config import Stores
from regions.events import messages
from regions.events.outbox import OutboxPublisher
from regions.ids import Snowflake
from regions.image_limits import JPEG, VARIANT_SIZES
from regions.records import Photo, Status, Upload, Variant
from regions.stores.objects import IMMUTABLE, RAW, VARIANTS, raw_key, variant_key

PROMISE_S, SHARE_OF_LOAD = 5.0, 0.5
S3_PROMISE = "S3's promise for 99.9 %"
S3_PROMISE_S = 15 * 60.0
_HOME, _DESTINATION, _NUMBER = "eu-west", "eu-central", 1
_HOME_OF_DELETED, _NUMBER_OF_DELETED = "us-central", 3
_WARM_UP, _AT_ONCE, _LOAD_S, _MOST_ARRIVING = 10, 200, 50.0, 900
_DELETIONS = 50
_RAW_BYTES = 500_000
_VARIANT_BYTES = dict(zip(VARIANT_SIZES, (6_000, 20_000, 60_000, 140_000), strict=True))
_LOOK_EVERY_S, _ASK_EVERY_S, _GONE_WITHIN_S = 0.01, 0.05, 60.0


def run() -> list[harness.Measurement]:
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder, _system(Path(folder)):
        loaded = config.load(Path(folder) / TOPOLOGY, {})
        with (
            closing(config.open_stores(loaded, _HOME)) as home,
            closing(config.open_stores(loaded, _HOME_OF_DELETED)) as home_of_deleted,
            closing(_Deletions(_edges(Path(folder)), home_of_deleted)) as deletions,
        ):
            lane = _Lane(home)
            lane.drive(lane.prepare(_WARM_UP), [0.0] * _WARM_UP)
            rate = lane.rate(_AT_ONCE)
            due_s = [at_s for at_s in poisson_s(_MOST_ARRIVING, SHARE_OF_LOAD * rate) if at_s < _LOAD_S]
            photos = lane.prepare(len(due_s))
            with ThreadPoolExecutor(1) as beside:
                gone = beside.submit(deletions.drive, _LOAD_S)
                lag_s = lane.drive(photos, due_s)
                gone_s = gone.result()
            afterwards = lane.rate(_AT_ONCE)
    return [*rate_rows(rate, afterwards), *rows(lag_s, gone_s)]


def rows(lag_s: Sequence[float], gone_s: Sequence[float]) -> list[harness.Measurement]:
    """At half load: how long each photo was not copied, and each deleted photo still served by some edge."""
    lag = f"ready at home to copied, at {SHARE_OF_LOAD * 100:g} % load"
    gone = f"deleted to gone from the last edge, at {SHARE_OF_LOAD * 100:g} % load"
    return [
        harness.compare(f"{lag}: P50", "s", interleaved_runs.percentile(lag_s, 0.5), {}, more_is_better=False),
        harness.compare(f"{lag}: the slowest", "s", max(lag_s), {S3_PROMISE: S3_PROMISE_S}, more_is_better=False),
        harness.at_most(f"{lag}: P99", "s", interleaved_runs.percentile(lag_s, 0.99), PROMISE_S),
        harness.compare(f"{gone}: P50", "s", interleaved_runs.percentile(gone_s, 0.5), {}, more_is_better=False),
        harness.at_most(f"{gone}: P99", "s", interleaved_runs.percentile(gone_s, 0.99), PROMISE_S),
    ]


def rate_rows(rate: float, afterwards: float) -> list[harness.Measurement]:
    """If it has become less, the machine has become slower, and the load was higher than it should be."""
    return [
        harness.compare("photos copied a second while many wait", "1/s", rate, {}, more_is_better=True),
        harness.compare("the same, afterwards", "1/s", afterwards, {"before": rate}, more_is_better=True),
    ]


class _PlacedPhotos:
    """What a region's uploads and processors would leave there: ready photos with all their objects."""

    def __init__(self, stores: Stores, region: str, number: int, residency_class: str) -> None:
        self._stores, self._region, self._number, self._class = stores, region, number, residency_class
        self._outbox = OutboxPublisher(stores.catalog, stores.events, now_ms)
        self._random = random.Random(number)
        self._next = 0

    def prepare(self, owner_id: str) -> Photo:
        """Its objects are there, and it is not ready yet."""
        self._next += 1
        snowflake = Snowflake(now_ms(), self._number, 1023, self._next % 64)
        photo_id = ids.to_public(ids.PHOTO, ids.compose(snowflake))
        raw, variants = self._random.randbytes(_RAW_BYTES), []
        self._stores.objects.put(RAW, raw_key(photo_id), [raw], _sha256(raw), JPEG)
        for size, size_bytes in _VARIANT_BYTES.items():
            body = self._random.randbytes(size_bytes)
            variant = Variant(size, size, size, size_bytes, _sha256(body))
            key = variant_key(photo_id, variant.name)
            self._stores.objects.put(VARIANTS, key, [body], variant.sha256, JPEG, IMMUTABLE)
            variants.append(variant)
        photo = Photo(
            photo_id, owner_id, self._class, self._region, Status.PROCESSING, "", len(raw), _sha256(raw), now_ms(),
            JPEG, variants=tuple(variants),
        )  # fmt: skip
        multipart_id = self._stores.objects.create_upload(RAW, raw_key(photo_id))
        upload = Upload(photo_id, multipart_id, "IMG_1.jpg", len(raw), len(raw), now_ms() + 3_600_000)
        self._stores.catalog.photos.create(photo, upload)
        return photo

    def make_ready(self, photo: Photo) -> None:
        """As a processor does it."""
        event = messages.photo_ready(photo, now_ms())
        self._stores.catalog.photos.update(replace(photo, status=Status.READY), {Status.PROCESSING}, event)
        self._outbox.publish(event)


class _Lane:
    """The one from `_HOME` to `_DESTINATION`, as the home sees it."""

    def __init__(self, home: Stores) -> None:
        self._home, self._photos = home, _PlacedPhotos(home, _HOME, _NUMBER, "eu")
        self._owner_id = ids.to_public(ids.USER, ids.compose(Snowflake(now_ms(), _NUMBER, 1023, 0)))

    def prepare(self, count: int) -> list[Photo]:
        return [self._photos.prepare(self._owner_id) for _ in range(count)]

    def rate(self, at_once: int) -> float:
        """How many are copied a second, of so many that wait at once. The last of them are copied all together."""
        return at_once / max(self.drive(self.prepare(at_once), [0.0] * at_once))

    def drive(self, photos: Sequence[Photo], due_s: Sequence[float]) -> list[float]:
        """Makes each ready when it is due, in seconds from now; how long after that each was copied."""
        start_s, copied_s = time.monotonic(), dict[str, float]()
        due = {photo.photo_id: at_s for photo, at_s in zip(photos, due_s, strict=True)}
        coming, under_way = list(reversed(photos)), set[str]()
        while len(copied_s) < len(due):
            now_s = time.monotonic() - start_s
            while coming and due[coming[-1].photo_id] <= now_s:
                self._photos.make_ready(coming[-1])
                under_way.add(coming.pop().photo_id)
            copied = {photo_id for photo_id in under_way if self._is_copied(photo_id)}
            copied_s |= dict.fromkeys(copied, time.monotonic() - start_s)
            under_way -= copied
            time.sleep(_LOOK_EVERY_S)
        return [copied_s[photo_id] - at_s for photo_id, at_s in due.items()]

    def _is_copied(self, photo_id: str) -> bool:
        replicas = self._home.catalog.replicas.of_photo(photo_id)
        return any(one.region == _DESTINATION and not one.missing for one in replicas)


class _Deletions:
    """Photos of somebody whose class may be cached anywhere, which every edge has in its cache. Close it at the end."""

    def __init__(self, edges: Sequence[str], home: Stores) -> None:
        self._edges = edges
        self._http = urllib3.PoolManager(maxsize=2 * _DELETIONS, retries=False, timeout=10)
        self._threads = ThreadPoolExecutor(_DELETIONS)
        self._client = Client(edges[0])
        owner = self._client.sign_up("Ana", "US", "ana", "the lighthouse keeper's passphrase")
        photos = _PlacedPhotos(home, _HOME_OF_DELETED, _NUMBER_OF_DELETED, "world")
        self._photos = [photos.prepare(str(owner["id"])) for _ in range(_DELETIONS)]
        for photo in self._photos:
            photos.make_ready(photo)
        for photo in self._photos:
            if len(self._serving(photo, edges)) < len(edges):
                raise harness.NotMeasured("an edge does not serve the photos that are to be deleted")

    def drive(self, within_s: float) -> list[float]:
        """Deletes each at a random moment of that time; for how long after that some edge served it."""
        due_s = poisson_s(_DELETIONS, _DELETIONS / within_s, seed=2)
        start_s = time.monotonic()
        return list(self._threads.map(partial(self._delete, start_s), self._photos, due_s))

    def close(self) -> None:
        self._threads.shutdown()
        self._http.clear()

    def _delete(self, start_s: float, photo: Photo, at_s: float) -> float:
        time.sleep(max(0.0, start_s + at_s - time.monotonic()))
        self._client.delete(photo.photo_id)
        serving = self._edges
        while serving := self._serving(photo, serving):
            if time.monotonic() - start_s - at_s > _GONE_WITHIN_S:
                break
            time.sleep(_ASK_EVERY_S)
        return time.monotonic() - start_s - at_s

    def _serving(self, photo: Photo, edges: Sequence[str]) -> list[str]:
        path = f"/p/{photo.photo_id}/{photo.variants[0].name}"
        return [edge for edge in edges if self._http.request("GET", f"{edge}{path}").status == 200]


@contextmanager
def _system(folder: Path) -> Iterator[None]:
    """That all answer. Raises ServerError if it does not start."""
    command = [sys.executable, "-m", "darkroom", "--data", str(folder), "up", "--port", "0"]
    system = Server(Start("system", "", command, partial(_all_answer, folder)), folder / "system")
    system.start()
    try:
        system.wait()
        yield
    finally:
        system.stop()


def _all_answer(folder: Path) -> bool:
    urls = [*_addresses(folder, "edges"), *_addresses(folder, "origins")]
    return all(urllib3.request("GET", f"{url}/health", retries=False, timeout=2).status == 200 for url in urls)


def _edges(folder: Path) -> list[str]:
    return _addresses(folder, "edges")


def _addresses(folder: Path, kind: str) -> list[str]:
    return list(json.loads((folder / "addresses.json").read_text())[kind].values())


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
