"""The Cassandra catalog when its server or its own process is killed: nothing is lost, and nothing is half done."""

import subprocess
import sys
import threading
from collections import defaultdict

import pytest

from regions import ids
from regions.clock import now_ms
from regions.records import Status
from regions.stores.cassandra import adapter as cassandra
from regions.stores.cassandra import schema
from regions.stores.cassandra.address import parse_address
from regions.stores.cassandra.session import CassandraSession
from regions.stores.catalog import Catalog

EVERYTHING = 100_000
EVERY_FACT = {"user", "begun", "changed", "liked", "deleted", "followed"}
KILLED = -9
AGAIN_S = 30
# Older than any deletion that is still under way; older than any intent that may still get its event.
LATER_MS, MUCH_LATER_MS = 60_000, 1_200_000

pytestmark = pytest.mark.xdist_group("cassandra")

# What a process writes about one number, and says when each write has returned.
LIFE = """
import os, signal, sys, threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from regions import ids
from regions.events import messages
from regions.errors import Unavailable
from regions.records import Comment, Photo, Status, Tombstone, Upload, User
from regions.stores.cassandra import schema
from regions.stores.cassandra.session import CassandraSession
from regions.stores.cassandra import adapter as cassandra

def acknowledge(what, number):
    os.write(1, f"{what} {number}\\n".encode())

def live(catalog, number):
    user_id, photo_id = ids.to_public(ids.USER, number), ids.to_public(ids.PHOTO, number)
    catalog.users.add(User(user_id, "Ana", "PT", "eu", "eu-west", 1))
    acknowledge("user", number)
    photo = Photo(photo_id, user_id, "eu", "eu-west", Status.UPLOADING, "", 9, None, number)
    catalog.photos.create(photo, Upload(photo_id, "m", "a.jpg", 9, 9, 1))
    acknowledge("begun", number)
    processing = replace(photo, status=Status.PROCESSING)
    assert catalog.photos.update(processing, {Status.UPLOADING}, messages.photos_uploaded(photo, 1))
    acknowledge("changed", number)
    catalog.likes.add(photo_id, user_id, 1)
    acknowledge("liked", number)
    if number % 3 == 0:
        assert catalog.photos.delete(Tombstone(photo_id, user_id, 1), messages.photo_deleted(photo, 1))
        acknowledge("deleted", number)
    author_id = ids.to_public(ids.USER, number + 1)
    catalog.follows.change(user_id, author_id, True, messages.follow_changed(user_id, author_id, True, 1))
    acknowledge("followed", number)
"""

# Four threads, each going on with numbers of its own for ever, whether the store answers or not.
FOR_EVER = """
catalog = cassandra.open_catalog(sys.argv[1])

def go_on(first):
    for number in count(first, 4):
        try:
            live(catalog, number)
        except Unavailable:
            acknowledge("unavailable", number)
            threading.Event().wait(0.2)

with ThreadPoolExecutor(4) as pool:
    list(pool.map(go_on, range(4)))
"""

# For each request of a life, a process that kills itself before it; the last lives.
BEFORE_EACH_REQUEST = """
reaching = CassandraSession._translate_errors

for step in count():
    child = os.fork()
    if child == 0:
        catalog, requests = cassandra.open_catalog(sys.argv[1]), count()

        def reach(session):
            if next(requests) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return reaching(session)

        CassandraSession._translate_errors = reach
        live(catalog, 3 * step)
        os._exit(0)
    if os.waitpid(child, 0)[1] != signal.SIGKILL:
        print("steps", step)
        break
"""

OPEN = "cassandra.open_catalog(sys.argv[1]).close()"

# Opens the catalog and dies while it makes the sixth table.
DIE_IN_MIGRATION = """
change_schema, tables = CassandraSession.change_schema, count()
schema._LOCK_S = 3

def change(session, statement):
    if next(tables) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    change_schema(session, statement)

CassandraSession.change_schema = change
cassandra.open_catalog(sys.argv[1])
"""


class Found:
    """What the catalog holds about each number, and the events that tell of it."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._told = [(event.topic, event.key) for event in catalog.outbox.pending(EVERYTHING)]
        self._placed = {entry.tombstone.photo_id for entry in catalog.tombstones.after(0, EVERYTHING)}

    def tells(self, topic: str, key: str) -> bool:
        """Raises where it is told twice."""
        assert self._told.count((topic, key)) <= 1
        return (topic, key) in self._told

    def facts(self, number: int) -> set[str]:
        """What is so, in the words of the acknowledgements. Raises where a state or its event stands alone."""
        user_id, photo_id = ids.to_public(ids.USER, number), ids.to_public(ids.PHOTO, number)
        author_id = ids.to_public(ids.USER, number + 1)
        photo, deleted = self._catalog.photos.get(photo_id), self._catalog.tombstones.get(photo_id) is not None
        changed = deleted or (photo is not None and photo.status is Status.PROCESSING)
        followed = self._catalog.follows.authors(user_id, None, 9) == [author_id]
        likes = self._catalog.likes.page(photo_id, None, 9)
        assert changed == self.tells("photos_uploaded", photo_id)
        assert deleted == self.tells("photo_deleted", photo_id) == (photo_id in self._placed)
        assert followed == self.tells("follow_changed", author_id)
        assert followed == (self._catalog.follows.local_followers(author_id, None, 9) == [user_id])
        assert (photo is None) == (self._catalog.uploads.get(photo_id) is None)
        assert not (deleted and likes)
        held = {
            "user": self._catalog.users.get(user_id) is not None,
            "begun": deleted or photo is not None,
            "changed": changed,
            "liked": deleted or likes == [user_id],
            "deleted": deleted,
            "followed": followed,
        }
        return {fact for fact, is_true in held.items() if is_true}


class Writer:
    """A process that lives one number after the other, and what it has said so far."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", LIFE + FOR_EVER, url], stdout=subprocess.PIPE)
        self.said: list[bytes] = []
        self._listening = threading.Thread(target=self._listen)
        self._listening.start()

    def times(self, what: bytes) -> int:
        return sum(line.startswith(what) for line in self.said)

    def kill(self) -> None:
        self.process.kill()
        self._listening.join()
        self.process.wait()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            self.said.extend(lines)


