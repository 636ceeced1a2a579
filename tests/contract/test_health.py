"""Every adapter of every port checks the health of its own store: it leaves nothing behind and gives advice."""

import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from wsgiref.simple_server import make_server

import pytest

from regions.events import messages, topics
from regions.records import PhotoSummary
from regions.stores.directory import adapter as directory
from regions.stores.health import CheckResult, Level
from regions.stores.objects import RAW, VARIANTS
from regions.stores.sqlite import adapter as sqlite
from tests.builders.adapters import adapter, fresh_store, openers
from tests.builders.http import QuietHandler, running
from tests.builders.samples import Samples
from tests.builders.stores import REGION_OF_STORES, created


def failures(results: list[CheckResult]) -> list[CheckResult]:
    return [result for result in results if result.level is Level.FAILURE]


def assert_healthy(results: list[CheckResult]) -> None:
    assert [result for result in results if result.level is not Level.OK or result.advice] == []
    assert results[0].what == "reachable"
    assert len(results) >= 4
    assert all(result.detail for result in results)


def assert_advises(results: list[CheckResult], what: str = "reachable") -> None:
    """This check failed, with a reason and with advice."""
    (failure,) = [result for result in failures(results) if result.what == what]
    assert failure.detail and failure.advice


def contents_of(folder: Path) -> tuple[dict[str, list[str]], list[str]]:
    """The rows of each SQLite file in the folder, and the names of all other files that are not temporary."""
    rows = {}
    for path in sorted(folder.glob("*.db")):
        with closing(sqlite3.connect(path)) as connection:
            rows[path.name] = list(connection.iterdump())
    files = [str(path) for path in folder.rglob("*") if "tmp" not in path.parts and ".db" not in path.name]
    return rows, sorted(files)


def keys_of(objects: Any) -> dict[str, list[str]]:
    return {bucket: sorted(info.key for info in objects.list(bucket)) for bucket in (RAW, VARIANTS)}


def write_catalog(catalog: Any) -> list[PhotoSummary]:
    return [Samples(catalog).create_ready(1).summary()]


def read_catalog(catalog: Any) -> list[PhotoSummary]:
    return catalog.photos.by_owner(Samples(catalog).user_id(1), None, 10)


def write_feeds(feeds: Any) -> list[str]:
    feeds.mark_complete("u_1")
    feeds.add("p_1", ["u_1"])
    return ["p_1"]


def read_feeds(feeds: Any) -> list[str]:
    return feeds.page("u_1", None, 10)


def write_events(events: Any) -> list[int]:
    events.publish([messages.follow_changed("u_1", "u_2", True, 1)])
    return [1, 0]


def read_events(events: Any) -> list[int]:
    lags = [events.lag(topic, "any group") for topic in (topics.FOLLOW_CHANGED, topics.DEAD_LETTERS)]
    return [sum(lag.values()) for lag in lags]


def write_settings(settings: Any) -> tuple[str, list[Any]]:
    settings.values.write("residency/policy", "a policy")
    return settings.values.tree(""), []


def read_settings(settings: Any) -> tuple[str, list[Any]]:
    return settings.values.tree(""), settings.services.healthy("health-check")


def write_objects(objects: Any) -> tuple[dict[str, list[str]], list[Any]]:
    objects.create_upload(RAW, "ab/kept")
    return {RAW: [], VARIANTS: []}, [[]]


def read_objects(objects: Any) -> tuple[dict[str, list[str]], list[Any]]:
    return keys_of(objects), [objects.list_parts(upload) for upload in objects.list_uploads(RAW, "ab/kept")]


WRITE_AND_READ = {
    "catalog": (write_catalog, read_catalog),
    "feeds": (write_feeds, read_feeds),
    "events": (write_events, read_events),
    "settings": (write_settings, read_settings),
    "objects": (write_objects, read_objects),
}
"""By port: a function that writes into a store and returns what the second one must read from it."""


@pytest.fixture(
    params=[(port, opener) for port in WRITE_AND_READ for opener in openers(port)], ids=lambda param: param[1].__name__
)
def port_and_store(request, tmp_path, clock) -> Iterator[tuple[str, Any]]:
    """Each adapter of each port, opened on a fresh store."""
    port, opener = request.param
    # The signed URLs that the health check of objects tries are valid by the real time.
    clock.use_real_time()
    with fresh_store(opener, tmp_path, clock) as open_store:
        yield port, open_store()


@pytest.fixture
def store(port_and_store) -> Any:
    return port_and_store[1]


