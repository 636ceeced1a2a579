"""What happens to an uploaded photo, on real stores: its record, its event, and the objects that remain."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from itertools import count

import pytest

from processing import job
from processing.fair_queue import Urgency
from processing.imaging import recipe, variants
from processing.known_bad import Publisher
from processing.photo_processor import MOST_DEATHS, PhotoProcessor, with_outcome
from regions.cluster.dask_cluster import WorkerDied
from regions.errors import Unavailable
from regions.events import messages
from regions.events.outbox import OutboxPublisher
from regions.events.topics import PHOTO_READY, PHOTO_READY_AGAIN
from regions.records import Photo, Reason, Status, Tombstone
from regions.stores import photo_objects
from regions.stores.objects import RAW, VARIANTS, raw_key, variant_prefix
from regions.stores.settings import KNOWN_BAD
from tests.builders.local_actor import CountedActor


class Photos:
    """A processor that handles one event at a time, on a loop of its own."""

    def __init__(self, room, run, threads) -> None:
        lists = CountedActor(room.hash_list)
        # Each look at this clock is a second later, so the setting is read each time.
        publisher = Publisher(lists, room.stores.settings.values.read, threads, count().__next__)

        async def run_on_thread(request, urgency, owner):
            # Some of these tests process the photo a second time meanwhile.
            return await asyncio.to_thread(run, replace(request, known_bad_version=await publisher.version()))

        outbox = OutboxPublisher(room.stores.catalog, room.stores.events, lambda: room.clock_ms)

        async def find_near_duplicate(owner_id, photo_id, perceptual_hash):
            return None

        self._photos = PhotoProcessor(
            "eu-west", room.stores, run_on_thread, find_near_duplicate, outbox, lambda: room.clock_ms, threads
        )
        self.give_up = self._photos.give_up

    def handle(self, event) -> None:
        asyncio.run(self._photos.handle(Urgency.FRESH, event))

    def process_again(self, photo: Photo, retry_failed: bool = False) -> None:
        event = messages.photos_backfill(photo.photo_id, recipe.RECIPE, retry_failed, 1)
        asyncio.run(self._photos.handle_backfill(event))


@pytest.fixture
def photos(room):
    """Makes a processor that runs the real job in this process: `photos()`, or another one: `photos(run=…)`."""
    with ThreadPoolExecutor(4) as threads:
        yield lambda run=job.run: Photos(room, run, threads)


def published(room, topic: str = PHOTO_READY) -> list[str]:
    """The ids of the photos of which there is an event in the topic."""
    consumer = room.stores.events.consumer(topic, "test", "test")
    return [delivery.event.key for delivery in consumer.poll(10, 0.0)]


def delete(room, photo: Photo) -> None:
    room.stores.catalog.photos.delete(Tombstone(photo.photo_id, photo.owner_id, room.clock_ms), None)


def test_a_photo_becomes_ready_and_its_event_is_published(room, photos, draw):
    """Its record and variants are complete, and nothing is left in the outbox."""
    photo, event = room.uploaded(draw(1, 400, 300))
    photos().handle(event)
    found = room.photo(photo)
    assert (found.status, found.width, found.height, found.camera) == (Status.READY, 400, 300, "Darkroom Test Camera")
    assert [variant.size for variant in found.variants] == [150, 320, 640, 1080]
    assert published(room) == [photo.photo_id]
    assert room.stores.catalog.outbox.pending(10) == []


def test_processing_again_by_another_recipe_adds_variants_and_changes_none(room, photos, draw, monkeypatch):
    """The bytes of the old ones stay as they were, under the same names; deletion removes those of both recipes."""
    photo, event = room.uploaded(draw(1, 700, 500))
    photos().handle(event)
    first, before = room.photo(photo), room.variant_bytes(photo)
    monkeypatch.setattr(recipe, "RECIPE", 3)
    monkeypatch.setattr(variants, "_QUALITY", 50)
    second = with_outcome(first, job.run(room.request(first)))
    assert (first.recipe, second.recipe) == (2, 3)
    assert [variant.name for variant in second.variants] == [
        "150.v2.jpg", "320.v2.jpg", "640.v2.jpg", "1080.v2.jpg",
        "150.v3.jpg", "320.v3.jpg", "640.v3.jpg", "1080.v3.jpg",
    ]  # fmt: skip
    assert second.variants[:4] == first.variants
    after = room.variant_bytes(photo)
    assert {name: after[name] for name in before} == before
    assert after["640.v3.jpg"] != before["640.v2.jpg"]
    photo_objects.delete_all(room.stores.objects, photo.photo_id)
    assert (room.raw(photo), room.variants(photo)) == (None, [])


def test_processing_again_by_the_same_recipe_changes_nothing(room, photos, draw):
    """Each name is listed once."""
    photo, event = room.uploaded(draw(1))
    photos().handle(event)
    found = room.photo(photo)
    assert with_outcome(found, job.run(room.request(found))) == found


def test_processing_keeps_what_the_owner_wrote(photos, room, draw):
    """The job only adds what it found."""
    photo, event = room.uploaded(draw(1), visibility="friends")
    photos().handle(event)
    found = room.photo(photo)
    assert (found.owner_id, found.caption, found.created_at_ms) == (photo.owner_id, photo.caption, photo.created_at_ms)
    assert found.visibility == "friends"


def test_an_upload_that_is_not_an_image_fails_with_a_reason(room, photos):
    """No event is published, the raw stays, and there is no variant."""
    photo, event = room.uploaded(b"this is not a photo")
    photos().handle(event)
    assert (room.photo(photo).status, room.photo(photo).reason.code) == (Status.FAILED, "not-an-image")
    assert (published(room), room.variants(photo)) == ([], [])
    assert room.raw(photo) is not None


def test_a_repeated_event_changes_nothing(room, photos, draw):
    """The second delivery runs no job."""
    photo, event = room.uploaded(draw(1))
    photos().handle(event)
    before = room.photo(photo)
    photos(run=must_not_run).handle(event)
    assert room.photo(photo) == before
    assert published(room) == [photo.photo_id]


def must_not_run(request):
    raise AssertionError("a job was run")


def test_a_known_bad_photo_is_rejected(room, photos, draw):
    """The list is read from the live settings again for each photo."""
    first, first_event = room.uploaded(draw(1), sequence=1)
    photos().handle(first_event)
    room.stores.settings.values.write(KNOWN_BAD, f"phash {room.photo(first).perceptual_hash} 4  # case 17")
    again, again_event = room.uploaded(draw(1), sequence=2)
    photos().handle(again_event)
    assert (room.photo(again).status, room.photo(again).reason.code) == (Status.REJECTED, "known-bad")
    assert room.variants(again) == []


def test_no_photo_is_processed_while_the_known_bad_list_is_unreadable(room, photos, draw):
    """It stays `processing` until somebody corrects the list, and then becomes ready."""
    photo, event = room.uploaded(draw(1))
    room.stores.settings.values.write(KNOWN_BAD, "sha256 oops")
    with pytest.raises(Unavailable, match="line 1"):
        photos(run=must_not_run).handle(event)
    assert room.photo(photo).status is Status.PROCESSING
    room.stores.settings.values.write(KNOWN_BAD, "")
    photos().handle(event)
    assert room.photo(photo).status is Status.READY


def test_the_last_known_bad_list_is_used_while_the_settings_are_unavailable(room, photos, draw):
    """A known bad photo is still rejected."""
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


def test_no_photo_is_processed_before_the_known_bad_list_was_read_once(room, photos, draw):
    """A process that starts while the settings are unavailable waits for them."""
    photo, event = room.uploaded(draw(1))
    room.stores.settings.close()
    with pytest.raises(Unavailable):
        photos(run=must_not_run).handle(event)
    assert room.photo(photo).status is Status.PROCESSING


def test_a_photo_deleted_before_its_job_is_not_processed(room, photos, draw):
    """Its raw is deleted, and so is a variant of a size that is no longer made."""
    photo, event = room.uploaded(draw(1))
    key, digest = f"{variant_prefix(photo.photo_id)}99.jpg", sha256(b"x").hexdigest()
    room.stores.objects.put(VARIANTS, key, [b"x"], digest, "image/jpeg")
    delete(room, photo)
    photos(run=must_not_run).handle(event)
    assert (room.raw(photo), room.variants(photo)) == (None, [])


def test_a_photo_deleted_during_its_job_leaves_no_object(room, photos, draw):
    """The tombstone is written after the variants and before the record."""
    photo, event = room.uploaded(draw(1))

    def run(request):
        outcome = job.run(request)
        delete(room, photo)
        return outcome

    photos(run).handle(event)
    assert (room.raw(photo), room.variants(photo), published(room)) == (None, [], [])
    assert room.stores.catalog.photos.get(photo.photo_id) is None


def test_a_photo_that_timed_out_leaves_no_variant(room, photos, draw):
    """Even if all variants had been written by then."""
    photo, event = room.uploaded(draw(1))

    def run(request):
        assert isinstance(job.run(request), job.Ready)
        return job.Rejected(Status.FAILED, Reason("timed-out", "too late"))

    photos(run).handle(event)
    assert (room.photo(photo).reason.code, room.variants(photo)) == ("timed-out", [])


def test_a_slow_job_does_not_undo_the_result_of_a_faster_one(room, photos, draw):
    """A delivery whose job fails late changes neither the ready photo nor its variants."""
    photo, event = room.uploaded(draw(1))

    def run(request):
        photos().handle(event)
        return job.Rejected(Status.FAILED, Reason("timed-out", "too late"))

    photos(run).handle(event)
    assert room.photo(photo).status is Status.READY
    assert len(room.variants(photo)) == 4


def test_a_job_that_ends_after_the_photo_failed_leaves_no_variant(room, photos, draw):
    """A failed photo stays failed, although the slower job succeeded."""
    photo, event = room.uploaded(draw(1))

    def run(request):
        photos(lambda _: job.Rejected(Status.FAILED, Reason("timed-out", "too late"))).handle(event)
        return job.run(request)

    photos(run).handle(event)
    assert (room.photo(photo).status, room.variants(photo), published(room)) == (Status.FAILED, [], [])


def test_a_photo_whose_event_goes_to_the_dead_letters_fails(room, photos, draw):
    """It does not stay `processing` forever, and its reason is an internal error."""
    photo, event = room.uploaded(draw(1))
    job.run(room.request(photo))
    photos().give_up(event, RuntimeError("bug"))
    assert (room.photo(photo).status, room.photo(photo).reason.code) == (Status.FAILED, "internal")
    assert room.variants(photo) == []


def test_giving_up_does_not_undo_a_ready_photo(room, photos, draw):
    """Handling its event may have failed after everything was written."""
    photo, event = room.uploaded(draw(1))
    photos().handle(event)
    photos().give_up(event, RuntimeError("bug"))
    assert room.photo(photo).status is Status.READY
    assert len(room.variants(photo)) == 4


def test_the_event_of_an_unknown_photo_is_ignored(room, photos):
    """It runs no job and creates no record."""
    photo = room.uploading()
    room.stores.catalog.uploads.discard(photo.photo_id)
    photos(run=must_not_run).handle(messages.photos_uploaded(photo, room.clock_ms))
    assert room.stores.catalog.photos.get(photo.photo_id) is None


def test_a_failure_changes_only_status_and_reason(room):
    """Everything else in the record stays."""
    photo, reason = room.uploading(), Reason("truncated", "cut off")
    outcome = job.Rejected(Status.FAILED, reason)
    assert with_outcome(photo, outcome) == replace(photo, status=Status.FAILED, reason=reason)


class Deaths:
    """A job that is ended with its worker each time."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, request):
        self.count += 1
        raise WorkerDied


