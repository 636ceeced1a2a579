"""What becomes of an uploaded photo, on real stores: its record, its event, and what is left in objects."""

from dataclasses import replace

import pytest

from processing import job
from processing.photo_processor import PhotoProcessor, recorded
from regions.errors import Unavailable
from regions.events import messages
from regions.events.outbox import Outbox
from regions.events.topics import PHOTO_READY
from regions.records import Photo, Reason, Status, Tombstone
from regions.stores.settings import KNOWN_BAD


@pytest.fixture
def photos(room):
    """Handles events with the real job, in this process: `photos()`, or `photos(run=…)` with something around it."""

    def make(run=job.run):
        outbox = Outbox(room.stores.catalog, room.stores.events, lambda: room.clock_ms)
        return PhotoProcessor(room.config, "eu-west", room.stores, run, outbox, lambda: room.clock_ms)

    return make


def told(room) -> list[str]:
    consumer = room.stores.events.consumer(PHOTO_READY, "test", "test")
    return [delivery.event.key for delivery in consumer.poll(10, 0.0)]


def bury(room, photo: Photo) -> None:
    room.stores.catalog.photos.delete(Tombstone(photo.photo_id, photo.owner_id, room.clock_ms), None)


def test_a_photo_becomes_ready_and_is_told(room, photos, draw):
    """Record, variants and event, and nothing left in the outbox."""
    photo, event = room.uploaded(draw(1, 400, 300))
    photos().handle(event)
    found = room.photo(photo)
    assert (found.status, found.width, found.height, found.camera) == (Status.READY, 400, 300, "Darkroom Test Camera")
    assert [variant.size for variant in found.variants] == [150, 320, 640, 1080]
    assert told(room) == [photo.photo_id]
    assert room.stores.catalog.outbox.pending(10) == []


def test_what_the_owner_wrote_stays(photos, room, draw):
    """The job adds what it found and takes nothing away."""
    photo, event = room.uploaded(draw(1))
    photos().handle(event)
    found = room.photo(photo)
    assert (found.owner_id, found.caption, found.created_at_ms) == (photo.owner_id, photo.caption, photo.created_at_ms)


def test_a_photo_that_is_none_fails_with_a_reason(room, photos):
    """It is not told of, its raw stays its owner's, and no variant is left."""
    photo, event = room.uploaded(b"this is no photo")
    photos().handle(event)
    assert (room.photo(photo).status, room.photo(photo).reason.code) == (Status.FAILED, "not-an-image")
    assert (told(room), room.variants(photo)) == ([], [])
    assert room.raw(photo) is not None


def test_an_event_that_comes_twice_changes_nothing(room, photos, draw):
    """The second time there is nothing to do, and no job is run."""
    photo, event = room.uploaded(draw(1))
    photos().handle(event)
    before = room.photo(photo)
    photos(run=must_not_run).handle(event)
    assert room.photo(photo) == before
    assert told(room) == [photo.photo_id]


def must_not_run(request):
    raise AssertionError("a job was run")


def test_a_known_bad_photo_is_rejected(room, photos, draw):
    """The list is read from the live settings, for each photo anew."""
    first, first_event = room.uploaded(draw(1), sequence=1)
    photos().handle(first_event)
    room.stores.settings.values.write(KNOWN_BAD, f"phash {room.photo(first).perceptual_hash} 4  # case 17")
    again, again_event = room.uploaded(draw(1), sequence=2)
    photos().handle(again_event)
    assert (room.photo(again).status, room.photo(again).reason.code) == (Status.REJECTED, "known-bad")
    assert room.variants(again) == []


def test_no_photo_passes_a_list_that_cannot_be_read(room, photos, draw):
    """It waits in `processing` until somebody mends the list, and then goes on."""
    photo, event = room.uploaded(draw(1))
    room.stores.settings.values.write(KNOWN_BAD, "sha256 oops")
    with pytest.raises(Unavailable, match="line 1"):
        photos(run=must_not_run).handle(event)
    assert room.photo(photo).status is Status.PROCESSING
    room.stores.settings.values.write(KNOWN_BAD, "")
    photos().handle(event)
    assert room.photo(photo).status is Status.READY


