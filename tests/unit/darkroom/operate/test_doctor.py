"""The doctor on real embedded regions and real HTTP: it reports a healthy system as such, and finds each problem."""

import json
import re
import shlex
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.cli import main
from darkroom.local import data_folder
from darkroom.local.compliance import private_keys, signed_by, statement_of
from darkroom.operate import doctor
from darkroom.operate.doctor import ProbeResult, ReportRow, StoreProbe, check_system, lines, pasteable
from regions import config, janitor_status
from regions.clock import now_ms
from regions.events import messages
from regions.events.topics import PHOTO_READY, PHOTO_READY_AGAIN
from regions.processing_status import key_of
from regions.residency.statement_document import draft
from regions.status_documents import GONE_AFTER_MS, to_text
from regions.stores.health import CheckResult, Level
from regions.stores.settings import STATEMENT
from replication import lane_status
from replication.budget import LaneLimits
from replication.lane_status import LaneStatus
from tests.builders.lane_reports import lane_work
from tests.builders.statuses import status

MACHINE = data_folder.read_machine()


@dataclass
class World:
    """Three regions on real files; origins, edges and object servers respond on loopback as the test configures."""

    data: Path
    skew_s: dict[str, float] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    config: Any = None

    def problems(self) -> list[ReportRow]:
        return [row for row in check_system(self.config, 30) if row.result.level is not Level.OK]

    def only_problem(self) -> tuple[str, str, str, Level]:
        """Where the only problem is; it has a reason and advice."""
        (row,) = self.problems()
        assert row.result.detail and row.result.advice
        return row.place, row.subject, row.result.what, row.result.level

    def doctor(self) -> int:
        return main(["doctor", "--topology", str(self.data / "topology.toml")])

    def set_statement(self, region: str, text: str | None) -> None:
        with closing(config.open_settings(self.config, region)) as settings:
            if text is None:
                settings.values.delete(STATEMENT)
            else:
                settings.values.write(STATEMENT, text)


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
        """Prints nothing: tests check the doctor's results instead."""


class QuietWsgiHandler(WSGIRequestHandler):
    log_message = Handler.log_message


def new_server(world: World, kind: str, name: str) -> Any:
    if kind == "object-server":
        return make_server("127.0.0.1", 0, lambda environ, start: [], handler_class=QuietWsgiHandler)
    what = {"origin": {"region": name}, "edge": {"edge": name}}[kind]
    handler = type("BoundHandler", (Handler,), {"world": world, "process": f"{kind}-{name}", "what": what})
    return ThreadingHTTPServer(("127.0.0.1", 0), handler)


@pytest.fixture
def world(tmp_path, serve) -> World:
    world = World(tmp_path)
    listening = [process for process in MACHINE.processes() if process.listens]
    servers = {process: new_server(world, process.kind, process.node) for process in listening}
    ports = {process.name: server.server_address[1] for process, server in servers.items()}
    world.config = data_folder.prepare(tmp_path, MACHINE, ports)
    for process, server in servers.items():
        if process.kind == "object-server":
            server.set_app(config.open_object_server(world.config, process.node))
    serve(servers.values())
    for region in MACHINE.regions:
        with closing(config.open_settings(world.config, region)) as settings:
            settings.values.write(key_of("processor"), reported())
            settings.values.write(JANITOR, janitor_status.to_text(fresh_ms()))
            settings.values.write(REPLICATOR, lanes_text(region))
    return world


JANITOR, REPLICATOR = f"{janitor_status.PREFIX}one", f"{lane_status.PREFIX}one"
LIMITS = LaneLimits(paused=False, width=12, backfill_width=2, bytes_per_s=None, asks=True)


def lanes_text(region: str, **changes: Any) -> str:
    """A replicator's status of its lanes, in which nothing waits."""
    one = LaneStatus(fresh_ms(), lane_work(**changes), LIMITS, is_heard=True)
    return lane_status.to_text({name: one for name in MACHINE.regions if name != region})


def fresh_ms() -> int:
    """Of a status that stays current for the longest test."""
    return now_ms() + GONE_AFTER_MS - 1_000


def reported() -> str:
    """A processor's status."""
    return to_text(status(at_ms=fresh_ms()))


def test_a_healthy_system_exits_with_0(world, capsys):
    """The report names every region and edge, and gives no advice."""
    assert world.doctor() == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*MACHINE.regions, *MACHINE.edges))
    assert "0 failures, 0 warnings" in shown
    assert "→" not in shown


def test_a_region_without_a_processor_is_a_warning(world, capsys):
    """Its new photos would wait."""
    with closing(config.open_settings(world.config, "eu-west")) as settings:
        settings.values.delete(key_of("processor"))
    assert world.only_problem() == ("eu-west", "settings", "processing", Level.WARNING)


