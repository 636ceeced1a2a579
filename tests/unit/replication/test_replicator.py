"""A whole replicator, run as its process runs it, on real stores."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from regions import ids
from regions.config import open_stores
from regions.events import messages
from regions.events.topics import DEAD_LETTERS, ERASURE, FOLLOW_CHANGED, PHOTO_DELETED, PHOTO_READY, PHOTO_REFERENCED
from regions.stores.settings import POLICY
from replication.replicator import main


@contextmanager
def replicator(regions, region: str):
    """Runs until the block is left; what goes wrong in it is raised here."""
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
    """Whatever a replicator started is over when it is."""
    before = set(threading.enumerate())
    yield
    assert {thread for thread in threading.enumerate() if thread not in before} == set()


def test_a_photo_is_copied_and_deleted_everywhere(regions, eventually):
    """Bytes, metadata and replica come; after the deletion no region holds a byte of it, its home included."""
    photo, _ = regions.add_photo("eu-west")
    with replicator(regions, "eu-west"):
        eventually(lambda: regions.replicas(photo))
        assert regions.files_of(photo) == dict.fromkeys(("eu-west", "eu-central"), regions.everything)
        regions.delete(photo)
        eventually(lambda: not regions.files_of(photo) and not regions.replicas(photo))
        buried = ("eu-central", "us-central")
        eventually(lambda: all(regions.stores[one].catalog.tombstones.get(photo.photo_id) for one in buried))


def test_a_spoiled_photo_is_set_aside_and_stalls_nothing(regions, eventually):
    """It lies among the dead letters with its error, the photos after it come, and nothing is left to do."""
    spoiled, _ = regions.add_photo("eu-west")
    regions.spoil(spoiled)
    later = [regions.add_photo("eu-west", size_bytes=1000)[0] for _ in range(8)]
    with replicator(regions, "eu-west"):
        eventually(lambda: all(regions.replicas(photo) for photo in later))
        [letter] = eventually(lambda: regions.told("eu-west", DEAD_LETTERS))
        eventually(lambda: regions.lag("eu-west", PHOTO_READY, "lane-eu-central") == 0)
    assert letter.body["event"]["key"] == spoiled.photo_id
    assert (letter.body["group"], "SHA-256" in letter.body["error"]) == ("lane-eu-central", True)
    assert regions.replicas(spoiled) == []


def test_events_wait_for_a_policy_and_then_go_on(regions, eventually):
    """Deletions do not wait: while copies stand still, one goes through."""
    waiting, _ = regions.add_photo("eu-west")
    deleted, _ = regions.add_photo("eu-west")
    settings = regions.stores["eu-west"].settings
    shipped = settings.values.read(POLICY).value
    settings.values.delete(POLICY)
    regions.delete(deleted)
    with replicator(regions, "eu-west"):
        eventually(lambda: not regions.files_of(deleted))
        assert regions.files_of(waiting) == {"eu-west": regions.everything}
        settings.values.write(POLICY, shipped)
        eventually(lambda: regions.replicas(waiting))
    assert regions.told("eu-west", DEAD_LETTERS) == []


def test_a_region_that_is_away_delays_its_own_lane_only(regions, eventually):
    """What waited for it comes when it is back."""
    photo, _ = regions.add_photo("eu-west")
    regions.stores["eu-west"].catalog.follows.add_follower_region(photo.owner_id, "us-central")
    folder, away = regions.data / "regions" / "us-central", regions.data / "away"
    regions.stores["us-central"].close()
    folder.rename(away)
    folder.write_text("no folder, so that no store opens here")
    with replicator(regions, "eu-west"):
        eventually(lambda: regions.replicas(photo))
        folder.unlink()
        away.rename(folder)
        regions.stores["us-central"] = open_stores(regions.config, "us-central")
        [told] = eventually(lambda: regions.told("us-central", PHOTO_REFERENCED))
    assert told.key == photo.photo_id


def test_a_replicator_waits_for_its_own_region(regions, eventually):
    """It starts before the stores do, and ends when it is told to although they never came."""
    for stores in regions.stores.values():
        stores.close()
    shutil.rmtree(regions.data / "regions")
    (regions.data / "regions").write_text("no folder")
    with replicator(regions, "eu-west"):
        pass


def test_a_new_follower_elsewhere_finds_the_latest_photos(regions, eventually):
    """The replicator of the follower's region fetches the references from the author's."""
    photo, _ = regions.add_photo("eu-west")
    event = messages.follow_changed(regions.new_id(ids.USER, "us-central"), photo.owner_id, True, 1)
    regions.stores["us-central"].events.publish([event])
    with replicator(regions, "us-central"):
        [told] = eventually(lambda: regions.told("us-central", PHOTO_REFERENCED))
        eventually(lambda: regions.lag("us-central", FOLLOW_CHANGED, "lane-eu-west") == 0)
    assert told.key == photo.photo_id


def test_two_replicators_of_a_region_share_the_work(regions, eventually):
    """Every photo is whole at the end, and nothing is among the dead letters."""
    photos = [regions.add_photo("eu-west", size_bytes=100_000)[0] for _ in range(12)]
    with replicator(regions, "eu-west"), replicator(regions, "eu-west"):
        eventually(lambda: all(regions.replicas(photo) for photo in photos))
        regions.delete(photos[0])
        eventually(lambda: regions.lag("eu-west", PHOTO_DELETED, ERASURE) == 0)
    assert all(regions.files_of(photo)["eu-central"] == regions.everything for photo in photos[1:])
    assert regions.told("eu-west", DEAD_LETTERS) == []