def test_a_photo_that_kills_its_worker_twice_fails_and_is_never_tried_a_third_time(room, photos, draw):
    """Not by the processor that saw it, and not when its event is delivered to another one."""
    photo, event = room.uploaded(draw(1))
    run = Deaths()
    photos(run).handle(event)
    photos(run).handle(event)
    assert run.count == MOST_DEATHS == 2
    assert (room.photo(photo).status, room.photo(photo).reason.code) == (Status.FAILED, "kills-workers")


def test_a_photo_that_killed_its_worker_once_is_tried_once_more_after_a_restart(room, photos, draw):
    """The death is recorded before the photo is tried again, so the next processor knows of it."""
    photo, event = room.uploaded(draw(1))
    run = Deaths()

    def die_and_stop(request):
        if run.count:
            raise Unavailable("the whole region was restarted")
        run(request)

    with pytest.raises(Unavailable):
        photos(die_and_stop).handle(event)
    assert (room.photo(photo).status, room.photo(photo).worker_deaths) == (Status.PROCESSING, 1)
    photos(run).handle(event)
    assert (run.count, room.photo(photo).reason.code) == (2, "kills-workers")


def test_a_death_that_can_not_be_recorded_is_not_forgotten(room, photos, draw, monkeypatch):
    """The photo is not tried again until the catalog takes writes."""
    photo, event = room.uploaded(draw(1))
    run = Deaths()
    processor = photos(run)

    def refuse(*arguments):
        raise Unavailable("there is no space left")

    with monkeypatch.context() as full:
        full.setattr(type(room.stores.catalog.photos), "update", refuse)
        for _ in range(6):
            with pytest.raises(Unavailable):
                processor.handle(event)
        assert run.count == 1
    processor.handle(event)
    assert (run.count, room.photo(photo).reason.code) == (MOST_DEATHS, "kills-workers")