def test_the_known_bad_list_goes_on_while_the_settings_are_away(room, photos, draw):
    """As it was last read: a known bad photo is rejected all the same."""
    first, first_event = room.uploaded(draw(1), sequence=1)
    handler = photos()
    handler.handle(first_event)
    room.stores.settings.values.write(KNOWN_BAD, f"phash {room.photo(first).perceptual_hash} 4")
    other, other_event = room.uploaded(draw(2), sequence=2)
    handler.handle(other_event)
    again, again_event = room.uploaded(draw(1), sequence=3)
    room.stores.settings.close()
    handler.handle(again_event)
    assert room.photo(other).status is Status.READY
    assert (room.photo(again).status, room.photo(again).reason.code) == (Status.REJECTED, "known-bad")


def test_no_photo_passes_while_no_list_was_ever_read(room, photos, draw):
    """A process that starts while the settings are away waits for them."""
    photo, event = room.uploaded(draw(1))
    room.stores.settings.close()
    with pytest.raises(Unavailable):
        photos(run=must_not_run).handle(event)
    assert room.photo(photo).status is Status.PROCESSING


def test_a_photo_deleted_before_its_job_is_not_processed(room, photos, draw):
    """Its raw goes too."""
    photo, event = room.uploaded(draw(1))
    bury(room, photo)
    photos(run=must_not_run).handle(event)
    assert (room.raw(photo), room.variants(photo)) == (None, [])


def test_a_photo_deleted_during_its_job_leaves_nothing(room, photos, draw):
    """The tombstone comes after the variants are written, and before the record is."""
    photo, event = room.uploaded(draw(1))

    def run(request):
        outcome = job.run(request)
        bury(room, photo)
        return outcome

    photos(run).handle(event)
    assert (room.raw(photo), room.variants(photo), told(room)) == (None, [], [])
    assert room.stores.catalog.photos.get(photo.photo_id) is None


def test_a_photo_whose_time_ran_out_leaves_no_variant(room, photos, draw):
    """Although they had been written by then."""
    photo, event = room.uploaded(draw(1))

    def run(request):
        assert isinstance(job.run(request), job.Ready)
        return job.Rejected(Status.FAILED, Reason("timed-out", "too late"))

    photos(run).handle(event)
    assert (room.photo(photo).reason.code, room.variants(photo)) == ("timed-out", [])


def test_of_two_jobs_the_slower_does_not_undo_the_faster(room, photos, draw):
    """A second delivery whose job fails leaves the ready photo and its variants alone."""
    photo, event = room.uploaded(draw(1))

    def run(request):
        photos().handle(event)
        return job.Rejected(Status.FAILED, Reason("timed-out", "too late"))

    photos(run).handle(event)
    assert room.photo(photo).status is Status.READY
    assert len(room.variants(photo)) == 4


def test_a_job_that_ends_after_the_photo_failed_leaves_no_variant(room, photos, draw):
    """The other way round: what failed stays failed."""
    photo, event = room.uploaded(draw(1))

    def run(request):
        photos(lambda _: job.Rejected(Status.FAILED, Reason("timed-out", "too late"))).handle(event)
        return job.run(request)

    photos(run).handle(event)
    assert (room.photo(photo).status, room.variants(photo), told(room)) == (Status.FAILED, [], [])


def test_a_photo_that_is_given_up_fails(room, photos, draw):
    """It does not stay `processing` for ever, and says that it was our fault."""
    photo, event = room.uploaded(draw(1))
    job.run(room.request(photo))
    photos().give_up(event, RuntimeError("bug"))
    assert (room.photo(photo).status, room.photo(photo).reason.code) == (Status.FAILED, "internal")
    assert room.variants(photo) == []


def test_giving_up_does_not_undo_a_ready_photo(room, photos, draw):
    """Its event may have failed after all was written."""
    photo, event = room.uploaded(draw(1))
    photos().handle(event)
    photos().give_up(event, RuntimeError("bug"))
    assert room.photo(photo).status is Status.READY
    assert len(room.variants(photo)) == 4


def test_a_photo_nobody_knows_is_passed_over(room, photos):
    """An event of a photo that never was changes nothing."""
    photo = room.begun()
    room.stores.catalog.uploads.discard(photo.photo_id)
    photos(run=must_not_run).handle(messages.photos_uploaded(photo, room.clock_ms))
    assert room.stores.catalog.photos.get(photo.photo_id) is None


def test_recording_a_failure_keeps_the_photo(room):
    """Only its status and its reason change. Pure."""
    photo, reason = room.begun(), Reason("truncated", "cut off")
    assert recorded(photo, job.Rejected(Status.FAILED, reason)) == replace(photo, status=Status.FAILED, reason=reason)
