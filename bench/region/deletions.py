"""Deletions of photos by several processes at once, on Cassandra at a distance of 5 ms.

A deletion takes conditional writes, each a round of Paxos: one for the photo, and what it takes to put the tombstone
into the order in which all readers see it. If processes compete there, those that lose try again. So the rate should
grow with the processes, and the rounds for a deletion should stay as many as they are with one.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import chain
from typing import Any

from bench import harness
from bench.ports.created_store import created
from bench.region.processes import Done, Ready, number_of, per_second, repeated, run_at_once
from regions import ids
from regions.clock import now_ms
from regions.errors import Unavailable
from regions.events import messages
from regions.records import Photo, Status, Tombstone, Upload
from regions.stores.cassandra import adapter as cassandra
from regions.stores.cassandra.session import CassandraSession
from regions.stores.catalog import Catalog
from tests.builders import fault_proxy
from tests.builders.line_faults import Line, OneDirection

PROCESSES = (1, 2, 4, 8)
BEFORE = {1: "222", 8: "47 with 16 processes"}
"""With one chain of conditional inserts for all processes of a region (commit 5ebcf1d). Quoted from the plan that gave
each process a chain of its own, and not measured by this benchmark: nobody noted with which machine and delay."""

_KEYSPACE = "bench_deletions"
_FAR = Line(responses=OneDirection(delay_s=0.005))
_WITHIN_S = 4.0
# Six round trips after one another take 30 ms or more.
_PHOTOS = 150
_REGION = 1
_CREATED_AT_ONCE = 16


def rows(address: str) -> list[harness.Measurement]:
    photos = _create_photos(f"cassandra://{address}/{_KEYSPACE}")
    measured = {}
    with fault_proxy.running(int(address.rpartition(":")[2]), _FAR) as proxy:
        for count in PROCESSES:
            workers = [(f"cassandra://{proxy.address}/{_KEYSPACE}", photos.pop()) for _ in range(count)]
            measured[count] = run_at_once(_delete, workers)
    return [row for count, parts in measured.items() for row in rows_of(count, parts, measured[1])]


def rows_of(
    count: int, parts: Sequence[tuple[Done, int]], alone: Sequence[tuple[Done, int]]
) -> list[harness.Measurement]:
    """`parts` and `alone` have, for each of several processes and for one, what it did and its rounds of Paxos."""
    before = f" [before: {BEFORE[count]}]" if count in BEFORE else ""
    by_one = {number_of(1): per_second(done for done, _ in alone)} if count > 1 else {}
    rate = per_second(done for done, _ in parts)
    rounds = sum(rounds for _, rounds in parts) / max(1, sum(done.count for done, _ in parts))
    return [
        harness.compare(f"deletions a second: {number_of(count)}{before}", "1/s", rate, by_one, more_is_better=True),
        harness.compare(f"rounds of Paxos for a deletion: {number_of(count)}", "", rounds, {}, more_is_better=False),
    ]


def _delete(ready: Ready, url: str, photos: Sequence[Photo]) -> tuple[Done, int]:
    """What one process did, and how many rounds of Paxos it took. Nothing of this is timed before all are ready."""
    paxos = PaxosCounter()
    with closing(created(cassandra.catalog(url))) as catalog:
        waiting = iter(photos)
        # Prepares the statements.
        _delete_next(catalog, waiting)
        ready()
        before = paxos.rounds
        done = repeated(lambda: _delete_next(catalog, waiting), _WITHIN_S)
        return done, paxos.rounds - before


def _delete_next(catalog: Catalog, photos: Iterator[Photo]) -> int:
    """1, or 0 if no photo is left. One that fails is not counted, and its time is lost: a client would get 503."""
    for photo in photos:
        at_ms = now_ms()
        tombstone = Tombstone(photo.photo_id, photo.owner_id, at_ms)
        with suppress(Unavailable):
            return int(catalog.photos.delete(tombstone, messages.photo_deleted(photo, at_ms)))
    return 0


class PaxosCounter:
    """Counts what the Cassandra sessions of this process execute by Paxos: conditional writes and serial reads."""

    def __init__(self) -> None:
        self.rounds = 0
        for name in ("execute_conditional", "execute_serial"):
            setattr(CassandraSession, name, self._counted(getattr(CassandraSession, name)))

    def _counted(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            self.rounds += 1
            return execute(*arguments)

        return counted


def _create_photos(url: str) -> list[list[Photo]]:
    """`_PHOTOS` photos for each worker, whose ids are as that process would have made them."""
    generators = [ids.IdGenerator(_REGION, number, 0, lambda: 1 << 60, now_ms) for number in range(sum(PROCESSES))]
    photos = [[_photo(generator.next(ids.PHOTO)) for _ in range(_PHOTOS)] for generator in generators]
    with closing(created(cassandra.catalog(url))) as catalog, ThreadPoolExecutor(_CREATED_AT_ONCE) as threads:
        list(threads.map(lambda photo: catalog.photos.create(photo, _upload(photo)), chain.from_iterable(photos)))
    return photos


def _photo(photo_id: str) -> Photo:
    owner_id = "u_00000000001"
    return Photo(photo_id, owner_id, "eu", "eu-west", Status.UPLOADING, "By the lake", 4_812_345, None, now_ms())


def _upload(photo: Photo) -> Upload:
    return Upload(photo.photo_id, photo.photo_id, "IMG_1.jpg", photo.size_bytes, 5 << 20, now_ms() + 86_400_000)
