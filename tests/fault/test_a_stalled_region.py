"""A part of one region freezes, or flaps, and is asked 225 times a second: nobody waits who does not need it."""

import itertools
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import urllib3

from darkroom.client.client import Client
from regions import ids
from tests.builders.accounts import PASSPHRASE
from tests.builders.floods import flooding, unknown_image
from tests.conftest import Person, System, draw_photo

BOUND_S = 2.0
RATE = 225
STALLED = "eu-west"
FOR_S = 7.0
PAUSE_S = 0.5
PHOTOS, FAR_PHOTOS = 14, 4
SIZES = ("150", "320", "640", "1080")


@dataclass
class World:
    """Bob of us-central follows Ana of eu-west: `far_images` are the paths of hers. `looks` are his images, each with
    an edge that has not shown it yet."""

    system: System
    bob: Person
    photo_ids: list[str]
    far_images: list[str]
    looks: Iterator[tuple[str, str]]
    took_s: list[tuple[str, float]] = field(default_factory=list)

    def timed(self, what: str, action: Callable[[], object]) -> None:
        """Any error fails the test."""
        began_s = time.monotonic()
        action()
        self.took_s.append((what, time.monotonic() - began_s))

    def look(self, edge: str, path: str) -> None:
        response = urllib3.request("GET", self.system.edges[edge] + path, retries=False, timeout=30)
        assert response.status == 200, response.data

    def sign_up(self, edge: str) -> None:
        handle = f"someone_{random.randrange(1 << 40)}"
        assert Client(self.system.edges[edge]).sign_up("Carol", "US", handle, PASSPHRASE)["home_region"] == "us-central"

    def act(self, sign_up_at: str) -> None:
        """Once all that somebody does who does not need eu-west."""
        bob = self.bob
        self.timed("sign-up", lambda: self.sign_up(sign_up_at))
        self.timed("feed", lambda: bob.client.feed(bob.id))
        self.timed("like", lambda: bob.client.like(self.photo_ids[0]))
        self.timed("upload", lambda: bob.upload(draw_photo(random.randrange(1 << 20), 64, 48)))
        for _ in range(2):
            edge, path = next(self.looks)
            self.timed("first look", lambda edge=edge, path=path: self.look(edge, path))


@pytest.fixture(scope="module")
def system_in_memory(start_system) -> Iterator[System]:
    """Its data are in memory: a disk that stands still for seconds, as a busy machine has, is no stalled region."""
    with TemporaryDirectory(dir="/dev/shm") as folder:
        yield from start_system(Path(folder))


@pytest.fixture(scope="module")
def world(system_in_memory: System, eventually) -> World:
    system = system_in_memory
    ana, bob = system.person("Ana", "PT", "lisbon"), system.person("Bob", "US", "chicago")
    bob.client.follow(bob.id, ana.id)
    far, near = uploaded(ana, range(FAR_PHOTOS)), uploaded(bob, range(10, 10 + PHOTOS))
    eventually(lambda: {photo["id"] for photo in far} <= set(bob.feed_ids()))
    looks = [
        (edge, path_of(photo["variants"][size])) for photo in near for size in SIZES for edge in ("chicago", "sydney")
    ]
    far_images = [path_of(photo["variants"][size]) for photo in far for size in SIZES]
    return World(system, bob, [photo["id"] for photo in near], far_images, itertools.cycle(looks))


def uploaded(person: Person, seeds: Iterable[int]) -> list[dict[str, Any]]:
    photo_ids = [person.upload(draw_photo(seed)) for seed in seeds]
    return [person.client.wait_until_ready(photo_id, 60) for photo_id in photo_ids]


def path_of(url: str) -> str:
    return urllib3.util.parse_url(url).path


@contextmanager
def stalled(system: System, process: str, pause_s: float | None = None) -> Iterator[None]:
    """The process stands still until the block ends; with `pause_s`, it runs for that long after each such pause."""
    pid, over = system.pids()[process], threading.Event()

    def flap() -> None:
        while not over.wait(pause_s):
            os.kill(pid, signal.SIGCONT)
            over.wait(pause_s)
            os.kill(pid, signal.SIGSTOP)

    flapping = threading.Thread(target=flap)
    os.kill(pid, signal.SIGSTOP)
    try:
        if pause_s:
            flapping.start()
        yield
    finally:
        over.set()
        if pause_s:
            flapping.join()
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("process", "pause_s", "sign_up_at"),
    [
        # First, while no edge has a copy of what is asked for.
        pytest.param(f"object-server-{STALLED}", None, "lisbon", id="its object server is frozen"),
        pytest.param(f"origin-{STALLED}", None, "lisbon", id="its origin is frozen"),
        pytest.param(f"origin-{STALLED}", 1.0, "lisbon", id="its origin is frozen every other second"),
        pytest.param("edge-lisbon", None, "frankfurt", id="its shield is frozen"),
    ],
)
def test_who_does_not_need_a_stalled_region_gets_no_error_and_waits_for_two_seconds_at_most(
    world, process, pause_s, sign_up_at, eventually
):
    """Sign-up, feed, like, upload and first looks at another region, through the edge that is flooded."""
    world.took_s.clear()
    chicago = world.system.edges["chicago"]
    number = ids.parse(ids.PHOTO, world.far_images[0].split("/")[2]).region
    unknown = [] if process.startswith("object-server") else [unknown_image(number) for _ in range(2000)]
    with stalled(world.system, process, pause_s), flooding(chicago, RATE, [*world.far_images, *unknown]) as flood:
        end_s = time.monotonic() + FOR_S
        while time.monotonic() < end_s:
            world.act(sign_up_at)
            time.sleep(PAUSE_S)
    slowest = sorted(world.took_s, key=lambda one: -one[1])[:5]
    assert slowest[0][1] < BOUND_S, slowest
    assert pause_s or flood.statuses["503"] > RATE, "the flood met no stalled region"
    eventually(lambda: urllib3.request("GET", chicago + world.far_images[0], retries=False).status == 200, within_s=20)
