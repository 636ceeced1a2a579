"""kill -9 of a replicator in the middle of copies: each visible copy is complete, and all photos are copied later."""

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
from darkroom.local.compliance import statement_of
from regions import ids
from regions.clock import now_ms
from regions.config import open_stores
from regions.events import messages
from regions.records import Photo, Status, Tombstone, Upload
from regions.residency.rules import Rules
from regions.stores.objects import RAW, raw_key
from tests.builders.region_servers import RegionServers, ports_of

PHOTOS = 16
SIZE_BYTES = 8_000_000
NOW_MS = now_ms() - 3_600_000


def body_of(number: int) -> bytes:
    return random.Random(number).randbytes(SIZE_BYTES)


class Machine:
    """eu-west with its photos and its replicator, and the folder of eu-central's objects."""

    def __init__(self, data):
        self.data, machine = data, data_folder.read_machine()
        self.servers = {region: RegionServers() for region in machine.regions}
        self.config = data_folder.prepare(data, machine, ports_of(machine, self.servers))
        rules = Rules(statement_of(self.config), (), leased=True)
        self.stores = {region: open_stores(self.config, region) for region in machine.regions}
        for region, server in self.servers.items():
            server.serve(self.config, region, self.stores[region], lambda: rules)
        self.home = self.stores["eu-west"]
        self.destination = data / "regions" / "eu-central" / "objects"
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

    def has_half_a_copy(self) -> bool:
        """Whether there is an incomplete raw at the destination: a temporary file too large for anything else."""
        try:
            return any(1_000_000 <= size < SIZE_BYTES for size in map(size_of, (self.destination / "tmp").rglob("*")))
        except FileNotFoundError:  # a folder was removed while it was listed
            return False

    def copies(self) -> dict[str, bytes]:
        """The visible raws at the destination, by photo id."""
        files = [path for path in (self.destination / RAW).rglob("p_*") if path.is_file()]
        return {path.name: path.read_bytes() for path in files}

    def is_recorded(self, photo: Photo) -> bool:
        return bool(self.home.catalog.replicas.of_photo(photo.photo_id))

    def log(self) -> str:
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
    for server in made.servers.values():
        server.close()
    for stores in made.stores.values():
        stores.close()


def kill_in_mid_copy(machine, eventually) -> None:
    """Suspends the process, checks that a copy is half done, and only then kills it. Nothing is left of that copy."""
    process, deadline_s = machine.start(), time.monotonic() + 60
    while not suspend_in_mid_copy(machine, process):
        assert time.monotonic() < deadline_s, machine.log()
    machine.kill()
    eventually(lambda: not machine.has_half_a_copy())


def suspend_in_mid_copy(machine, process) -> bool:
    """Whether the process is suspended now. Called without a pause, because a copy takes only milliseconds.

    The copy may end between the first check and the signal, so it is checked again while the process is suspended.
    """
    if not machine.has_half_a_copy():
        return False
    os.kill(process.pid, signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    if machine.has_half_a_copy():
        return True
    os.kill(process.pid, signal.SIGCONT)
    return False


def test_copies_are_complete_after_a_kill_in_mid_copy_and_the_rest_is_copied_later(machine, eventually):
    """Killed twice. Each time, every visible copy is complete, and every recorded replica is there."""
    sha256s = {photo.photo_id: photo.sha256 for photo in machine.photos}
    for _ in range(2):
        kill_in_mid_copy(machine, eventually)
        copies = machine.copies()
        assert all(hashlib.sha256(body).hexdigest() == sha256s[name] for name, body in copies.items())
        assert {photo.photo_id for photo in machine.photos if machine.is_recorded(photo)} <= copies.keys()
        assert len(copies) < PHOTOS
    machine.start()
    eventually(lambda: all(map(machine.is_recorded, machine.photos)), explain=machine.log)
    assert {name: hashlib.sha256(body).hexdigest() for name, body in machine.copies().items()} == sha256s


def test_photos_deleted_while_the_replicator_was_dead_are_erased_when_it_runs_again(machine, eventually):
    """Whether they were copied, half copied or not copied at all. The photo that was not deleted is copied."""
    kill_in_mid_copy(machine, eventually)
    *deleted, kept = machine.photos
    for photo in deleted:
        machine.delete(photo)
    machine.start()
    eventually(lambda: machine.is_recorded(kept), explain=machine.log)
    eventually(lambda: machine.copies().keys() == {kept.photo_id}, explain=machine.log)
    for photo in deleted:
        eventually(lambda photo=photo: machine.home.objects.info(RAW, raw_key(photo.photo_id)) is None)
