"""A destination is away for days: what waits for it costs disk in the event log, and no memory in the replicator."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from darkroom.local import data_folder
from darkroom.local.compliance import statement_of
from regions import ids
from regions.clock import now_ms
from regions.config import Config, Stores, open_stores
from regions.errors import Unavailable
from regions.events import messages
from regions.events.messages import Event
from regions.events.set_aside import AN_HOUR, SetAside, to_event
from regions.events.topics import PHOTO_READY, lane_group
from regions.records import Photo, Status, Upload
from regions.residency.rules import Rules
from regions.waiting import attempts
from tests.builders.region_servers import RegionServers, ports_of

HOME, AWAY = "eu-west", "eu-central"
PHOTOS, WAITING, ASIDE = 200, 200_000, 50_000
BATCH = 5_000
MOST_MIB = 24
"""Either kind has some ten MiB in the log, and would take several times that as Python's objects."""
WITHIN_S, STEADY_S = 180, 3.0
NOW_MS = now_ms()

pytestmark = pytest.mark.xdist_group("kafka")


class RunningReplicator:
    """That of the home, as a process. The other regions' origins answer, but for the one that is away."""

    def __init__(self, data: Path, config: Config) -> None:
        self._data, self._config = data, config
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "darkroom", "run", "replicator", HOME, "--topology", str(self._config.path)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()

    def has_tried(self) -> bool:
        return self._log.read_text().count("will be retried") >= 10

    def peak_mib(self) -> float:
        """The most memory that it has ever had."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024

    def log(self) -> str:
        return self._log.read_text()[-2000:]

    @property
    def _log(self) -> Path:
        return self._data / "replicator.log"


@pytest.fixture(params=["sqlite", "kafka"])
def home_events(request, running_server, monkeypatch) -> Iterator[None]:
    """The home's event log, as the topology names it."""
    with ExitStack() as running:
        if request.param == "kafka":
            kafka = running.enter_context(running_server("kafka"))
            url = f"kafka://{kafka.address}/test-{os.urandom(8).hex()}?partitions=64"
            monkeypatch.setenv("DARKROOM_EU_WEST_EVENTS", url)
        yield


@pytest.fixture
def config(home_events, tmp_path) -> Iterator[Config]:
    machine = data_folder.read_machine()
    with ExitStack() as running:
        servers = {region: running.enter_context(closing(RegionServers())) for region in machine.regions}
        config = data_folder.prepare(tmp_path, machine, ports_of(machine, servers))
        rules = Rules(statement_of(config), (), leased=True)
        for region, server in servers.items():
            server.serve(config, region, running.enter_context(closing(open_stores(config, region))), lambda: rules)
        servers[AWAY].set_away(True)
        yield config


@pytest.fixture
def home(config) -> Iterator[Stores]:
    with closing(open_stores(config, HOME)) as stores:
        yield stores


@pytest.fixture
def replicator(config, tmp_path) -> Iterator[RunningReplicator]:
    made = RunningReplicator(tmp_path, config)
    yield made
    made.stop()


@pytest.fixture
def photos(home) -> list[Photo]:
    return [add_photo(home, number) for number in range(PHOTOS)]


def add_photo(home: Stores, number: int) -> Photo:
    photo_id = ids.to_public(ids.PHOTO, ids.compose(ids.Snowflake(NOW_MS - number, 1, 1, 0)))
    owner_id = ids.to_public(ids.USER, 1 << 16)
    photo = Photo(photo_id, owner_id, "eu", HOME, Status.PROCESSING, "", 1, "ab" * 32, NOW_MS)
    home.catalog.photos.create(photo, Upload(photo_id, "m", "a.jpg", 1, 1, 1))
    ready = replace(photo, status=Status.READY)
    assert home.catalog.photos.update(ready, {Status.PROCESSING}, messages.photo_ready(ready, NOW_MS))
    return ready


def ready(photos: list[Photo], number: int) -> Event:
    return replace(messages.photo_ready(photos[number % PHOTOS], NOW_MS), event_id=f"{PHOTO_READY}:{number}")


def set_aside(photos: list[Photo], number: int) -> Event:
    due_ms = NOW_MS + AN_HOUR.ms
    return to_event(
        SetAside(ready(photos, number), lane_group(AWAY), AN_HOUR, 3, NOW_MS, due_ms, "Unprocessable('not now')"),
        NOW_MS,
    )


def publish(home: Stores, photos: list[Photo], count: int, make: Callable[[list[Photo], int], Event]) -> None:
    """Again and again, if the log takes longer than a publisher waits, as the outbox would."""
    for start in range(0, count, BATCH):
        events = [make(photos, number) for number in range(start, min(start + BATCH, count))]
        for _ in attempts(WITHIN_S):
            with suppress(Unavailable):
                home.events.publish(events)
                break


def peak_mib(replicator: RunningReplicator, eventually) -> float:
    """Of one that starts now, when it has tried some events and needs no more any more."""
    replicator.start()
    eventually(replicator.has_tried, WITHIN_S, replicator.log)
    before_mib, found_mib = 0.0, replicator.peak_mib()
    while found_mib > before_mib + 1:
        time.sleep(STEADY_S)
        before_mib, found_mib = found_mib, replicator.peak_mib()
    replicator.stop()
    return found_mib


def test_a_backlog_costs_no_memory(home, photos, replicator, eventually):
    """Of events that wait for the destination, and of as many that were set aside."""
    publish(home, photos, PHOTOS, ready)
    few_mib = peak_mib(replicator, eventually)
    publish(home, photos, WAITING, ready)
    publish(home, photos, ASIDE, set_aside)
    many_mib = peak_mib(replicator, eventually)
    for topic, waiting in ((PHOTO_READY, WAITING), (AN_HOUR.topic, ASIDE)):
        assert sum(home.events.lag(topic, lane_group(AWAY)).values()) >= waiting
    sys.stdout.write(f"{few_mib:.0f} MiB with {PHOTOS} events, {many_mib:.0f} MiB with {WAITING + ASIDE:,} more\n")
    assert many_mib - few_mib < MOST_MIB