def acknowledgements(lines: list[bytes]) -> dict[int, set[str]]:
    """By number."""
    found = defaultdict(set)
    for line in lines:
        what, number = line.decode().split()
        found[int(number)].add(what)
    return found


@pytest.fixture
def writer(url):
    cassandra.open_catalog(url).close()
    started = Writer(url)
    yield started
    started.kill()


class Lives:
    """What came of the processes of which each was killed before another request."""

    def __init__(self, url: str, said: list[bytes]) -> None:
        self.steps = int(said.pop().split()[1])
        self.acknowledged = acknowledgements(said)
        self._url, self._opened = url, []

    def open(self, ahead_ms: int) -> Catalog:
        self._opened.append(cassandra.open_catalog(self._url, clock_ms=lambda: now_ms() + ahead_ms))
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
def lives(server):
    url = f"cassandra://{server.address}/lives"
    cassandra.open_catalog(url).close()
    ended = Lives(url, run(BEFORE_EACH_REQUEST, url).communicate(timeout=300)[0].splitlines())
    yield ended
    ended.close()


def run(script: str, url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", LIFE + script, url], stdout=subprocess.PIPE)


def versions(session: CassandraSession) -> list[int]:
    session.use(session.address.keyspace)
    return [version for (version,) in session.execute("SELECT version FROM schema_versions WHERE one = 0")]


def test_two_processes_migrate_at_once(url, session, open_at):
    """Both open the catalog; every version is recorded once, and the tables serve."""
    opening = [run(OPEN, url) for _ in range(2)]
    said = [process.communicate(timeout=180) for process in opening]
    assert [process.returncode for process in opening] == [0, 0], said
    assert versions(session) == list(range(1, len(schema.MIGRATIONS) + 1))
    assert open_at(0).photos.by_owner(ids.to_public(ids.USER, 1), None, 9) == []


def test_a_migration_cut_off_is_brought_to_its_end(url, session, open_at):
    """By the next process, once the dead one's lock has run out."""
    dying = run(DIE_IN_MIGRATION, url)
    dying.communicate(timeout=180)
    assert dying.returncode == KILLED
    catalog = open_at(0)
    assert catalog.uploads.expired(now_ms(), 9) == []
    assert versions(session) == list(range(1, len(schema.MIGRATIONS) + 1))


def test_a_kill_before_any_request_leaves_nothing_half_done(lives):
    """Each request of a life in turn; the sweep completes what was begun."""
    steps = lives.steps
    found = Found(lives.open(LATER_MS))
    assert steps > 15
    for step in range(steps + 1):
        assert lives.acknowledged[3 * step] <= found.facts(3 * step)
    assert lives.acknowledged[3 * steps] == EVERY_FACT


def test_an_intent_that_came_to_nothing_is_dropped(lives):
    """When it is so old that nobody can still write its event."""
    events = lives.open(MUCH_LATER_MS).outbox.pending(EVERYTHING)
    session = lives.session()
    assert len(session.execute("SELECT intent_id FROM outbox")) == len(events)


def test_an_upload_whose_process_died_expires(lives):
    """So that its parts are taken away, wherever in its life the process was killed."""
    catalog = lives.open(LATER_MS)
    expired = {upload.photo_id for upload in catalog.uploads.expired(now_ms(), EVERYTHING)}
    numbers = range(0, 3 * lives.steps, 3)
    photos = catalog.photos.get_many([ids.to_public(ids.PHOTO, number) for number in numbers]).values()
    uploading = {photo.photo_id for photo in photos if photo.status is Status.UPLOADING}
    assert uploading
    assert expired == uploading


def test_a_killed_server_loses_nothing_and_the_same_catalog_goes_on(server, writer, open_at, eventually):
    """What it acknowledged before is there after it has started again, and its connected clients write on."""
    eventually(lambda: writer.times(b"followed") >= 20)
    server.kill()
    eventually(lambda: writer.times(b"unavailable") > 0)
    server.start()
    server.wait()
    before = writer.times(b"followed")
    eventually(lambda: writer.times(b"followed") >= before + 8, AGAIN_S)
    writer.kill()
    acknowledged = acknowledgements([line for line in writer.said if not line.startswith(b"unavailable")])
    found = Found(open_at(LATER_MS))
    for number, facts in acknowledged.items():
        assert facts <= found.facts(number)
