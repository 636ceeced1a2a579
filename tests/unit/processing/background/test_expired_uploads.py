"""Expired uploads, one round at a time: which are removed and which must stay; and work under a lock."""

import hashlib
import threading
from dataclasses import replace

import pytest

from processing.background.exclusive import Exclusive
from processing.background.expired_uploads import ExpiredUploads, ShardedSweep
from regions.clock import now_ms
from regions.daemon import run_forever
from regions.errors import Unavailable
from regions.records import Status
from regions.stores.objects import RAW, raw_key
from tests.builders.uploads import expired_uploads

HOUR_MS = 3600 * 1000


@pytest.fixture
def uploads(room):
    return ExpiredUploads(room.stores, lambda: room.clock_ms)


def sweep(room, uploads) -> int:
    """How many one round of a janitor removes."""
    return ShardedSweep(room.stores, uploads, "janitor-1").run_once()


def test_an_expired_upload_is_removed(room, uploads):
    """Its photo, its parts, and the raw that a killed request may have made of them."""
    photo = room.uploading(expires_at_ms=room.clock_ms + 1000)
    room.stores.objects.put(RAW, raw_key(photo.photo_id), [b"x"], hashlib.sha256(b"x").hexdigest(), "image/jpeg")
    room.clock_ms += HOUR_MS
    assert sweep(room, uploads) == 1
    assert (room.stores.catalog.photos.get(photo.photo_id), room.stores.catalog.uploads.get(photo.photo_id)) == (
        None,
        None,
    )
    assert room.raw(photo) is None
    assert sweep(room, uploads) == 0


def test_a_round_goes_on_until_nothing_is_left(room, uploads):
    """However many were begun: here more than two pages of them."""
    for number in range(1100):
        room.uploading(number, expires_at_ms=room.clock_ms + 1000)
    room.clock_ms += HOUR_MS
    assert sweep(room, uploads) == 1100
    assert expired_uploads(room.stores.catalog, room.clock_ms) == []
    assert list((room.folder / "objects" / "multipart").iterdir()) == []


def test_uploads_that_can_not_be_removed_do_not_keep_a_round_from_its_end(room, uploads):
    """As after a `discard` that has no effect, which would otherwise be tried without end."""

    class Undiscardable:
        def __init__(self, uploads) -> None:
            self.expired, self.discard = uploads.expired, lambda photo_id: False

    photo = room.uploading(expires_at_ms=room.clock_ms + 1000)
    room.clock_ms += HOUR_MS
    stores = replace(
        room.stores, catalog=replace(room.stores.catalog, uploads=Undiscardable(room.stores.catalog.uploads))
    )
    assert ExpiredUploads(stores, lambda: room.clock_ms).sweep(0) == 0
    assert room.photo(photo).status is Status.UPLOADING


def test_what_no_record_points_to_is_aborted_two_days_later(room, uploads):
    """A crash came between the beginning of the upload and its record."""
    room.stores.objects.create_upload(RAW, raw_key(room.photo_id(1)))
    room.clock_ms = now_ms() + 47 * HOUR_MS
    assert uploads.abort_stale() == 0
    room.clock_ms += 2 * HOUR_MS
    assert uploads.abort_stale() == 1


@pytest.mark.parametrize("later_ms", [0, 1000, 60_000])
def test_an_upload_stays_until_well_after_it_expired(room, uploads, later_ms):
    """A `complete` request may have begun just before."""
    photo = room.uploading(expires_at_ms=room.clock_ms + 1000)
    room.clock_ms += later_ms
    assert sweep(room, uploads) == 0
    assert room.photo(photo).status is Status.UPLOADING


def test_a_photo_with_a_complete_upload_stays(room, uploads, draw):
    """However long ago the upload expired."""
    photo, _ = room.uploaded(draw(1))
    room.clock_ms += 1000 * HOUR_MS
    assert sweep(room, uploads) == 0
    assert room.photo(photo).status is Status.PROCESSING
    assert room.raw(photo) is not None


def test_a_sweep_is_retried_when_a_store_was_unavailable():
    """In the next round, until `stop` is set."""
    stop, swept = threading.Event(), []

    def work() -> int:
        swept.append(1)
        if len(swept) == 1:
            raise Unavailable("no response")
        stop.set()
        return 0

    run_forever(work, 0.001, stop, "sweep")
    assert len(swept) == 2


def test_only_one_process_works_at_a_time(room):
    """Another process does nothing meanwhile, and can do the work after the first has finished."""
    swept = []
    other = Exclusive(room.stores.settings, "sweep", "janitor-2", lambda: len(swept))

    def work() -> int:
        swept.append(other.run_once())
        return 7

    assert Exclusive(room.stores.settings, "sweep", "janitor-1", work).run_once() == 7
    assert (swept, other.run_once()) == ([0], 1)


def test_work_that_fails_releases_the_lock(room):
    """Another process can do it at once."""

    def fail() -> int:
        raise Unavailable("no response")

    with pytest.raises(Unavailable):
        Exclusive(room.stores.settings, "sweep", "janitor-1", fail).run_once()
    assert Exclusive(room.stores.settings, "sweep", "janitor-2", lambda: 3).run_once() == 3
