"""The doctor on real embedded regions and real HTTP: well it says so, and each thing that is broken is found."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from darkroom.cli import main
from darkroom.local import data_folder
from darkroom.operate import doctor
from darkroom.operate.doctor import ProbeResult, ReportRow, StoreProbe, check_system, lines
from regions import config
from regions.events import messages
from regions.stores.health import CheckResult, Level
from regions.stores.settings import POLICY

MACHINE = data_folder.read_machine()


@dataclass
class World:
    """Three regions on real files; origins, edges and doors answer on loopback as they are told to."""

    data: Path
    skew_s: dict[str, float] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    config: Any = None

    def findings(self) -> list[ReportRow]:
        return [row for row in check_system(self.config, 30) if row.finding.level is not Level.OK]

    def only(self) -> tuple[str, str, str, Level]:
        """Where the one thing is that is not well; it has a reason and an advice."""
        (row,) = self.findings()
        assert row.finding.detail and row.finding.advice
        return row.place, row.subject, row.finding.what, row.finding.level

    def doctor(self) -> int:
        return main(["doctor", "--topology", str(self.data / "topology.toml")])

    def set_policy(self, region: str, text: str | None) -> None:
        stores = config.open_stores(self.config, region)
        if text is None:
            stores.settings.values.delete(POLICY)
        else:
            stores.settings.values.write(POLICY, text)
        stores.close()


class Handler(BaseHTTPRequestHandler):
    world: World
    process: str
    what: dict[str, str]

    def do_GET(self) -> None:
        data = json.dumps(self.what).encode()
        self.send_response_only(self.world.status.get(self.process, 200))
        self.send_header("Date", formatdate(time.time() + self.world.skew_s.get(self.process, 0), usegmt=True))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        """Tests look at what the doctor finds instead."""


class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """As above."""


def served(world: World, kind: str, name: str) -> Any:
    if kind == "object-server":
        return make_server("127.0.0.1", 0, lambda environ, start: [], handler_class=Quiet)
    what = {"origin": {"region": name}, "edge": {"edge": name}}[kind]
    handler = type("BoundHandler", (Handler,), {"world": world, "process": f"{kind}-{name}", "what": what})
    return ThreadingHTTPServer(("127.0.0.1", 0), handler)


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    world = World(tmp_path)
    listening = [process for process in MACHINE.processes() if process.listens]
    servers = {process: served(world, process.kind, process.node) for process in listening}
    ports = {process.name: server.server_address[1] for process, server in servers.items()}
    world.config = data_folder.prepare(tmp_path, MACHINE, ports)
    for process, server in servers.items():
        if process.kind == "object-server":
            server.set_app(config.open_object_server(world.config, process.node))
    threads = [threading.Thread(target=server.serve_forever, args=[0.02]) for server in servers.values()]
    for thread in threads:
        thread.start()
    yield world
    for server in servers.values():
        server.shutdown()
        server.server_close()
    for thread in threads:
        thread.join()


def test_a_system_that_is_well_exits_with_0(world, capsys):
    """Every region and edge is named, and nothing is advised."""
    assert world.doctor() == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*MACHINE.regions, *MACHINE.edges))
    assert "0 failures, 0 warnings" in shown
    assert "→" not in shown


def test_examining_leaves_every_file_as_it_was(world):
    """What the stores hold is the same before and after."""

    def held() -> dict[str, list[str]]:
        found = {}
        for path in world.data.rglob("*.db"):
            with closing(sqlite3.connect(path)) as connection:
                found[str(path)] = list(connection.iterdump())
        return found

    before = held()
    assert world.findings() == []
    assert held() == before
    assert len(before) == 4 * len(MACHINE.regions)


def test_a_region_without_a_policy_is_a_failure(world, capsys):
    """The way out is on the screen."""
    world.set_policy("eu-west", None)
    assert world.only() == ("eu-west", "settings", "policy", Level.FAILURE)
    assert world.doctor() == 1
    assert "darkroom prepare" in capsys.readouterr().out


def test_a_policy_that_does_not_parse_is_a_failure_there_and_between_regions(world):
    """It can't be the same as the others' either."""
    world.set_policy("us-central", "policy: 2")
    assert [(row.place, row.finding.what) for row in world.findings()] == [
        ("us-central", "policy"),
        (doctor.ALL, "same policy"),
    ]


def test_a_damaged_file_does_not_keep_the_others_from_being_examined(world):
    """Its store can't even be opened."""
    (world.data / "regions" / "eu-west" / "catalog.db").write_bytes(b"no database at all" * 500)
    assert world.only() == ("eu-west", "catalog", "opened", Level.FAILURE)