@pytest.mark.parametrize(("key", "what"), [(JANITOR, "janitors"), (REPLICATOR, "replicators")])
@pytest.mark.parametrize("is_frozen", [False, True])
def test_a_region_whose_only_janitor_or_replicator_is_gone_is_a_warning(world, key, what, is_frozen):
    """A frozen one has reported too long ago. Nothing waits yet, so nothing else shows it."""
    with closing(config.open_settings(world.config, "eu-west")) as settings:
        text = settings.values.read(key).value
        settings.values.delete(key)
        if is_frozen:
            settings.values.write(key, re.sub(r'"at_ms":\d+', f'"at_ms":{now_ms() - GONE_AFTER_MS}', text))
    assert world.only_problem() == ("eu-west", "settings", what, Level.WARNING)


def test_a_lane_that_is_far_behind_is_a_warning(world):
    """What is at home alone grows. Photos that were processed again may wait."""
    with closing(config.open_settings(world.config, "eu-west")) as settings:
        settings.values.write(REPLICATOR, lanes_text("eu-west", oldest_ms={PHOTO_READY_AGAIN: now_ms() - 3_600_000}))
        assert world.problems() == []
        settings.values.write(REPLICATOR, lanes_text("eu-west", oldest_ms={PHOTO_READY: now_ms() - 90_000}))
    assert world.only_problem() == ("eu-west", "settings", "replicators", Level.WARNING)


def test_its_advice_can_be_pasted(world, monkeypatch, capsys):
    """A command leads to the same system as the doctor was asked about, wherever that lies."""
    with closing(config.open_settings(world.config, "eu-west")) as settings:
        settings.values.write("lanes/us-central", '{"paused": true}')
        settings.values.delete(key_of("processor"))
    monkeypatch.setenv("COLUMNS", "1000")
    assert main(["doctor", "--data", str(world.data)]) == 0
    [resume] = re.findall("`(darkroom lanes set .*?)`", shown := capsys.readouterr().out)
    assert main(shlex.split(resume)[1:]) == 0
    assert "us-central: runs" in capsys.readouterr().out
    [start] = re.findall("`(darkroom run processor .*?)`", shown)
    assert shlex.split(start)[2:] == ["processor", "eu-west", "--topology", str(world.config.path)]


@given(st.lists(st.sampled_from(["`darkroom prepare`", "a `FILE`", "`darkroom lanes set x --resume`", "text"])))
def test_what_is_no_command_of_ours_stays_as_it_is(parts):
    """Paths with spaces are quoted."""
    options = " --data 'my data' --topology 'my data/t.toml'`"
    expected = [f"{part[:-1]}{options}" if part.startswith("`darkroom") else part for part in parts]
    assert pasteable(", ".join(parts), Path("my data"), Path("my data/t.toml")) == ", ".join(expected)


def test_a_paused_lane_is_a_warning(world, capsys):
    """What waits for it may be lost in the end."""
    with closing(config.open_settings(world.config, "eu-west")) as settings:
        settings.values.write("lanes/us-central", '{"paused": true}')
    assert world.only_problem() == ("eu-west", "settings", "lanes", Level.WARNING)


def test_a_check_leaves_every_file_as_it_was(world):
    """The stores' content is the same before and after."""

    def contents() -> dict[str, list[str]]:
        found = {}
        for path in world.data.rglob("*.db"):
            with closing(sqlite3.connect(path)) as connection:
                found[str(path)] = list(connection.iterdump())
        return found

    before = contents()
    assert world.problems() == []
    assert contents() == before
    assert len(before) == 4 * len(MACHINE.regions)


def test_a_region_without_a_statement_is_a_failure(world, capsys):
    """The advice is shown."""
    world.set_statement("eu-west", None)
    assert world.only_problem() == ("eu-west", "settings", "statement", Level.FAILURE)
    assert world.doctor() == 1
    assert "darkroom policy apply" in " ".join(capsys.readouterr().out.split())


def test_what_is_no_statement_is_a_failure(world):
    """The others still agree."""
    world.set_statement("us-central", "policy: 2")
    assert world.only_problem() == ("us-central", "settings", "statement", Level.FAILURE)


def test_regions_with_different_statements_are_a_failure(world):
    """As long as the newer one has not reached them all."""
    before = statement_of(world.config)
    text = draft(before.policy_text, before.places.values(), before.signers, "A test.", before)
    world.set_statement("us-central", signed_by(private_keys(world.data / "compliance"), text, before.signers))
    assert world.only_problem() == (doctor.ALL, "settings", "same statement", Level.FAILURE)


def test_a_damaged_file_does_not_prevent_other_checks(world):
    """Its store can't even be opened."""
    (world.data / "regions" / "eu-west" / "catalog.db").write_bytes(b"no database at all" * 500)
    assert world.only_problem() == ("eu-west", "catalog", "opened", Level.FAILURE)


def test_an_object_directory_without_its_secret_is_a_failure(world):
    """The result names the missing secret."""
    (world.data / "secrets" / "eu-west.objects").unlink()
    (row,) = world.problems()
    assert (row.place, row.subject, row.result.what) == ("eu-west", "objects", "opened")
    assert "eu-west.objects" in row.result.detail