def test_a_photo_whose_worker_died_by_chance_becomes_ready(room, photos, draw):
    """One death costs a second try, and no more."""
    photo, event = room.uploaded(draw(1))
    run = Deaths()
    photos(lambda request: job.run(request) if run.count else run(request)).handle(event)
    assert (room.photo(photo).status, room.photo(photo).worker_deaths) == (Status.READY, 1)


def test_a_death_changes_nothing_in_a_photo_that_was_deleted_meanwhile(room, photos, draw):
    """The tombstone wins."""
    photo, event = room.uploaded(draw(1))

    def delete_and_die(request):
        delete(room, photo)
        raise WorkerDied

    photos(delete_and_die).handle(event)
    assert room.stores.catalog.photos.get(photo.photo_id) is None


@pytest.fixture
def older(room, photos, draw, monkeypatch):
    """A ready photo of recipe 2, for a processor that has recipe 3 from now on."""
    photo, event = room.uploaded(draw(1, 700, 500))
    photos().handle(event)
    monkeypatch.setattr(recipe, "RECIPE", 3)
    return room.photo(photo)


def test_a_ready_photo_is_processed_again_by_a_newer_recipe_once(room, photos, older):
    """It keeps its variants, gets those of the new recipe, and is announced to the lanes again; then nothing is due."""
    before = room.variant_bytes(older)
    photos().process_again(older)
    photos(run=must_not_run).process_again(older)
    again = room.photo(older)
    assert (again.status, again.recipe, len(again.variants)) == (Status.READY, 3, 8)
    assert {name: room.variant_bytes(older)[name] for name in before} == before
    assert published(room) == published(room, PHOTO_READY_AGAIN) == [older.photo_id]
    assert room.stores.catalog.outbox.pending(9) == []


