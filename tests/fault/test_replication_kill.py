"""kill -9 of a replicator in the middle of copies: every object that shows is whole, and all of them come."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from darkroom.local import data_folder
from regions import ids
from regions.config import open_stores
from regions.events import messages
from regions.records import Photo, Status, Tombstone, Upload
from regions.stores.objects import RAW, raw_key

PHOTOS = 16
SIZE_BYTES = 8_000_000
NOW_MS = 1_900_000_000_000


def body_of(number: int) -> bytes:
    return random.Random(number).randbytes(SIZE_BYTES)


class Machine:
    """eu-west with its photos and its replicator, and the folder of eu-central's objects."""

    def __init__(self, data):
        self.data, shape = data, data_folder.read_machine()
        self.config = data_folder.prepare(data, shape, {process.name: 1 for process in shape.processes()})
        self.home = open_stores(self.config, "eu-west")
        self.there = data / "regions" / "eu-central" / "objects"
        self.photos = [self.add_photo(number) for number in range(PHOTOS)]
        self.started: list[subprocess.Popen[bytes]] = []

    def add_photo(self, number: int) -> Photo:
        body = body_of(number)
        photo_id = ids.to_public(ids.PHOTO, ids.compose(ids.Snowflake(NOW_MS, 1, 1, number)))
        owner_id, sha256 = ids.to_public(ids.USER, 1 << 16), hashlib.sha256(body).hexdigest()
        photo = Photo(photo_id, owner_id, "eu", "eu-west", Status.PROCESSING, "", SIZE_BYTES, sha256, NOW_MS)
        self.home.objects.put(RAW, raw_key(photo_id), [body], sha256, "image/jpeg")
        self.home.catalog.photos.create(photo, Upload(photo_id, "m", "a.jpg", SIZE_BYTES, SIZE_BYTES, 1))
        ready = replace(photo, status=Status.READY)
        event = messages.photo_ready(ready, NOW_MS)
        assert self.home.catalog.photos.update(ready, {Status.PROCESSING}, event)
        self.home.events.publish([event])
        return ready

    def delete(self, photo: Photo) -> None:
        event = messages.photo_deleted(photo, NOW_MS)
        assert self.home.catalog.photos.delete(Tombstone(photo.photo_id, photo.owner_id, NOW_MS), event)
        self.home.events.publish([event])

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "darkroom", "run", "replicator", "eu-west"]
        with (self.data / "replicator.log").open("ab") as log:
            self.started.append(
                subprocess.Popen(
                    [*command, "--topology", self.config.secrets.parent / "topology.toml"],
                    stdin=subprocess.PIPE,
                    stderr=log,
                )
            )
        return self.started[-1]

    def kill(self) -> None:
        self.started[-1].kill()
        self.started[-1].wait()

    def half_copied(self) -> bool:
        """Whether part of an original, too large for anything else, is on its way at the destination."""
        try:
            return any(1_000_000 <= size < SIZE_BYTES for size in map(size_of, (self.there / "tmp").rglob("*")))
        except FileNotFoundError:  # a folder that went while it was walked
            return False

    def shown(self) -> dict[str, bytes]:
        """The originals at the destination, by name."""
        files = [path for path in (self.there / RAW).rglob("p_*") if path.is_file()]
        return {path.name: path.read_bytes() for path in files}

    def is_recorded(self, photo: Photo) -> bool:
        return bool(self.home.catalog.replicas.of_photo(photo.photo_id))

    def said(self) -> str:
        return (self.data / "replicator.log").read_text()[-2000:]


def size_of(path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0


@pytest.fixture
def machine(tmp_path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    for process in made.started:
        process.kill()
        process.wait()
        process.stdin.close()
    made.home.close()


def kill_in_mid_copy(machine) -> None:
    """Holds the process still to see that a copy is half done, and only then kills it."""
    process, deadline_s = machine.start(), time.monotonic() + 60
    while not is_caught(machine, process):
        assert time.monotonic() < deadline_s, machine.said()
    machine.kill()
    assert machine.half_copied()


def is_caught(machine, process) -> bool:
    # Looks without a pause, since a copy takes only milliseconds.
    if not machine.half_copied():
        return False
    os.kill(process.pid, signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    if machine.half_copied():
        return True
    os.kill(process.pid, signal.SIGCONT)
    return False


def test_every_object_is_whole_after_a_kill_in_mid_copy_and_all_come_in_the_end(machine, eventually):
    """Killed twice; what shows at the destination is whole each time, and what is recorded is there."""
    sums = {photo.photo_id: photo.sha256 for photo in machine.photos}
    for _ in range(2):
        kill_in_mid_copy(machine)
        shown = machine.shown()
        assert all(hashlib.sha256(body).hexdigest() == sums[name] for name, body in shown.items())
        assert {photo.photo_id for photo in machine.photos if machine.is_recorded(photo)} <= shown.keys()
        assert len(shown) < PHOTOS
    machine.start()
    eventually(lambda: all(map(machine.is_recorded, machine.photos)), explain=machine.said)
    assert {name: hashlib.sha256(body).hexdigest() for name, body in machine.shown().items()} == sums


def test_what_was_deleted_while_the_replicator_was_dead_is_gone_when_it_is_back(machine, eventually):
    """All of it, whether it was copied, half copied or not begun; what was not deleted comes."""
    kill_in_mid_copy(machine)
    *deleted, kept = machine.photos
    for photo in deleted:
        machine.delete(photo)
    machine.start()
    eventually(lambda: machine.is_recorded(kept), explain=machine.said)
    eventually(lambda: machine.shown().keys() == {kept.photo_id}, explain=machine.said)
    for photo in deleted:
        eventually(lambda photo=photo: machine.home.objects.info(RAW, raw_key(photo.photo_id)) is None)
        assert not machine.is_recorded(photo)