def test_regions_that_share_a_secret_are_a_failure(world):
    """The result names them and never the secret."""
    secrets = world.data / "secrets"
    (secrets / "eu-west.settings").write_text("both of them")
    (secrets / "us-central.feeds").write_text("both of them")
    (row,) = world.problems()
    assert (row.place, row.subject, row.result.level) == (doctor.ALL, "stores", Level.FAILURE)
    assert row.result.detail == "the same for settings of eu-west and feeds of us-central"


def test_a_store_of_an_unknown_scheme_is_a_failure(world, monkeypatch):
    """An operator may have set it in an environment variable."""
    monkeypatch.setenv("DARKROOM_EU_WEST_FEEDS", "memcached://127.0.0.1:1/0")
    world.config = config.load(world.data / "topology.toml", {"DARKROOM_EU_WEST_FEEDS": "memcached://127.0.0.1:1/0"})
    assert world.only_problem() == ("eu-west", "feeds", "opened", Level.FAILURE)
    assert world.doctor() == 1


@pytest.mark.parametrize(("skew_s", "level", "code"), [(-12, Level.WARNING, 0), (3600, Level.FAILURE, 1)])
def test_a_wrong_clock_is_found(world, skew_s, level, code):
    """A small skew is a warning, with which the command still exits with 0."""
    world.skew_s["edge-sydney"] = skew_s
    assert world.only_problem() == (doctor.EDGES, "sydney", "clock", level)
    assert world.doctor() == code


def test_an_unhealthy_origin_is_a_failure(world):
    """It answers, but with 503."""
    world.status["origin-us-central"] = 503
    assert world.only_problem() == ("us-central", "origin", "health", Level.FAILURE)


def test_a_dead_letter_is_a_warning(world):
    """It is reported for the region whose event log contains it."""
    stores = config.open_stores(world.config, "eu-central")
    event = messages.follow_changed("u_1", "u_2", True, 1)
    stores.events.publish([messages.dead_letter(event, "fanout", "no reason", 2)])
    stores.close()
    assert world.only_problem() == ("eu-central", "events", "dead letters", Level.WARNING)


def test_a_probe_that_never_ends_is_a_failure(world, monkeypatch):
    """The other probes are reported in time."""
    never = threading.Event()
    probes = [
        StoreProbe("a", "feeds", lambda: ProbeResult([], str(never.wait(60)))),
        StoreProbe("a", "events", lambda: ProbeResult([])),
    ]
    monkeypatch.setattr(doctor, "probes_of", lambda loaded: probes)
    (row, *_) = check_system(world.config, 0.1)
    never.set()
    assert (row.subject, row.result.what, row.result.level) == ("feeds", "answer", Level.FAILURE)


def test_a_probe_that_raises_is_a_failure(world, monkeypatch):
    """It is reported as a defect of Darkroom."""
    monkeypatch.setattr(doctor, "probes_of", lambda loaded: [StoreProbe("a", "feeds", lambda: 1 / 0)])
    (row, *_) = check_system(world.config, 30)
    assert (row.result.level, row.result.detail) == (Level.FAILURE, "broke off: ZeroDivisionError")


def test_good_results_share_a_line_and_each_problem_has_its_own():
    """So a healthy region fits on a screen."""
    well = [ReportRow("eu", "feeds", CheckResult(what, Level.OK, "good")) for what in ("a", "b")]
    problem = ReportRow("eu", "feeds", CheckResult("c", Level.WARNING, "so so", "fix it"))
    assert lines([*well, problem, ReportRow("eu", "events", well[0].result)]) == [
        (Level.OK, "feeds", "a: good · b: good"),
        (Level.WARNING, "feeds", "c: so so"),
        (Level.OK, "events", "a: good"),
    ]


def test_a_missing_topology_is_reported(tmp_path, monkeypatch, capsys):
    """The message names the file. Its path is relative here, so the terminal's width does not break it."""
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--topology", "none.toml"]) == 1
    assert "none.toml" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["objects", "catalog", "feeds", "events", "settings"])
def test_a_missing_store_is_reported_and_not_created(world, port, capsys):
    """A disk that is not mounted, for example. Every other region is as before."""
    folder = world.data / "regions" / "eu-west"
    (folder / port if port == "objects" else folder / f"{port}.db").rename(world.data / "elsewhere")
    for path in folder.glob(f"{port}.db-*"):
        path.unlink()
    assert world.doctor() == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "there is no store" in shown and "Mount its disk" in shown
    assert not list(folder.glob(f"{port}*"))


def test_nothing_that_the_doctor_writes_stays(world):
    files = sorted(world.data.rglob("*"))
    world.doctor()
    assert [path for path in sorted(world.data.rglob("*")) if path not in files] == []


def test_another_store_than_the_recorded_one_is_reported(world, capsys):
    """As when an old disk is mounted. The advice names the command for this topology."""
    with closing(config.open_settings(world.config, "eu-west")) as settings:
        settings.values.write("stores/objects", "0123456789abcdef")
    assert world.doctor() == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "not those that the settings record: objects" in shown
