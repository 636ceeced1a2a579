"""Every store of every technology: only `create` creates it, and only its own region opens it."""

import importlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from regions.clock import now_ms
from regions.errors import StoreMissing, WrongStore
from regions.events.messages import Event
from regions.events.topics import PHOTO_READY
from regions.stores.directory import adapter as directory
from regions.stores.objects import RAW, VARIANTS
from regions.stores.sqlite import adapter as sqlite
from regions.stores.stamp import Stamp, StoreLocation, StoreRegion
from tests.builders.adapters import adapter
from tests.builders.stores import REGION_OF_STORES, STAMP

OTHER = StoreRegion("us-central", 2)

SHA256 = "277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9"


@dataclass
class Place:
    """Where no store is yet. `remove_stamp` leaves the rest of a store that was created there."""

    location: StoreLocation[Any]
    remove_stamp: Callable[[], None]


def embedded(locate: Callable[..., StoreLocation[Any]], file: str, *arguments: Any) -> Any:
    @contextmanager
    def place(folder: Path) -> Iterator[Place]:
        def remove_stamp() -> None:
            with closing(sqlite3.connect(folder / file)) as connection:
                connection.execute("DROP TABLE stamp")
                connection.commit()

        yield Place(locate(str(folder / file), *arguments), remove_stamp)

    return place


@contextmanager
def objects_directory(folder: Path) -> Iterator[Place]:
    location = directory.objects(f"directory://{folder}/objects", b"secret")
    yield Place(location, (folder / "objects" / "stamp").unlink)


@contextmanager
def catalog_cassandra(folder: Path) -> Iterator[Place]:
    address, keyspace = os.environ["DARKROOM_TEST_CASSANDRA"], f"stamp_{os.urandom(6).hex()}"
    host, port = address.split(":")
    cluster = importlib.import_module("cassandra.cluster").Cluster([host], port=int(port), protocol_version=5)
    with cluster, cluster.connect() as session:
        location = adapter("cassandra").catalog(
            f"cassandra://{address}/{keyspace}?datacenter=datacenter1&replication=1"
        )
        yield Place(location, lambda: session.execute(f"TRUNCATE {keyspace}.stamp"))
        session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)


@contextmanager
def events_kafka(folder: Path) -> Iterator[Place]:
    url = f"kafka://{os.environ['DARKROOM_TEST_KAFKA']}/stamp-{os.urandom(6).hex()}?partitions=1"
    yield Place(adapter("kafka").events(url), lambda: None)


@contextmanager
def settings_consul(folder: Path) -> Iterator[Place]:
    root = f"stamp-{os.urandom(6).hex()}"
    host, port = os.environ["DARKROOM_TEST_CONSUL"].split(":")
    client = importlib.import_module("consul").Consul(host, int(port))
    yield Place(
        adapter("consul").settings(f"consul://{host}:{port}/{root}", None, now_ms),
        lambda: client.kv.delete(f"{root}/stamp"),
    )
    client.kv.delete(f"{root}/", recurse=True)


@contextmanager
def objects_s3(folder: Path) -> Iterator[Place]:
    server, secret = os.environ["DARKROOM_TEST_VERSITYGW"], os.environ["DARKROOM_TEST_VERSITYGW_SECRET"]
    dialect = "region=us-east-1&style=path&lifecycle=0&access_block=0"
    url = f"s3://stamp-{os.urandom(6).hex()}?endpoint={server}&{dialect}"
    session = importlib.import_module("regions.stores.s3.session")
    address, client = (
        session.parse_address(url),
        session.connect(session.parse_address(url).service, session.Credentials("darkroom", secret)),
    )
    buckets = [address.bucket(name) for name in (RAW, VARIANTS)]
    yield Place(
        adapter("s3").objects(url, "darkroom", secret),
        lambda: [client.delete_bucket_tagging(Bucket=bucket) for bucket in buckets],
    )
    for bucket in buckets:
        for found in client.list_objects_v2(Bucket=bucket).get("Contents", []):
            client.delete_object(Bucket=bucket, Key=found["Key"])
        client.delete_bucket(Bucket=bucket)