@pytest.fixture
def unused_address() -> Iterator[str]:
    """An address where nothing listens: it is bound, but not listened on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


def test_a_healthy_store_passes_every_check_and_is_unchanged(port_and_store, tmp_path):
    """It has the same contents as before, and no other."""
    port, store = port_and_store
    write, read = WRITE_AND_READ[port]
    expected, before = write(store), contents_of(tmp_path)
    assert read(store) == expected
    assert_healthy(store.check_health())
    assert (read(store), contents_of(tmp_path)) == (expected, before)


def test_two_health_checks_may_run_at_the_same_time(store, threads):
    """For instance by two operators."""
    for checking in [threads.submit(store.check_health) for _ in range(2)]:
        assert_healthy(checking.result())


def test_a_health_check_of_settings_wakes_no_watch(settings):
    """The mark of everything stays the same."""
    settings.values.write("residency/policy", "a policy")
    mark = settings.values.watch("", 0, 0)
    assert_healthy(settings.check_health())
    assert settings.values.watch("", mark, 0) == mark


def test_an_event_log_is_healthy_before_its_first_event(events):
    """A topic that does not exist yet is not a problem."""
    assert_healthy(events.check_health())


def test_leased_numbers_are_counted(settings, clock):
    """Until their lease expires or they are released."""
    lease = settings.numbers.lease("numbers", "a", 4, 2)
    settings.numbers.lease("numbers", "b", 4, 600)
    assert (settings.numbers.taken("numbers"), settings.numbers.taken("others")) == (2, 0)
    clock.advance(2500)
    assert settings.numbers.taken("numbers") == 1
    settings.numbers.release(lease, 0)
    assert settings.numbers.taken("numbers") == 1


EMBEDDED: dict[str, Callable[[str], Any]] = {
    "catalog": lambda path: created(sqlite.catalog(path)),
    "feeds": lambda path: created(sqlite.feeds(path)),
    "events": lambda path: created(sqlite.events(path, int)),
    "settings": lambda path: created(sqlite.settings(path, int)),
}


@pytest.fixture(params=EMBEDDED)
def open_embedded(request, tmp_path) -> Iterator[Callable[[], Any]]:
    """Opens a SQLite store at `tmp_path/store.db`, again with each call."""
    with ExitStack() as opened:

        def open_store() -> Any:
            store = EMBEDDED[request.param](str(tmp_path / "store.db"))
            opened.callback(store.close)
            return store

        yield open_store


def test_a_closed_store_is_a_failure_with_advice(open_embedded):
    """It is the only result: the other checks are not run."""
    store = open_embedded()
    store.close()
    (failure,) = store.check_health()
    assert_advises([failure])


def test_a_damaged_file_is_a_failure_with_advice(open_embedded, tmp_path):
    """One in which a table's first page is overwritten can still be opened."""
    open_embedded().close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        [(page_bytes,)] = connection.execute("PRAGMA page_size").fetchall()
        [(page,)] = connection.execute("SELECT max(rootpage) FROM sqlite_master").fetchall()
    with (tmp_path / "store.db").open("r+b") as file:
        file.seek((page - 1) * page_bytes)
        file.write(b"\xa5" * page_bytes)
    assert_advises(open_embedded().check_health(), "intact")


def test_a_file_of_another_schema_is_a_failure_with_advice(open_embedded, tmp_path):
    """The detail names the table."""
    open_embedded().close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        table = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('stamp', 'sqlite_sequence')"
        )
        name = table.fetchone()[0]
        connection.execute(f"ALTER TABLE {name} ADD COLUMN later TEXT")
    results = open_embedded().check_health()
    assert_advises(results, "schema")
    assert any(name in failure.detail for failure in failures(results))


def test_a_file_that_another_process_has_locked_is_a_failure_with_advice(open_embedded, tmp_path, monkeypatch):
    """Reading succeeds; writing waits until its deadline."""
    monkeypatch.setattr("regions.stores.sqlite.database.BUSY_S", 0.1)
    store = open_embedded()
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert_advises(store.check_health(), "write, read, delete")


def test_a_missing_directory_is_a_failure_with_advice(tmp_path, unused_address):
    """For instance when its disk is not mounted."""
    store = created(directory.objects(f"directory://{tmp_path}/objects?server=http://{unused_address}", b"secret"))
    (tmp_path / "objects").rename(tmp_path / "elsewhere")
    assert_advises(store.check_health())


def test_an_object_server_that_is_down_is_a_failure_with_advice(tmp_path, unused_address):
    """The objects are intact, but no client can fetch them."""
    store = created(directory.objects(f"directory://{tmp_path}/objects?server=http://{unused_address}", b"secret"))
    results = store.check_health()
    assert [failure.what for failure in failures(results)] == ["raw: signed URLs", "variants: signed URLs"]
    assert_advises(results, "raw: signed URLs")
    assert keys_of(store) == {RAW: [], VARIANTS: []}


def open_at(technology: str, address: str) -> Any:
    """The adapter of a technology that opens without its server, for a server at this address."""
    match technology:
        case "redis":
            return adapter("redis").feeds(f"redis://{address}/0").open(REGION_OF_STORES)
        case "kafka":
            return adapter("kafka").events(f"kafka://{address}/prefix").open(REGION_OF_STORES)
        case "consul":
            return adapter("consul").settings(f"consul://{address}/root", None, int).open(REGION_OF_STORES)
        case _:
            url = f"s3://buckets?region=us-east-1&style=path&endpoint=http://{address}"
            return adapter("s3").objects(url, "access", "secret").open(REGION_OF_STORES)


@pytest.mark.parametrize("technology", ["redis", "kafka", "consul", "s3"])
def test_a_server_that_is_down_is_a_failure_with_advice(technology, unused_address):
    """It is the only result: the other checks are not run."""
    (failure,) = open_at(technology, unused_address).check_health()
    assert_advises([failure])


@pytest.mark.parametrize("technology", ["redis", "consul", "s3"])
def test_a_server_of_another_kind_is_a_failure_with_advice(technology, web_server):
    """Its responses do not raise an exception."""
    assert_advises(open_at(technology, web_server).check_health())


@pytest.fixture
def web_server() -> Iterator[str]:
    """Responds to every request with a page."""
    with make_server("127.0.0.1", 0, respond, handler_class=QuietHandler) as server, running(server):
        yield f"127.0.0.1:{server.server_port}"


def respond(environ: Any, start_response: Any) -> list[bytes]:
    start_response("404 Not Found", [("Content-Type", "text/html")])
    return [b"<html>"]
