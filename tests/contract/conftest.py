"""Every adapter of every port, each opened on a store of its own, fresh and empty for each test.

To add an adapter, write an opener here and add it to its port's list. An opener is a context manager of
a folder and the test's clock that gives a function: each call of it opens one more handle on the same store,
as another process would. What it started, it stops when it is left.

    catalog        a handle                 open_catalog()      one more handle on the same store
"""

import importlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from regions import ids
from regions.clock import now_ms
from regions.events import messages
from regions.events.messages import Event
from regions.records import Photo, Status, Tombstone, Upload
from regions.stores.catalog import Catalog
from regions.stores.directory import adapter as directory
from regions.stores.events import Events
from regions.stores.feeds import Feeds
from regions.stores.objects import RAW, VARIANTS, Objects
from regions.stores.settings import Settings
from regions.stores.sqlite import adapter as sqlite

_STARTS_AT_MS = 1_800_000_000_000


class Clock:
    """Passes when it is told to. An opener whose server tells the time by itself calls `follow_the_wall` first."""

    def __init__(self) -> None:
        self._at_ms: int | None = _STARTS_AT_MS

    def now_ms(self) -> int:
        return now_ms() if self._at_ms is None else self._at_ms

    def advance(self, ms: int) -> None:
        if self._at_ms is None:
            time.sleep(ms / 1000)
        else:
            self._at_ms += ms

    def follow_the_wall(self) -> None:
        self._at_ms = None

    def __reduce__(self) -> Any:
        """Another process gets the time as it stands, or the wall clock, and can't import this class."""
        return SimpleNamespace, (), {"now_ms": now_ms if self._at_ms is None else partial(int, self._at_ms)}


Open = Callable[[], Any]
Opener = Callable[[Path, Clock], AbstractContextManager[Open]]


@contextmanager
def catalog_sqlite(folder: Path, clock: Clock) -> Iterator[Open]:
    yield partial(sqlite.open_catalog, str(folder / "catalog.db"))


@contextmanager
def catalog_cassandra(folder: Path, clock: Clock) -> Iterator[Open]:
    keyspace = _keyspace()
    keyspace.empty()
    yield partial(_adapter("cassandra").open_catalog, keyspace.url)


@contextmanager
def feeds_sqlite(folder: Path, clock: Clock) -> Iterator[Open]:
    yield partial(sqlite.open_feeds, str(folder / "feeds.db"))


@contextmanager
def feeds_redis(folder: Path, clock: Clock) -> Iterator[Open]:
    """Under a prefix of its own, in a database that Redis itself empties when it is short of memory."""
    url = f"redis://{os.environ['DARKROOM_TEST_REDIS']}/0?prefix=test-{os.urandom(8).hex()}:"
    yield partial(_adapter("redis").open_feeds, url)


@contextmanager
def events_sqlite(folder: Path, clock: Clock) -> Iterator[Open]:
    yield partial(sqlite.open_events, str(folder / "events.db"), clock.now_ms)


@contextmanager
def events_kafka(folder: Path, clock: Clock) -> Iterator[Open]:
    """Under a prefix of its own."""
    clock.follow_the_wall()
    url = f"kafka://{os.environ['DARKROOM_TEST_KAFKA']}/test-{os.urandom(8).hex()}"
    yield partial(_adapter("kafka").open_events, url)


@contextmanager
def settings_sqlite(folder: Path, clock: Clock) -> Iterator[Open]:
    yield partial(sqlite.open_settings, str(folder / "settings.db"), clock.now_ms)


@contextmanager
def settings_consul(folder: Path, clock: Clock) -> Iterator[Open]:
    """Under a root of its own, which is removed in the end with its services."""
    import consul

    clock.follow_the_wall()
    host, port = os.environ["DARKROOM_TEST_CONSUL"].split(":")
    root = f"test-{os.urandom(8).hex()}"
    try:
        yield partial(_adapter("consul").open_settings, f"consul://{host}:{port}/{root}", None, clock.now_ms)
    finally:
        client = consul.Consul(host, int(port), scheme="http", verify=True)
        client.kv.delete(f"{root}/", recurse=True)
        for service in [one for one in client.agent.services() if one.startswith(f"{root}:")]:
            client.agent.service.deregister(service)
        for session in [one["ID"] for one in client.session.list()[1] if one["Name"].startswith(f"{root}/")]:
            client.session.destroy(session)