EMBEDDED = {
    "catalog_sqlite": embedded(sqlite.catalog, "catalog.db"),
    "feeds_sqlite": embedded(sqlite.feeds, "feeds.db"),
    "events_sqlite": embedded(sqlite.events, "events.db", now_ms),
    "settings_sqlite": embedded(sqlite.settings, "settings.db", now_ms),
    "objects_directory": objects_directory,
}
ON_SERVERS = {
    "CASSANDRA": catalog_cassandra,
    "KAFKA": events_kafka,
    "CONSUL": settings_consul,
    "VERSITYGW": objects_s3,
}
PLACES = EMBEDDED | {make.__name__: make for name, make in ON_SERVERS.items() if f"DARKROOM_TEST_{name}" in os.environ}
# They have no conditional write for it: `regions.preparation` lets processes agree on an id before.
ONE_ID_AT_ONCE = {"objects_s3", "events_kafka"}
# An operator may create Kafka's topics and write settings into Consul before `darkroom prepare`.
TAKEN_OVER = {"events_kafka", "settings_consul"}


@pytest.fixture(params=PLACES)
def place(request: Any, tmp_path: Path) -> Iterator[Place]:
    with PLACES[request.param](tmp_path) as place:
        yield place


@pytest.fixture(params=[name for name in PLACES if name not in TAKEN_OVER])
def guarded_place(request: Any, tmp_path: Path) -> Iterator[Place]:
    with PLACES[request.param](tmp_path) as place:
        yield place


def use(location: StoreLocation[Any], owner: StoreRegion) -> None:
    """Opens the store, and reads or writes a little."""
    store = location.open(owner)
    try:
        if hasattr(store, "photos"):
            store.photos.get("p_1")
        elif hasattr(store, "publish"):
            store.publish([Event(PHOTO_READY, "p_1", "1", 1, {})])
        elif hasattr(store, "values"):
            store.values.read("a")
        elif hasattr(store, "put"):
            store.put(RAW, "a/b", [b"bytes"], SHA256, "image/jpeg")
        else:
            store.page("u_1", None, 1)
    finally:
        if hasattr(store, "close"):
            store.close()


def test_only_create_makes_a_store_and_only_its_region_opens_it(place):
    """One test, since a keyspace takes seconds: not there, created, opened by its region, refused to another."""
    location = place.location
    with pytest.raises(StoreMissing):
        use(location, REGION_OF_STORES)
    assert location.read_stamp() is None
    location.create(STAMP)
    with ThreadPoolExecutor(3) as threads:
        others = [Stamp(REGION_OF_STORES, f"{number}" * 16) for number in range(3)]
        stamps = list(threads.map(location.create, others))
    assert {*stamps, location.read_stamp()} == {STAMP}
    use(location, REGION_OF_STORES)
    with pytest.raises(WrongStore):
        use(location, OTHER)
    assert location.create(Stamp(REGION_OF_STORES, "fedcba9876543210")) == STAMP
    use(location, REGION_OF_STORES)


@pytest.mark.parametrize("name", [name for name in PLACES if name not in ONE_ID_AT_ONCE])
def test_processes_that_create_a_store_at_once_get_the_same_stamp(name, tmp_path):
    """That of one of them, as every later process reads it."""
    with PLACES[name](tmp_path) as place:
        assert_agreement(place.location)


def assert_agreement(location: StoreLocation[Any]) -> None:
    candidates = [Stamp(REGION_OF_STORES, f"{number}" * 16) for number in range(3)]
    with ThreadPoolExecutor(3) as threads:
        for created in [threads.submit(location.create, one) for one in candidates]:
            assert created.result().region == REGION_OF_STORES
    assert location.create(STAMP) == location.read_stamp()
    assert location.read_stamp() in candidates
    with pytest.raises(WrongStore):
        location.create(Stamp(OTHER, "f" * 16))


def test_what_is_there_without_a_stamp_is_not_taken_over(guarded_place):
    """It may be somebody else's, or a part of a backup."""
    location = guarded_place.location
    location.create(STAMP)
    use(location, REGION_OF_STORES)
    guarded_place.remove_stamp()
    with pytest.raises(WrongStore, match="no stamp"):
        location.create(STAMP)
    with pytest.raises(StoreMissing):
        use(location, REGION_OF_STORES)
