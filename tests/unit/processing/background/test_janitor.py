"""The whole janitor on real stores, without a processor and without Dask."""

import subprocess
import sys

import pytest

from processing.background.janitor import main
from regions.events import messages
from regions.events.topics import PHOTO_READY
from regions.records import Status
from tests.builders.processes import at_work


@pytest.fixture
def janitor(room):
    """A running janitor, on a thread of this process."""
    with at_work(main, room.config, "eu-west"):
        yield


def test_the_janitor_publishes_events_that_a_crash_left_behind_and_fills_feeds(room, janitor, eventually):
    """The process that made the photo ready was killed before it published the event: the follower finds the photo."""
    follower_id, author_id = room.user_id(2), room.user_id(1)
    follow = messages.follow_changed(follower_id, author_id, True, room.clock_ms)
    room.stores.catalog.follows.change(follower_id, author_id, True, follow)
    room.stores.feeds.mark_complete(follower_id)
    photo = room.uploading()
    room.change(photo, Status.READY, messages.photo_ready(photo, room.clock_ms - 60_000))
    assert eventually(lambda: room.stores.feeds.page(follower_id, None, 10), 60) == [photo.photo_id]
    pending = room.stores.catalog.outbox.pending
    # It leaves the outbox after it was published, when its follower may have it already.
    assert eventually(lambda: not [event for event in pending(10) if event.topic == PHOTO_READY])


def test_a_janitor_loads_no_dask():
    """So it runs where Dask is not installed, and needs little memory."""
    check = "import sys, processing.background.janitor; sys.exit(bool({'dask', 'distributed'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0