@contextmanager
def objects_directory(folder: Path, clock: Clock) -> Iterator[Open]:
    """With its door open on loopback, so that signed URLs can be used as a client would."""
    with make_server("127.0.0.1", 0, _closed, handler_class=_Quiet) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        store_url = f"directory://{folder}/objects?server={url}"
        opened = partial(directory.open_objects, store_url, b"secret")
        server.set_app(directory.object_server(store_url, b"secret", clock.now_ms))
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield opened
        finally:
            server.shutdown()
            serving.join()


@contextmanager
def objects_s3(folder: Path, clock: Clock) -> Iterator[Open]:
    """On two buckets of its own, which are emptied and removed in the end."""
    clock.follow_the_wall()
    session, buckets = (importlib.import_module(f"regions.stores.s3.{name}") for name in ("session", "buckets"))
    quirks = "region=us-east-1&style=path&lifecycle=0&access_block=0"
    server = os.environ["DARKROOM_TEST_VERSITYGW"]
    url = f"s3://test-{os.urandom(8).hex()}?endpoint={server}&{quirks}"
    address = session.parse_address(url)
    credentials = session.Credentials("darkroom", os.environ["DARKROOM_TEST_VERSITYGW_SECRET"])
    buckets.prepare_buckets(address, credentials)
    opened = partial(_adapter("s3").open_objects, url, "darkroom", os.environ["DARKROOM_TEST_VERSITYGW_SECRET"])
    try:
        yield opened
    finally:
        client = session.connect(address.service, credentials)
        for bucket in (RAW, VARIANTS):
            for info in list(opened().list(bucket)):
                opened().delete(bucket, info.key)
            client.delete_bucket(Bucket=address.bucket(bucket))


CATALOGS: list[Opener] = [catalog_sqlite]
if "DARKROOM_TEST_CASSANDRA" in os.environ:
    CATALOGS.append(catalog_cassandra)
FEEDS: list[Opener] = [feeds_sqlite]
if "DARKROOM_TEST_REDIS" in os.environ:
    FEEDS.append(feeds_redis)
EVENTS: list[Opener] = [events_sqlite]
if "DARKROOM_TEST_KAFKA" in os.environ:
    EVENTS.append(events_kafka)
SETTINGS: list[Opener] = [settings_sqlite]
if "DARKROOM_TEST_CONSUL" in os.environ:
    SETTINGS.append(settings_consul)
OBJECTS: list[Opener] = [objects_directory]
if "DARKROOM_TEST_VERSITYGW" in os.environ:
    OBJECTS.append(objects_s3)


@pytest.fixture
def clock() -> Clock:
    """The time that the stores of this test see: `clock.now_ms()`, `clock.advance(ms)`."""
    return Clock()


@pytest.fixture(params=CATALOGS, ids=lambda opener: opener.__name__)
def open_catalog(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Callable[[], Catalog]]:
    yield from _opening(request.param, tmp_path, clock)


@pytest.fixture
def catalog(open_catalog: Callable[[], Catalog]) -> Catalog:
    return open_catalog()


@pytest.fixture(params=FEEDS, ids=lambda opener: opener.__name__)
def open_feeds(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Callable[[], Feeds]]:
    yield from _opening(request.param, tmp_path, clock)


@pytest.fixture
def feeds(open_feeds: Callable[[], Feeds]) -> Feeds:
    return open_feeds()


@pytest.fixture(params=EVENTS, ids=lambda opener: opener.__name__)
def open_events(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Callable[[], Events]]:
    yield from _opening(request.param, tmp_path, clock)


@pytest.fixture
def events(open_events: Callable[[], Events]) -> Events:
    return open_events()


@pytest.fixture(params=SETTINGS, ids=lambda opener: opener.__name__)
def open_settings(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Callable[[], Settings]]:
    yield from _opening(request.param, tmp_path, clock)


@pytest.fixture
def settings(open_settings: Callable[[], Settings]) -> Settings:
    return open_settings()


@pytest.fixture(params=OBJECTS, ids=lambda opener: opener.__name__)
def open_objects(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Callable[[], Objects]]:
    yield from _opening(request.param, tmp_path, clock)


@pytest.fixture
def objects(open_objects: Callable[[], Objects]) -> Objects:
    return open_objects()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@dataclass
