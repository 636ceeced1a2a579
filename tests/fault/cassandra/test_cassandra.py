"""The Cassandra catalog when its server or its own process is killed: nothing is lost, and nothing is half done."""

import threading

import pytest

from regions import ids
from regions.clock import now_ms
from regions.records import Status
from regions.stores.cassandra import adapter as cassandra
from regions.stores.cassandra.address import parse_address
from regions.stores.cassandra.session import CassandraSession
from regions.stores.catalog import Catalog
from tests.builders import scripts
from tests.builders.catalog_writes import ALL_WRITES, EVERYTHING, CatalogContents, acknowledgements
from tests.builders.stores import created
from tests.builders.uploads import expired_uploads

AGAIN_S = 30
# Older than any deletion that is still in progress; older than any intent that may still get its event.
LATER_MS, MUCH_LATER_MS = 60_000, 1_200_000

pytestmark = pytest.mark.xdist_group("cassandra")

COMMON = """
import os, signal, sys
from itertools import count
from regions.stores.cassandra.session import CassandraSession
from regions.stores.cassandra import adapter as cassandra
from tests.builders.catalog_writes import write_all, write_for_ever
from tests.builders.stores import created
"""

WRITER = COMMON + "write_for_ever(created(cassandra.catalog(sys.argv[1])))"

# For each request that `write_all` makes, a process that kills itself before it; the last one ends by itself.
BEFORE_EACH_REQUEST = (
    COMMON
    + """
errors_as_unavailable = CassandraSession._errors_as_unavailable

for step in count():
    child = os.fork()
    if child == 0:
        catalog, requests = created(cassandra.catalog(sys.argv[1])), count()

        def die_or_request(session):
            if next(requests) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return errors_as_unavailable(session)

        CassandraSession._errors_as_unavailable = die_or_request
        write_all(catalog, 3 * step)
        os._exit(0)
    if os.waitpid(child, 0)[1] != signal.SIGKILL:
        print("steps", step)
        break
"""
)


class Writer:
    """A process that writes one number after the other, and the lines that it has printed so far."""

    def __init__(self, url: str) -> None:
        self.process = scripts.start(WRITER, url)
        self.lines: list[str] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def count(self, write: str) -> int:
        return sum(line.startswith(write) for line in self.lines)

    def kill(self) -> None:
        self.process.kill()
        self._reading.join()
        self.process.wait()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as printed:
            self.lines.extend(line.decode() for line in printed)


@pytest.fixture
def writer(url):
    created(cassandra.catalog(url)).close()
    started = Writer(url)
    yield started
    started.kill()


class KilledWriters:
    """What is left of processes that were killed before one request each: the n-th before its n-th request."""

    def __init__(self, url: str, lines: list[str]) -> None:
        self.steps = int(lines[-1].split()[1])
        self.acknowledged = acknowledgements(lines[:-1])
        self._url, self._opened = url, []

    def open(self, ahead_ms: int) -> Catalog:
        self._opened.append(created(cassandra.catalog(self._url, clock_ms=lambda: now_ms() + ahead_ms)))
        return self._opened[-1]

    def session(self) -> CassandraSession:
        session = CassandraSession(parse_address(self._url), None)
        session.use(session.address.keyspace)
        self._opened.append(session)
        return session

    def close(self) -> None:
        for opened in self._opened:
            opened.close()


@pytest.fixture(scope="module")
def killed_writers(server):
    url = f"cassandra://{server.address}/killed_writers"
    created(cassandra.catalog(url)).close()
    writers = KilledWriters(url, scripts.output(BEFORE_EACH_REQUEST, url, timeout_s=300))
    yield writers
    writers.close()


def test_a_kill_before_any_request_leaves_nothing_half_done(killed_writers):
    """Each request in turn; the sweep completes what was started."""
    steps = killed_writers.steps
    contents = CatalogContents(killed_writers.open(LATER_MS))
    assert steps > 15
    for step in range(steps + 1):
        assert killed_writers.acknowledged[3 * step] <= contents.writes(3 * step)
    assert killed_writers.acknowledged[3 * steps] == ALL_WRITES


def test_an_intent_without_an_event_is_dropped(killed_writers):
    """When it is so old that no process can still write its event."""
    events = killed_writers.open(MUCH_LATER_MS).outbox.pending(EVERYTHING)
    session = killed_writers.session()
    assert len(session.execute("SELECT intent_id FROM outbox")) == len(events)


def test_an_upload_whose_process_died_expires(killed_writers):
    """So that its parts are removed, before whichever request the process was killed."""
    catalog = killed_writers.open(LATER_MS)
    expired = {upload.photo_id for upload in expired_uploads(catalog, now_ms())}
    numbers = range(0, 3 * killed_writers.steps, 3)
    photos = catalog.photos.summaries([ids.to_public(ids.PHOTO, number) for number in numbers]).values()
    uploading = {photo.photo_id for photo in photos if photo.status is Status.UPLOADING}
    assert uploading
    assert expired == uploading


def test_a_killed_server_loses_nothing_and_the_same_catalog_reconnects(server, writer, open_at, eventually):
    """What it acknowledged before is there after its restart, and clients that were connected continue to write."""
    eventually(lambda: writer.count("followed") >= 20)
    server.kill()
    eventually(lambda: writer.count("unavailable") > 0)
    server.start()
    server.wait()
    before = writer.count("followed")
    eventually(lambda: writer.count("followed") >= before + 8, AGAIN_S)
    writer.kill()
    acknowledged = acknowledgements(line for line in writer.lines if not line.startswith("unavailable"))
    contents = CatalogContents(open_at(LATER_MS))
    for number, writes in acknowledged.items():
        assert writes <= contents.writes(number)