@pytest.mark.parametrize("reason", ["truncated", "kills", "bad"])
def test_a_ready_photo_that_can_not_be_processed_again_stays_as_it_was(room, photos, older, reason):
    """Whether its bytes are damaged, or it kills workers, or is known to be bad by now: that has copies elsewhere."""

    def run(request):
        if reason == "kills":
            raise WorkerDied
        status = Status.REJECTED if reason == "bad" else Status.FAILED
        return job.Rejected(status, Reason(reason, "…"))

    photos(run).process_again(older)
    found = room.photo(older)
    assert replace(found, worker_deaths=0) == older
    assert found.worker_deaths == (MOST_DEATHS if reason == "kills" else 0)
    assert len(room.variants(older)) == 4
    assert published(room) == [older.photo_id]


def test_a_photo_deleted_while_it_is_processed_again_leaves_no_object(room, photos, older):
    """The tombstone is written after the new variants and before the record."""

    def run(request):
        outcome = job.run(request)
        delete(room, older)
        return outcome

    photos(run).process_again(older)
    assert (room.raw(older), room.variants(older)) == (None, [])
    assert room.stores.catalog.photos.get(older.photo_id) is None


def test_an_older_processor_leaves_a_photo_to_those_of_the_newer_version(room, photos, older, monkeypatch):
    """During an update both read the topic."""
    event = messages.photos_backfill(older.photo_id, 4, False, 1)
    with pytest.raises(Unavailable, match="newer"):
        asyncio.run(photos(run=must_not_run)._photos.handle_backfill(event))
    assert room.photo(older) == older


