"""kill -9 of any one process in the middle of 50 uploads: nothing acknowledged is lost, nothing is in a feed twice."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor, as_completed

import psutil
import pytest

PHOTOS = 50
TRIES = 20
READY_S = 120

pytestmark = pytest.mark.xdist_group("kill")


@pytest.fixture(scope="module")
def followed(own_system, eventually):
    """Ana uploads in Lisbon; Bob in Chicago follows her."""
    ana, bob = own_system.person("Ana", "PT", "lisbon"), own_system.person("Bob", "US", "chicago")
    bob.client.follow(bob.id, ana.id)
    return ana, bob


def upload_all(person, photos: list[bytes], in_the_middle) -> list[str]:
    """Uploads four at a time, and calls `in_the_middle` once half are acknowledged."""
    photo_ids = []
    with ThreadPoolExecutor(4) as threads:
        for upload in as_completed([threads.submit(person.persistent_upload, photo, TRIES) for photo in photos]):
            photo_ids.append(upload.result())
            if len(photo_ids) == PHOTOS // 2:
                in_the_middle()
    return photo_ids


def all_ready_once(ana, bob, photo_ids: list[str], eventually) -> None:
    for photo_id in photo_ids:
        assert ana.client.wait_until_ready(photo_id, READY_S)["status"] == "ready"
    eventually(lambda: set(photo_ids) <= set(feed_of(bob)), READY_S)
    feed = feed_of(bob)
    assert sorted(feed) == sorted(set(feed))


def feed_of(person) -> list[str]:
    photo_ids, before = [], None
    while True:
        page = person.client.feed(person.id, before, 100)
        photo_ids += [photo["id"] for photo in page["items"]]
        before = page["next"]
        if before is None:
            return photo_ids


def kill_child(system, name: str) -> None:
    """Kills the largest child of the process: the Dask worker that decodes photos."""
    children = psutil.Process(system.pids()[name]).children(recursive=True)
    os.kill(max(children, key=lambda child: child.memory_info().rss).pid, signal.SIGKILL)


NAMES = [
    *(f"{kind}-eu-west" for kind in ("origin", "object-server", "processor", "janitor", "replicator")),
    "edge-lisbon",
    "origin-us-central",
    "processor-us-central",
    "edge-chicago",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_process_loses_nothing(own_system, followed, draw, eventually, name):
    """It is restarted, and all 50 photos become ready and are in the follower's feed once."""
    photos = [draw(seed) for seed in range(PHOTOS)]
    pid = own_system.pids()[name]
    photo_ids = upload_all(followed[0], photos, lambda: own_system.kill(name))
    assert len(set(photo_ids)) == PHOTOS
    # Between its end and its restart, it has none.
    eventually(lambda: own_system.pids().get(name, pid) != pid)
    all_ready_once(*followed, photo_ids, eventually)


def test_a_killed_dask_worker_loses_nothing(own_system, followed, draw, eventually):
    """The photo that it was decoding is processed again."""
    photos = [draw(seed) for seed in range(PHOTOS)]
    photo_ids = upload_all(followed[0], photos, lambda: kill_child(own_system, "processor-eu-west"))
    all_ready_once(*followed, photo_ids, eventually)


def test_a_killed_launcher_loses_nothing(own_system, followed, draw, eventually):
    """The whole system ends with it; after a restart, uploads and processing resume."""
    ana, bob = followed

    def kill_and_restart() -> None:
        before = own_system.pids()
        own_system.process.kill()
        own_system.process.wait()
        eventually(lambda: not any(psutil.pid_exists(pid) for pid in before.values()))
        own_system.start()
        ana.move_to(own_system.edges["lisbon"])
        bob.move_to(own_system.edges["chicago"])

    photo_ids = upload_all(ana, [draw(seed) for seed in range(PHOTOS)], kill_and_restart)
    all_ready_once(ana, bob, photo_ids, eventually)