class Made:
    """What the catalog's suites put into it. The higher a number, the newer the id."""

    catalog: Catalog

    def user_id(self, number: int) -> str:
        return ids.to_public(ids.USER, number)

    def photo_id(self, number: int) -> str:
        return ids.to_public(ids.PHOTO, number)

    def comment_id(self, number: int) -> str:
        return ids.to_public(ids.COMMENT, number)

    def photo(self, number: int, owner: int = 1) -> Photo:
        return Photo(
            self.photo_id(number), self.user_id(owner), "eu", "eu-west", Status.UPLOADING, "a caption", 9, None, number
        )

    def event(self, photo: Photo) -> Event:
        return messages.photos_uploaded(photo, 50)

    def tombstone(self, photo: Photo) -> Tombstone:
        return Tombstone(photo.photo_id, photo.owner_id, 99)

    def follow(self, follower_id: str, author_id: str, following: bool = True, at_ms: int = 1) -> Event:
        return messages.follow_changed(follower_id, author_id, following, at_ms)

    def begin(self, photo: Photo, expires_at_ms: int = 10_000) -> Upload:
        upload = Upload(photo.photo_id, f"multipart-{photo.photo_id}", "a.jpg", 9, 5, expires_at_ms)
        self.catalog.photos.create(photo, upload)
        return upload

    def ready(self, number: int, owner: int = 1) -> Photo:
        """Begun and changed to ready, without an event."""
        photo = self.photo(number, owner)
        self.begin(photo)
        photo = replace(photo, status=Status.READY)
        assert self.catalog.photos.update(photo, {Status.UPLOADING}, None)
        return photo

    def walk(self, page: Callable[[str | None], list[str]]) -> list[str]:
        """All ids of a list, each page begun after the last id of the one before."""
        found: list[str] = []
        while more := page(found[-1] if found else None):
            found += more
            assert len(found) == len(set(found))
        return found


@pytest.fixture
def made(catalog: Catalog) -> Made:
    return Made(catalog)


class _Keyspace:
    """One keyspace of this process on the Cassandra under test: tables take too long to make them for each test."""

    def __init__(self) -> None:
        from cassandra.cluster import Cluster

        server = os.environ["DARKROOM_TEST_CASSANDRA"]
        self.name = f"test_{os.getpid()}_{os.urandom(4).hex()}"
        self.url = f"cassandra://{server}/{self.name}?datacenter=datacenter1&replication=1"
        _adapter("cassandra").open_catalog(self.url).close()
        host, port = server.split(":")
        self._cluster = Cluster([host], port=int(port), protocol_version=5)
        self._session = self._cluster.connect(self.name)
        tables = self._cluster.metadata.keyspaces[self.name].tables.values()
        self._keys = {
            table.name: [column.name for column in table.partition_key]
            for table in tables
            if not table.name.startswith("schema_")
        }

    def empty(self) -> None:
        """By deleting each partition: truncating a table takes half a second."""
        listing = {table: f"SELECT DISTINCT {', '.join(columns)} FROM {table}" for table, columns in self._keys.items()}
        listed = {table: self._session.execute_async(query) for table, query in listing.items()}
        deleted = []
        for table, future in listed.items():
            where = " AND ".join(f"{column} = %s" for column in self._keys[table])
            for values in future.result():
                deleted.append(self._session.execute_async(f"DELETE FROM {table} WHERE {where}", list(values)))
        for each in deleted:
            each.result()

    def drop(self) -> None:
        self._session.execute(f"DROP KEYSPACE {self.name}", timeout=60)
        self._cluster.shutdown()


@cache
def _keyspace() -> _Keyspace:
    return _Keyspace()


@pytest.fixture(scope="session", autouse=True)
def _drop_keyspace() -> Iterator[None]:
    yield
    if _keyspace.cache_info().currsize:
        _keyspace().drop()


def _opening(opener: Opener, folder: Path, clock: Clock) -> Iterator[Open]:
    """Handles that have a `close` are closed when the test is over; one may have been closed by the test."""
    with opener(folder, clock) as open_handle, ExitStack() as handles:
        yield _Closing(open_handle, handles)


class _Closing:
    """Opens handles and has them closed at the end. `another_process` is what to pickle for a process of its own."""

    def __init__(self, open_handle: Open, handles: ExitStack) -> None:
        self.another_process = open_handle
        self._handles = handles

    def __call__(self) -> Any:
        handle = self.another_process()
        if hasattr(handle, "close"):
            self._handles.callback(handle.close)
        return handle


class _Quiet(WSGIRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass


def _closed(environ: Any, start_response: Any) -> list[bytes]:
    start_response("503 Service Unavailable", [])
    return []


def _adapter(technology: str) -> Any:
    """Imported when it is opened, so that a suite needs only the clients of its own adapters."""
    return importlib.import_module(f"regions.stores.{technology}.adapter")