def test_what_is_slower_than_a_newer_recipe_does_not_undo_it(room, photos, older):
    """The record is read again before it is written."""

    def run(request):
        outcome = job.run(request)
        room.stores.catalog.photos.update(replace(older, recipe=4), {Status.READY}, None)
        return outcome

    photos(run).process_again(older)
    assert room.photo(older) == replace(older, recipe=4)


def test_a_failed_photo_is_tried_again_only_on_request(room, photos, draw):
    """With a decoder that has learned its format it becomes ready, with the first `photo_ready` of its life."""
    photo, event = room.uploaded(draw(1))
    photos(lambda request: job.Rejected(Status.FAILED, Reason("not-an-image", "…"))).handle(event)
    photos(run=must_not_run).process_again(photo)
    photos().process_again(photo, retry_failed=True)
    assert (room.photo(photo).status, room.photo(photo).reason) == (Status.READY, None)
    consumer = room.stores.events.consumer(PHOTO_READY, "test", "test")
    assert [messages.is_again(delivery.event) for delivery in consumer.poll(9, 0.0)] == [False]


def test_a_failed_photo_without_its_raw_stays_failed(room, photos, draw):
    """There is nothing to try."""
    photo, event = room.uploaded(b"not a photo")
    photos().handle(event)
    room.stores.objects.delete(RAW, raw_key(photo.photo_id))
    photos(run=must_not_run).process_again(photo, retry_failed=True)
    assert (room.photo(photo).status, room.photo(photo).reason.code) == (Status.FAILED, "not-an-image")


def test_a_processor_that_died_while_it_tried_a_failed_photo_again_leaves_it_to_the_next(room, photos, draw):
    """The photo is `processing` then, and the event is delivered again."""
    photo, event = room.uploaded(draw(1))
    photos(lambda request: job.Rejected(Status.FAILED, Reason("not-an-image", "…"))).handle(event)

    def stop(request):
        raise Unavailable("the process ends")

    with pytest.raises(Unavailable):
        photos(stop).process_again(photo, retry_failed=True)
    assert room.photo(photo).status is Status.PROCESSING
    photos().process_again(photo, retry_failed=True)
    assert room.photo(photo).status is Status.READY


def test_a_copy_of_another_regions_photo_is_not_processed_again(room, photos, older):
    """That is for its home."""
    copy = replace(older, photo_id=room.photo_id(9, region=4), home_region="us-central")
    room.stores.catalog.photos.put_replica_metadata(copy)
    photos(run=must_not_run).process_again(copy)
    assert room.photo(copy) == copy
