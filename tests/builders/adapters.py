"""Every adapter of every port, on a store of its own that is fresh and empty for each test.

To add an adapter, write an opener here and add it to `ADAPTERS`. An opener is a context manager of a folder and the
test's clock. It yields a function; each call of it opens one more handle on the same store, as another process would.
What the opener started, it stops at the end.
"""

import importlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from wsgiref.simple_server import make_server

from regions.clock import now_ms
from regions.stores.directory import adapter as directory
from regions.stores.memory_limits import MemoryLimits
from regions.stores.objects import RAW, VARIANTS
from regions.stores.sqlite import adapter as sqlite
from tests.builders.http import QuietHandler, running
from tests.builders.stores import REGION_OF_STORES, opener

PARTITIONS = 4
"""How many a topic of an event log has in the tests."""

_STARTS_AT_MS = 1_800_000_000_000


class Clock:
    """Stands still until a test calls `advance`. An opener calls `use_real_time` if its server has a clock of its own.

    With the real time, `advance` sleeps.
    """

    def __init__(self) -> None:
        self._at_ms: int | None = _STARTS_AT_MS

    def now_ms(self) -> int:
        return now_ms() if self._at_ms is None else self._at_ms

    def advance(self, ms: int) -> None:
        if self._at_ms is None:
            time.sleep(ms / 1000)
        else:
            self._at_ms += ms

    def use_real_time(self) -> None:
        self._at_ms = None

    def __reduce__(self) -> Any:
        """Another process, which can't import this class, gets the time at which the clock stands, or the real time."""
        return SimpleNamespace, (), {"now_ms": now_ms if self._at_ms is None else partial(int, self._at_ms)}


Open = Callable[[], Any]
Opener = Callable[[Path, Clock], AbstractContextManager[Open]]


def adapter(technology: str) -> Any:
    """Imported only when it is used, so that a suite needs only the clients of its own adapters."""
    return importlib.import_module(f"regions.stores.{technology}.adapter")


class Handles:
    """Opens handles, which are closed after the test. `another_process` can be pickled for a process of its own."""

    def __init__(self, open_handle: Open, opened: ExitStack) -> None:
        self.another_process = open_handle
        self._opened = opened

    def __call__(self) -> Any:
        handle = self.another_process()
        if hasattr(handle, "close"):
            self._opened.callback(handle.close)
        return handle


@contextmanager
def fresh_store(opener: Opener, folder: Path, clock: Clock) -> Iterator[Handles]:
    with opener(folder, clock) as open_handle, ExitStack() as opened:
        yield Handles(open_handle, opened)


@contextmanager
def catalog_sqlite(folder: Path, clock: Clock) -> Iterator[Open]:
    yield opener(sqlite.catalog, str(folder / "catalog.db"))


@contextmanager
def catalog_cassandra(folder: Path, clock: Clock) -> Iterator[Open]:
    keyspace = _shared_keyspace()
    keyspace.empty()
    yield opener(adapter("cassandra").catalog, keyspace.url)


@contextmanager
def feeds_sqlite(folder: Path, clock: Clock) -> Iterator[Open]:
    yield opener(sqlite.feeds, str(folder / "feeds.db"))


@contextmanager
def feeds_redis(folder: Path, clock: Clock) -> Iterator[Open]:
    """Under a prefix of its own, in a database that Redis itself evicts from when it is short of memory."""
    url = f"redis://{os.environ['DARKROOM_TEST_REDIS']}/0?prefix=test-{os.urandom(8).hex()}:"
    yield opener(adapter("redis").feeds, url)


@contextmanager
def limits_memory(folder: Path, clock: Clock) -> Iterator[Open]:
    """The memory of one process: every handle is the same one."""
    limits = MemoryLimits(lambda: clock.now_ms() * 1000)
    yield lambda: limits


@contextmanager
def limits_redis(folder: Path, clock: Clock) -> Iterator[Open]:
    """Under a prefix of its own, by Redis' clock, and as a process uses it: with its own limits behind it."""
    clock.use_real_time()
    url = f"redis://{os.environ['DARKROOM_TEST_REDIS']}/0?prefix=test-{os.urandom(8).hex()}:"
    yield lambda: adapter("redis").limits(url, MemoryLimits(lambda: clock.now_ms() * 1000))


