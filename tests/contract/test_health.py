"""Every adapter of every port checks the health of its own store; it leaves nothing behind, and advises what to do."""

import contextlib
import importlib
import os
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from regions.events import messages, topics
from regions.stores.directory import adapter as directory
from regions.stores.health import CheckResult, Level
from regions.stores.objects import RAW, VARIANTS
from regions.stores.sqlite import adapter as sqlite


def failures(findings: list[CheckResult]) -> list[CheckResult]:
    return [finding for finding in findings if finding.level is Level.FAILURE]


def assert_all_well(findings: list[CheckResult]) -> None:
    assert [finding for finding in findings if finding.level is not Level.OK or finding.advice] == []
    assert findings[0].what == "reachable"
    assert len(findings) >= 4
    assert all(finding.detail for finding in findings)


def assert_advises(findings: list[CheckResult], what: str = "reachable") -> None:
    """The failure is there, with its reason and what to do; no address or secret need be in it."""
    (failure,) = [finding for finding in failures(findings) if finding.what == what]
    assert failure.detail and failure.advice


def table_contents(folder: Path) -> dict[str, list[str]]:
    """Of each SQLite file there."""
    found = {}
    for path in sorted(folder.glob("*.db")):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            found[path.name] = list(connection.iterdump())
    return found


def objects_of(store: Any) -> dict[str, list[str]]:
    return {bucket: sorted(info.key for info in store.list(bucket)) for bucket in (RAW, VARIANTS)}


