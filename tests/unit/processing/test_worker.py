"""The whole processor on real stores and a real Dask cluster: from an event to a feed."""

import os
import threading

import psutil
import pytest

from processing import worker
from regions import messages
from regions.records import Status

pytestmark = pytest.mark.xdist_group("processing-cluster")


@pytest.fixture
def processor(room):
    """A processor at work, on a thread of this process."""
    stop = threading.Event()
    thread = threading.Thread(target=worker.main, args=(room.config, "eu-west", "test", stop))
    thread.start()
    yield
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


def status(room, photo) -> Status:
    return room.photo(photo).status


def test_an_upload_ends_in_a_feed(room, processor, draw, eventually):
    """Event, job, record, event, fan-out: a follower finds the photo."""
    follower_id, author_id = room.user_id(2), room.user_id(1)
    follow = messages.follow_changed(follower_id, author_id, True, room.clock_ms)
    room.stores.catalog.set_following(follower_id, author_id, True, follow)
    room.stores.feeds.begin(follower_id)
    photo, _ = room.uploaded(draw(1))
    assert eventually(lambda: room.stores.feeds.page(follower_id, None, 10), 60) == [photo.photo_id]
    assert (status(room, photo), len(room.variants(photo))) == (Status.READY, 4)


def test_a_good_photo_is_ready_although_a_bad_one_failed(room, processor, draw, eventually):
    """Neither stands in the other's way."""
    bad, _ = room.uploaded(b"no photo", sequence=1)
    good, _ = room.uploaded(draw(1), sequence=2)
    eventually(lambda: status(room, good) is Status.READY, 60)
    eventually(lambda: status(room, bad) is Status.FAILED, 60)


def test_an_event_left_in_the_outbox_is_swept(room, processor, draw, eventually):
    """Whoever completed the upload was killed before it could publish the event."""
    photo = room.begun(size_bytes=len(draw(1)))
    room.put_raw(photo, draw(1))
    room.change(photo, Status.PROCESSING, messages.photos_uploaded(photo, room.clock_ms - 60_000))
    eventually(lambda: status(room, photo) is Status.READY, 60)


def test_nothing_is_left_running(room, draw, eventually):
    """When the processor stops, its workers have stopped."""
    before, stop = set(psutil.Process(os.getpid()).children(recursive=True)), threading.Event()
    thread = threading.Thread(target=worker.main, args=(room.config, "eu-west", "test", stop))
    thread.start()
    photo, _ = room.uploaded(draw(1))
    eventually(lambda: status(room, photo) is Status.READY, 60)
    stop.set()
    thread.join(30)
    left = {
        child
        for child in psutil.Process(os.getpid()).children(recursive=True)
        if "resource_tracker" not in " ".join(child.cmdline())
    }
    assert left <= before