@contextmanager
def events_sqlite(folder: Path, clock: Clock) -> Iterator[Open]:
    yield opener(sqlite.events, str(folder / "events.db"), clock.now_ms)


@contextmanager
def events_kafka(folder: Path, clock: Clock) -> Iterator[Open]:
    """Under a prefix of its own."""
    clock.use_real_time()
    url = f"kafka://{os.environ['DARKROOM_TEST_KAFKA']}/test-{os.urandom(8).hex()}?partitions={PARTITIONS}"
    yield opener(adapter("kafka").events, url)


@contextmanager
def settings_sqlite(folder: Path, clock: Clock) -> Iterator[Open]:
    yield opener(sqlite.settings, str(folder / "settings.db"), clock.now_ms)


@contextmanager
def settings_consul(folder: Path, clock: Clock) -> Iterator[Open]:
    """Under a root of its own, which is removed at the end with its services."""
    import consul

    clock.use_real_time()
    host, port = os.environ["DARKROOM_TEST_CONSUL"].split(":")
    root = f"test-{os.urandom(8).hex()}"
    try:
        yield opener(adapter("consul").settings, f"consul://{host}:{port}/{root}", None, clock.now_ms)
    finally:
        client = consul.Consul(host, int(port), scheme="http", verify=True)
        client.kv.delete(f"{root}/", recurse=True)
        for service in [one for one in client.agent.services() if one.startswith(f"{root}:")]:
            client.agent.service.deregister(service)
        for session in [one["ID"] for one in client.session.list()[1] if one["Name"].startswith(f"{root}/")]:
            client.session.destroy(session)


@contextmanager
def objects_directory(folder: Path, clock: Clock) -> Iterator[Open]:
    """With its object server on loopback, so that a test can use signed URLs as a client does."""
    with make_server("127.0.0.1", 0, None, handler_class=QuietHandler) as server:
        url = f"directory://{folder}/objects?server=http://127.0.0.1:{server.server_port}"
        open_objects = opener(directory.objects, url, b"secret")
        server.set_app(directory.object_server(url, b"secret", REGION_OF_STORES, clock.now_ms))
        with running(server):
            yield open_objects


@contextmanager
def objects_s3(folder: Path, clock: Clock) -> Iterator[Open]:
    """On two buckets of its own, which are emptied and removed at the end."""
    clock.use_real_time()
    session = importlib.import_module("regions.stores.s3.session")
    quirks = "region=us-east-1&style=path&lifecycle=0&access_block=0"
    server, secret = os.environ["DARKROOM_TEST_VERSITYGW"], os.environ["DARKROOM_TEST_VERSITYGW_SECRET"]
    url = f"s3://test-{os.urandom(8).hex()}?endpoint={server}&{quirks}"
    address, credentials = session.parse_address(url), session.Credentials("darkroom", secret)
    open_objects = opener(adapter("s3").objects, url, "darkroom", secret)
    try:
        yield open_objects
    finally:
        client = session.connect(address.service, credentials)
        objects = open_objects()
        for bucket in (RAW, VARIANTS):
            for info in list(objects.list(bucket)):
                objects.delete(bucket, info.key)
            client.delete_bucket(Bucket=address.bucket(bucket))


ADAPTERS: dict[str, tuple[Opener, Opener, str]] = {
    "catalog": (catalog_sqlite, catalog_cassandra, "CASSANDRA"),
    "feeds": (feeds_sqlite, feeds_redis, "REDIS"),
    "limits": (limits_memory, limits_redis, "REDIS"),
    "events": (events_sqlite, events_kafka, "KAFKA"),
    "settings": (settings_sqlite, settings_consul, "CONSUL"),
    "objects": (objects_directory, objects_s3, "VERSITYGW"),
}
"""By port: the embedded adapter, and the one that needs a server, with the server's name in `DARKROOM_TEST_…`."""


SHARED = ExitStack()
"""What the tests of this process share; to be closed after the last of them."""


@cache
def _shared_keyspace() -> Any:
    keyspace = importlib.import_module("tests.builders.keyspace").Keyspace(os.environ["DARKROOM_TEST_CASSANDRA"])
    SHARED.callback(keyspace.drop)
    return keyspace


def openers(port: str) -> list[Opener]:
    """The port's adapters that can be opened here."""
    embedded, with_server, server = ADAPTERS[port]
    return [embedded, with_server] if f"DARKROOM_TEST_{server}" in os.environ else [embedded]