def files_under(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*") if "tmp" not in path.parts)


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nobody listens: it is taken, but not listened on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def test_a_healthy_catalog_is_well_and_unchanged(catalog, made, tmp_path):
    """Its users and photos are as they were, and nobody has come."""
    photo = made.ready(1)
    before = table_contents(tmp_path)
    assert_all_well(catalog.check_health())
    assert catalog.photos.by_owner(photo.owner_id, None, 10) == [photo]
    assert table_contents(tmp_path) == before


def test_healthy_feeds_are_well_and_unchanged(feeds, tmp_path):
    """A feed that was whole is whole, and no other has begun."""
    feeds.mark_complete("u_1")
    feeds.add("p_1", ["u_1"])
    before = table_contents(tmp_path)
    assert_all_well(feeds.check_health())
    assert feeds.page("u_1", None, 10) == ["p_1"]
    assert table_contents(tmp_path) == before


def test_a_healthy_event_log_is_well_and_unchanged(events, tmp_path):
    """Nobody reads an event that was not published."""
    events.publish([messages.follow_changed("u_1", "u_2", True, 1)])
    before = table_contents(tmp_path)
    assert_all_well(events.check_health())
    assert sum(events.lag(topics.FOLLOW_CHANGED, "anybody").values()) == 1
    assert sum(events.lag(topics.DEAD_LETTERS, "anybody").values()) == 0
    assert table_contents(tmp_path) == before


def test_an_event_log_is_well_before_its_first_event(events):
    """Topics that are not made yet are no fault."""
    assert_all_well(events.check_health())


def test_healthy_settings_are_well_and_unchanged(settings, tmp_path):
    """No setting, no service and no number is there that was not before."""
    settings.values.write("residency/policy", "a policy")
    before = settings.values.tree(""), table_contents(tmp_path)
    mark = settings.values.watch("", 0, 0)
    assert_all_well(settings.check_health())
    assert (settings.values.tree(""), table_contents(tmp_path)) == before
    assert settings.values.watch("", mark, 0) == mark
    assert settings.services.healthy("health-check") == []


def test_healthy_objects_are_well_and_unchanged(open_objects, clock, tmp_path):
    """Nothing lies in a bucket that did not, and no upload is left."""
    clock.follow_the_wall()
    objects = open_objects()
    kept = objects.create_upload(RAW, "ab/kept")
    before = objects_of(objects), files_under(tmp_path)
    assert_all_well(objects.check_health())
    assert (objects_of(objects), files_under(tmp_path)) == before
    assert objects.list_parts(kept) == []


def twice_at_once(store: Any, threads: ThreadPoolExecutor) -> None:
    for checking in [threads.submit(store.check_health) for _ in range(2)]:
        assert_all_well(checking.result())


def test_two_may_check_a_catalog_at_once(catalog, threads):
    """As two operators may."""
    twice_at_once(catalog, threads)


def test_two_may_check_feeds_at_once(feeds, threads):
    """As two operators may."""
    twice_at_once(feeds, threads)


def test_two_may_check_an_event_log_at_once(events, threads):
    """As two operators may."""
    twice_at_once(events, threads)


def test_two_may_check_settings_at_once(settings, threads):
    """As two operators may."""
    twice_at_once(settings, threads)


def test_two_may_check_objects_at_once(open_objects, clock, threads):
    """As two operators may."""
    clock.follow_the_wall()
    twice_at_once(open_objects(), threads)


def test_numbers_that_are_taken_are_counted(settings, clock):
    """Until their lease has run out, or they were given back."""
    lease = settings.numbers.lease("numbers", "a", 4, 2)
    settings.numbers.lease("numbers", "b", 4, 600)
    assert (settings.numbers.taken("numbers"), settings.numbers.taken("others")) == (2, 0)
    clock.advance(2500)
    assert settings.numbers.taken("numbers") == 1
    settings.numbers.release(lease, 0)
    assert settings.numbers.taken("numbers") == 1


EMBEDDED: dict[str, Callable[[str], Any]] = {
    "catalog": lambda path: sqlite.open_catalog(path),
    "feeds": lambda path: sqlite.open_feeds(path),
    "events": lambda path: sqlite.open_events(path, int),
    "settings": lambda path: sqlite.open_settings(path, int),
}


@pytest.fixture(params=EMBEDDED)
def embedded(request, tmp_path) -> Iterator[Callable[[], Any]]:
    """Opens a SQLite store at `tmp_path/store.db`, once more with each call."""
    with contextlib.ExitStack() as opened:

        def open_store() -> Any:
            store = EMBEDDED[request.param](str(tmp_path / "store.db"))
            opened.callback(store.close)
            return store

        yield open_store


def test_a_closed_store_is_a_failure_with_advice(embedded):
    """Nothing else is looked at then."""
    store = embedded()
    store.close()
    (failure,) = store.check_health()
    assert_advises([failure])


def test_a_damaged_file_is_a_failure_with_advice(embedded, tmp_path):
    """Where a page behind the first is overwritten, it still opens."""
    embedded().close()
    with (tmp_path / "store.db").open("r+b") as file:
        page_bytes = int.from_bytes(file.read(18)[16:], "big")
        file.seek(-page_bytes, os.SEEK_END)
        file.write(b"\xa5" * page_bytes)
    assert_advises(embedded().check_health(), "intact")


def test_a_file_of_another_schema_is_a_failure_with_advice(embedded, tmp_path):
    """It names the table."""
    embedded().close()
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        table = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        name = table.fetchone()[0]
        connection.execute(f"ALTER TABLE {name} ADD COLUMN later TEXT")
    findings = embedded().check_health()
    assert_advises(findings, "schema")
    assert any(name in failure.detail for failure in failures(findings))


def test_a_file_that_others_hold_is_a_failure_with_advice(embedded, tmp_path, monkeypatch):
    """Reading goes on, writing waits for its deadline."""
    monkeypatch.setattr("regions.stores.sqlite.database._BUSY_S", 0.1)
    store = embedded()
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert_advises(store.check_health(), "write, read, delete")


def test_a_directory_that_is_gone_is_a_failure_with_advice(tmp_path, nobody):
    """As when its disk is not mounted."""
    store = directory.open_objects(f"directory://{tmp_path}/objects?server=http://{nobody}", b"secret")
    (tmp_path / "objects").rename(tmp_path / "elsewhere")
    assert_advises(store.check_health())


def test_a_door_that_is_closed_is_a_failure_with_advice(tmp_path, nobody):
    """The bytes are well, but no client gets at them."""
    store = directory.open_objects(f"directory://{tmp_path}/objects?server=http://{nobody}", b"secret")
    findings = store.check_health()
    assert [failure.what for failure in failures(findings)] == ["raw: signed URLs", "variants: signed URLs"]
    assert_advises(findings, "raw: signed URLs")
    assert objects_of(store) == {RAW: [], VARIANTS: []}


def away(address: str) -> dict[str, Callable[[], Any]]:
    """The adapters that open without their server, on an address where there is none."""
    s3 = f"s3://buckets?region=us-east-1&style=path&endpoint=http://{address}"
    return {
        "redis": lambda: adapter("redis").open_feeds(f"redis://{address}/0"),
        "kafka": lambda: adapter("kafka").open_events(f"kafka://{address}/prefix"),
        "consul": lambda: adapter("consul").open_settings(f"consul://{address}/root", None, int),
        "s3": lambda: adapter("s3").open_objects(s3, "access", "secret"),
    }


def adapter(technology: str) -> Any:
    """Imported here, so that a suite needs only the clients of its own adapters."""
    return importlib.import_module(f"regions.stores.{technology}.adapter")


@pytest.mark.parametrize("name", ["redis", "kafka", "consul", "s3"])
def test_a_server_that_is_away_is_a_failure_with_advice(name, nobody):
    """And the only finding: what can't be reached is not looked into."""
    (failure,) = away(nobody)[name]().check_health()
    assert_advises([failure])


@pytest.mark.parametrize("name", ["redis", "consul", "s3"])
def test_a_server_of_another_kind_is_a_failure_with_advice(name, strangers):
    """Whatever answers there, it is no exception."""
    assert_advises(away(strangers)[name]().check_health())


@pytest.fixture
def strangers() -> Iterator[str]:
    """A web server that answers everything with a page."""
    with make_server("127.0.0.1", 0, page, handler_class=Quiet) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass


def page(environ: Any, start_response: Any) -> list[bytes]:
    start_response("404 Not Found", [("Content-Type", "text/html")])
    return [b"<html>"]
