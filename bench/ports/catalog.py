"""The catalog on Cassandra: the 30 photos of a feed's page, read by their ids.

Ours is `CassandraPhotos.summaries`, which reads what a page shows: all of a photo but its variants, its hashes and
what its file was like. The peers call cassandra-driver themselves: the same prepared statement for all
30 at once by `execute_async`, at the same consistency, with plain tuples as rows, and all received before the first is
decoded, which is faster than decoding each as it arrives. One peer makes the same summaries with the same function, so
that the difference is the adapter; the other leaves the driver's rows as they are, and so does less than a feed needs.

Pages per core-second count this process's processor time over all its threads, not the server's: it is what a page
costs an origin. Pages a second are by the clock, and include the wait for the server.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy
from cassandra.query import tuple_factory

from bench import harness, interleaved_runs
from bench.ports.created_store import created
from regions.image_limits import VARIANT_SIZES
from regions.records import Photo, PhotoSummary, Status, Variant
from regions.stores.cassandra import adapter as cassandra
from regions.stores.cassandra import columns

_KEYSPACE = "bench"
_READ = f"SELECT DISTINCT photo_id, {columns.SUMMARY} FROM photos WHERE photo_id = ?"
_PAGE = 30
_PAGES = 10
_PAGES_A_RUN = 60
_REPEATS = 11
_GOAL = 0.9
_DECODED, _UNDECODED = "cassandra-driver, decoded", "cassandra-driver, rows left undecoded"

Read = Callable[[Sequence[str]], object]
Rows = list[tuple[Any, ...]]


def rows(address: str) -> list[harness.Measurement]:
    with closing(created(cassandra.catalog(f"cassandra://{address}/{_KEYSPACE}"))) as catalog, _driver(address) as read:
        photos = [_photo(number) for number in range(_PAGE * _PAGES)]
        for photo in photos:
            catalog.photos.put_replica_metadata(photo)
        ids = [photo.photo_id for photo in photos]
        pages = [ids[start::_PAGES] for start in range(_PAGES)]
        readers: dict[str, Read] = {
            "ours": catalog.photos.summaries,
            _DECODED: lambda page: _decoded(read(page)),
            _UNDECODED: read,
        }
        expected = {photo.photo_id: photo.summary() for photo in photos[::_PAGES]}
        assert readers["ours"](pages[0]) == readers[_DECODED](pages[0]) == expected
        measured = interleaved_runs.medians(
            {name: partial(_run, reader, pages) for name, reader in readers.items()}, _REPEATS
        )
    return [*_rows("pages per core-second", measured["core_s"]), *_rows("pages a second", measured["wall_s"])]


def _rows(unit: str, taken_s: Mapping[str, float]) -> list[harness.Measurement]:
    """The goal is set beside the peer that does the same work."""
    rates = interleaved_runs.rates(_PAGES_A_RUN, taken_s)
    figure = f"feed page of {_PAGE}: {unit}"
    return [
        interleaved_runs.row(figure, "1/s", {"ours": rates["ours"], _DECODED: rates[_DECODED]}, _GOAL),
        interleaved_runs.row(
            f"{figure}, peer without summaries", "1/s", {"ours": rates["ours"], _UNDECODED: rates[_UNDECODED]}, None
        ),
    ]


def _run(read: Read, pages: Sequence[Sequence[str]]) -> dict[str, float]:
    def work() -> None:
        for number in range(_PAGES_A_RUN):
            read(pages[number % len(pages)])

    return interleaved_runs.spent(work)


@contextmanager
def _driver(address: str) -> Iterator[Callable[[Sequence[str]], Rows]]:
    host, _, port = address.partition(":")
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(local_dc="datacenter1")),
        consistency_level=ConsistencyLevel.LOCAL_QUORUM,
        row_factory=tuple_factory,
    )
    profiles = {EXEC_PROFILE_DEFAULT: profile}
    with Cluster([host], port=int(port), protocol_version=5, execution_profiles=profiles) as cluster:
        session = cluster.connect(_KEYSPACE)
        statement = session.prepare(_READ)

        def read(page: Sequence[str]) -> Rows:
            waiting = [session.execute_async(statement, (photo_id,)) for photo_id in page]
            return [future.result().one() for future in waiting]

        yield read


def _decoded(rows: Rows) -> dict[str, PhotoSummary | None]:
    return {photo_id: columns.to_summary(photo_id, values) for photo_id, *values in rows}


def _photo(number: int) -> Photo:
    """As an iPhone's photo is when it is ready."""
    return Photo(
        photo_id=f"p_9{number:010}",
        owner_id=f"u_9{number % 97:010}",
        residency_class="eu",
        home_region="eu-west",
        status=Status.READY,
        caption="A summer evening by the lake, with friends",
        size_bytes=4_812_345 + number,
        sha256=f"{number:064x}",
        created_at_ms=1_767_225_600_000 + number,
        content_type="image/jpeg",
        width=4000,
        height=3000,
        taken_at="2026-05-01T12:30:00",
        camera="Darkroom Bench Camera",
        perceptual_hash=f"{number:016x}",
        variants=tuple(Variant(size, size, size * 3 // 4, size * 150, f"{size:064x}") for size in VARIANT_SIZES),
    )
