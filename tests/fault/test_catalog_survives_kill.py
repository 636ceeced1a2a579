"""kill -9 of a process that writes to the SQLite catalog: what it acknowledged is there, and no change is half done."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections import defaultdict

import pytest

from regions import ids
from regions.records import Status, User
from regions.stores.catalog import Catalog
from regions.stores.sqlite import adapter as sqlite

EVERYTHING = 1_000_000
EVERY_FACT = {"user", "begun", "changed", "deleted", "followed"}

# What a process writes about one number, and says when each write has returned.
LIFE = """
import os, signal, sqlite3, sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from regions import ids
from regions.events import messages
from regions.records import Photo, Status, Tombstone, Upload, User
from regions.stores.sqlite import adapter as sqlite

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
    if number % 3 == 0:
        assert catalog.photos.delete(Tombstone(photo_id, user_id, 1), messages.photo_deleted(photo, 1))
        acknowledge("deleted", number)
    author_id = ids.to_public(ids.USER, number + 1)
    catalog.follows.change(user_id, author_id, True, messages.follow_changed(user_id, author_id, True, 1))
    acknowledge("followed", number)
"""

# Four threads, each going on with numbers of its own for ever.
FOR_EVER = """
catalog = sqlite.open_catalog(sys.argv[1])

def go_on(first):
    for number in count(first, 4):
        live(catalog, number)

with ThreadPoolExecutor(4) as pool:
    list(pool.map(go_on, range(4)))
"""

# For each statement that SQLite is given a process that kills itself before it, on a file of its own; the last lives.
BEFORE_EACH_STATEMENT = """
connect = sqlite3.connect

def connect_to_die(before):
    statements = count()
    def trace(_):
        if next(statements) == before:
            os.kill(os.getpid(), signal.SIGKILL)
    def connect_traced(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.set_trace_callback(trace)
        return connection
    return connect_traced

for step in range(500):
    child = os.fork()
    if child == 0:
        sqlite3.connect = connect_to_die(step)
        live(sqlite.open_catalog(f"{sys.argv[1]}/{3 * step}.db"), 3 * step)
        os._exit(0)
    if os.waitpid(child, 0)[1] != signal.SIGKILL:
        break
"""


class Found:
    """What the catalog holds about each number, and the events that tell of it."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._told = [(event.topic, event.key) for event in catalog.outbox.pending(EVERYTHING)]

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
        assert changed == self.tells("photos_uploaded", photo_id)
        assert deleted == self.tells("photo_deleted", photo_id)
        assert followed == self.tells("follow_changed", author_id)
        assert (photo is None) == (self._catalog.uploads.get(photo_id) is None)
        held = {
            "user": self._catalog.users.get(user_id) is not None,
            "begun": deleted or photo is not None,
            "changed": changed,
            "deleted": deleted,
            "followed": followed,
        }
        return {fact for fact, is_true in held.items() if is_true}


def acknowledgements(lines: list[bytes]) -> dict[int, set[str]]:
    """By number."""
    found = defaultdict(set)
    for line in lines:
        what, number = line.decode().split()
        found[int(number)].add(what)
    return found


@pytest.fixture
def kill_after(tmp_path, catalog):
    """Kills a writer when it has acknowledged so many writes; gives all that it did acknowledge."""
    command = [sys.executable, "-c", LIFE + FOR_EVER, str(tmp_path / "catalog.db")]

    def run(writes: int) -> dict[int, set[str]]:
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            said = [writer.stdout.readline() for _ in range(writes)]
            os.kill(writer.pid, signal.SIGKILL)
            said += writer.stdout.readlines()
        return acknowledgements(said)

    return run


@pytest.mark.parametrize("writes", [1, 50, 333])
def test_what_was_acknowledged_is_there_and_nothing_is_half_done(catalog, kill_after, writes):
    """Looked up in a handle that was open all the while."""
    acknowledged = kill_after(writes)
    found = Found(catalog)
    for number in range(max(acknowledged) + 8):
        assert acknowledged[number] <= found.facts(number)


def test_a_kill_before_any_statement_leaves_nothing_half_done(tmp_path):
    """From the making of the file to the last write, each statement in turn."""
    command = [sys.executable, "-c", LIFE + BEFORE_EACH_STATEMENT, str(tmp_path)]
    said = subprocess.run(command, stdout=subprocess.PIPE, timeout=60, check=True).stdout
    acknowledged = acknowledgements(said.splitlines())
    files = list(tmp_path.glob("*.db"))
    for file in files:
        catalog = sqlite.open_catalog(str(file))
        assert acknowledged[int(file.stem)] <= Found(catalog).facts(int(file.stem))
        catalog.close()
    last = max(int(file.stem) for file in files)
    assert acknowledged[last] == EVERY_FACT
    assert acknowledged[0] == set()


def test_the_file_is_whole_and_others_write_on(catalog, kill_after, tmp_path):
    """The dead process holds no lock."""
    kill_after(50)
    ana = User(ids.to_public(ids.USER, 1 << 40), "Ana", "PT", "eu", "eu-west", 1)
    catalog.users.add(ana)
    assert catalog.users.get(ana.user_id) == ana
    connection = sqlite3.connect(tmp_path / "catalog.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
