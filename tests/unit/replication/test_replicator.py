"""A whole replicator on real stores, run as its process runs it."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from regions import ids
from regions.config import open_stores
from regions.events import messages
from regions.events.topics import DEAD_LETTERS, ERASURE, FOLLOW_CHANGED, PHOTO_DELETED, PHOTO_READY, PHOTO_REFERENCED
from replication.replicator import main


@contextmanager
def replicator(regions, region: str):
    """Runs until the end of the block; raises the replicator's errors."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(main, regions.config, region, "test", stop)
        try:
            yield
        finally:
            stop.set()
            running.result(30)


@pytest.fixture(autouse=True)
def leaves_no_thread():
    """All threads that a replicator started have ended when it ends."""
    before = set(threading.enumerate())
    yield
    assert {thread for thread in threading.enumerate() if thread not in before} == set()


def test_a_photo_is_copied_and_deleted_everywhere(regions, eventually):
    """With metadata and a replica record; after the deletion no region has a byte of it, not even its home."""
    photo, _ = regions.add_photo("eu-west")
    with replicator(regions, "eu-west"):
        eventually(lambda: regions.replicas(photo))
        assert regions.files_of(photo) == dict.fromkeys(("eu-west", "eu-central"), regions.everything)
        regions.delete(photo)
        eventually(lambda: not regions.files_of(photo) and not regions.replicas(photo))
        others = ("eu-central", "us-central")
        eventually(lambda: all(regions.stores[one].catalog.tombstones.get(photo.photo_id) for one in others))


def test_a_corrupt_photo_goes_to_the_dead_letters_and_blocks_no_other(regions, eventually):
    """Its dead letter has the error, the photos after it are copied, and the lane has no lag."""
    corrupt, _ = regions.add_photo("eu-west")
    regions.corrupt(corrupt)
    later = [regions.add_photo("eu-west", size_bytes=1000)[0] for _ in range(8)]
    with replicator(regions, "eu-west"):
        eventually(lambda: all(regions.replicas(photo) for photo in later))
        [letter] = eventually(lambda: regions.published("eu-west", DEAD_LETTERS))
        eventually(lambda: regions.lag("eu-west", PHOTO_READY, "lane-eu-central") == 0)
    assert letter.body["event"]["key"] == corrupt.photo_id
    assert (letter.body["group"], "SHA-256" in letter.body["error"]) == ("lane-eu-central", True)
    assert regions.replicas(corrupt) == []


def test_copies_wait_for_a_statement_and_deletions_do_not(regions, eventually):
    """A photo is deleted while no origin tells of one; the other is copied when its home does."""
    waiting, _ = regions.add_photo("eu-west")
    deleted, _ = regions.add_photo("eu-west")
    stated = regions.rules["eu-west"].in_force
    for server in regions.servers.values():
        server.statement = None
    regions.delete(deleted)
    with replicator(regions, "eu-west"):
        eventually(lambda: not regions.files_of(deleted))
        assert regions.files_of(waiting) == {"eu-west": regions.everything}
        regions.servers["eu-west"].statement = stated
        eventually(lambda: regions.replicas(waiting))
    assert regions.published("eu-west", DEAD_LETTERS) == []


def test_an_unavailable_region_delays_only_its_own_lane(regions, eventually):
    """Its events are handled when it is available again."""
    photo, _ = regions.add_photo("eu-west")
    regions.stores["eu-west"].catalog.follows.add_follower_region(photo.owner_id, "us-central")
    folder, moved = regions.data / "regions" / "us-central", regions.data / "moved"
    regions.stores["us-central"].close()
    folder.rename(moved)
    folder.write_text("not a folder, so no store can be opened here")
    with replicator(regions, "eu-west"):
        eventually(lambda: regions.replicas(photo))
        folder.unlink()
        moved.rename(folder)
        regions.stores["us-central"] = open_stores(regions.config, "us-central")
        [reference] = eventually(lambda: regions.published("us-central", PHOTO_REFERENCED))
    assert reference.key == photo.photo_id


def test_a_replicator_waits_for_its_own_region(regions, eventually):
    """It starts before its stores can be opened, and stops on request even if they never can."""
    for stores in regions.stores.values():
        stores.close()
    shutil.rmtree(regions.data / "regions")
    (regions.data / "regions").write_text("not a folder")
    with replicator(regions, "eu-west"):
        pass


def test_a_new_follower_elsewhere_gets_the_latest_photos(regions, eventually):
    """The replicator of the follower's region fetches the references from the author's home."""
    photo, _ = regions.add_photo("eu-west")
    event = messages.follow_changed(regions.new_id(ids.USER, "us-central"), photo.owner_id, True, 1)
    regions.stores["us-central"].events.publish([event])
    with replicator(regions, "us-central"):
        [reference] = eventually(lambda: regions.published("us-central", PHOTO_REFERENCED))
        eventually(lambda: regions.lag("us-central", FOLLOW_CHANGED, "lane-eu-west") == 0)
    assert reference.key == photo.photo_id


def test_two_replicators_of_a_region_share_the_work(regions, eventually):
    """Every photo is copied completely, and there are no dead letters."""
    photos = [regions.add_photo("eu-west", size_bytes=100_000)[0] for _ in range(12)]
    with replicator(regions, "eu-west"), replicator(regions, "eu-west"):
        eventually(lambda: all(regions.replicas(photo) for photo in photos))
        regions.delete(photos[0])
        eventually(lambda: regions.lag("eu-west", PHOTO_DELETED, ERASURE) == 0)
    assert all(regions.files_of(photo)["eu-central"] == regions.everything for photo in photos[1:])
    assert regions.published("eu-west", DEAD_LETTERS) == []