def test_an_object_directory_without_its_secret_is_a_failure(world):
    """It says which."""
    (world.data / "secrets" / "eu-west.objects").unlink()
    (row,) = world.findings()
    assert (row.place, row.subject, row.finding.what) == ("eu-west", "objects", "opened")
    assert "eu-west.objects" in row.finding.detail


def test_a_store_of_an_unknown_scheme_is_a_failure(world, monkeypatch):
    """By an environment variable, as an operator would set it."""
    monkeypatch.setenv("DARKROOM_EU_WEST_FEEDS", "memcached://127.0.0.1:1/0")
    world.config = config.load(world.data / "topology.toml", {"DARKROOM_EU_WEST_FEEDS": "memcached://127.0.0.1:1/0"})
    assert world.only() == ("eu-west", "feeds", "opened", Level.FAILURE)
    assert world.doctor() == 1


@pytest.mark.parametrize(("skew_s", "level", "code"), [(-12, Level.WARNING, 0), (3600, Level.FAILURE, 1)])
def test_a_clock_that_goes_wrong_is_found(world, skew_s, level, code):
    """A little is a warning, with which the doctor is content."""
    world.skew_s["edge-sydney"] = skew_s
    assert world.only() == (doctor.EDGES, "sydney", "clock", level)
    assert world.doctor() == code


def test_an_origin_that_is_ill_is_a_failure(world):
    """It answers, but not well."""
    world.status["origin-us-central"] = 503
    assert world.only() == ("us-central", "origin", "health", Level.FAILURE)


def test_what_was_given_up_on_is_a_warning(world):
    """Of the region whose event log holds it."""
    stores = config.open_stores(world.config, "eu-central")
    event = messages.follow_changed("u_1", "u_2", True, 1)
    stores.events.publish([messages.dead_letter(event, "fanout", "no reason", 2)])
    stores.close()
    assert world.only() == ("eu-central", "events", "dead letters", Level.WARNING)


def test_a_look_that_never_ends_is_a_finding(world, monkeypatch):
    """The others are told all the same, in time."""
    never = threading.Event()
    looks = [
        StoreProbe("a", "feeds", lambda: ProbeResult([], str(never.wait(60)))),
        StoreProbe("a", "events", lambda: ProbeResult([])),
    ]
    monkeypatch.setattr(doctor, "looks_of", lambda loaded: looks)
    (row, _) = check_system(world.config, 0.1)
    never.set()
    assert (row.subject, row.finding.what, row.finding.level) == ("feeds", "answer", Level.FAILURE)


def test_a_look_that_breaks_off_is_a_finding(world, monkeypatch):
    """A defect of ours is told as one."""
    monkeypatch.setattr(doctor, "looks_of", lambda loaded: [StoreProbe("a", "feeds", lambda: 1 / 0)])
    (row, _) = check_system(world.config, 30)
    assert (row.finding.level, row.finding.detail) == (Level.FAILURE, "broke off: ZeroDivisionError")


def test_what_is_well_is_one_line_and_the_rest_has_its_own():
    """So that a healthy region fits on a screen."""
    well = [ReportRow("eu", "feeds", CheckResult(what, Level.OK, "good")) for what in ("a", "b")]
    ill = ReportRow("eu", "feeds", CheckResult("c", Level.WARNING, "so so", "mend it"))
    assert lines([*well, ill, ReportRow("eu", "events", well[0].finding)]) == [
        (Level.OK, "feeds", "a: good · b: good"),
        (Level.WARNING, "feeds", "c: so so"),
        (Level.OK, "events", "a: good"),
    ]


def test_a_topology_that_is_not_there_is_said(tmp_path, capsys):
    """Nothing can be examined then."""
    assert main(["doctor", "--topology", str(tmp_path / "none.toml")]) == 1
    assert "none.toml" in capsys.readouterr().err
