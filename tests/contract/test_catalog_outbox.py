"""A state change and its event are one write, in every catalog, and of many writers at once exactly one wins."""

from dataclasses import replace

import pytest

from regions.events.messages import photo_deleted, record_changed
from regions.records import Status
from tests.builders import scripts

RACES = 25

# Opens the catalog, waits for the start, and tries to change each photo.
RACER = """
import pickle, sys
from regions.events.messages import photos_uploaded
from regions.records import Status
open_catalog, photos = pickle.load(sys.stdin.buffer)
catalog = open_catalog()
print("ready", flush=True)
sys.stdin.buffer.readline()
for photo in photos:
    print(catalog.photos.update(photo, {Status.UPLOADING}, photos_uploaded(photo, 50)))
"""


@pytest.fixture
def race(open_catalog):
    """Two processes try to change the same photos, each to a caption of its own; returns which each has changed."""

    def run(photos):
        changes = [
            [replace(photo, status=Status.PROCESSING, caption=caption) for photo in photos]
            for caption in ("first", "second")
        ]
        printed = scripts.run_at_once(RACER, *((open_catalog.another_process, changed) for changed in changes))
        return [[line == "True" for line in lines] for lines in printed]

    return run


def test_of_two_processes_exactly_one_changes_a_photo(catalog, sample, race):
    """The photo is as the winner left it, and there is one event."""
    photos = [sample.photo(number) for number in range(RACES)]
    for photo in photos:
        sample.create(photo)
    first, second = race(photos)
    assert [one + other for one, other in zip(first, second, strict=True)] == [1] * RACES
    captions = [catalog.photos.get(photo.photo_id).caption for photo in photos]
    assert captions == ["first" if won else "second" for won in first]
    assert sorted(event.key for event in catalog.outbox.pending(99)) == [photo.photo_id for photo in photos]


def test_of_many_threads_exactly_one_changes_a_photo(catalog, sample, threads):
    """And there is one event."""
    photo = sample.photo(1)
    sample.create(photo)
    processing = replace(photo, status=Status.PROCESSING)
    won = threads.map(lambda _: catalog.photos.update(processing, {Status.UPLOADING}, sample.event(photo)), range(16))
    assert sum(won) == 1
    assert len(catalog.outbox.pending(99)) == 1


def test_of_many_deletions_exactly_one_has_an_event(catalog, sample, threads):
    """However many threads delete the photo at once."""
    photo = sample.create_ready(1)
    won = threads.map(lambda _: catalog.photos.delete(sample.tombstone(photo), photo_deleted(photo, 9)), range(16))
    assert sum(won) == 1
    assert catalog.outbox.pending(99) == [photo_deleted(photo, 9)]


def test_a_photo_that_is_updated_and_deleted_at_once_is_deleted(catalog, sample, threads):
    """Whichever comes first. There is an event of the update only if it took effect."""
    photos = [sample.create_ready(number) for number in range(8)]
    deleted = [threads.submit(catalog.photos.delete, sample.tombstone(photo), None) for photo in photos]
    changed = [threads.submit(catalog.photos.update, photo, {Status.READY}, sample.event(photo)) for photo in photos]
    assert all(deletion.result() for deletion in deleted)
    updated = {photo.photo_id for photo, change in zip(photos, changed, strict=True) if change.result()}
    assert {event.key for event in catalog.outbox.pending(99)} == updated
    assert catalog.photos.summaries([photo.photo_id for photo in photos]) == {}


def test_the_outbox_is_in_the_order_of_the_changes(catalog, sample):
    """Not in that of ids or times. When there are more than the limit, the oldest are returned."""
    photos = [sample.create_ready(number) for number in (3, 1, 2)]
    for photo in photos:
        catalog.photos.update(photo, {Status.READY}, sample.event(photo))
    catalog.photos.delete(sample.tombstone(photos[0]), photo_deleted(photos[0], 1))
    expected = [*map(sample.event, photos), photo_deleted(photos[0], 1)]
    assert catalog.outbox.pending(10) == expected
    assert catalog.outbox.pending(2) == expected[:2]


def test_published_events_are_removed_from_the_outbox(catalog, sample):
    """And no others. Removing them again, or events that never were there, does nothing."""
    first, second, unknown = (sample.create_ready(number) for number in range(3))
    for photo in (first, second):
        catalog.photos.update(photo, {Status.READY}, sample.event(photo))
    for _ in range(2):
        catalog.outbox.remove([sample.event(first), sample.event(unknown)])
    assert catalog.outbox.pending(10) == [sample.event(second)]
    catalog.outbox.remove([])


def test_a_follow_and_its_end_in_one_millisecond_are_two_events(catalog, sample):
    """Removing the first leaves the second."""
    ana, bob = sample.user_id(1), sample.user_id(2)
    follow, end = (sample.follow(ana, bob, following, at_ms=5) for following in (True, False))
    catalog.follows.change(ana, bob, True, follow)
    catalog.follows.change(ana, bob, False, end)
    catalog.outbox.remove([follow])
    assert catalog.outbox.pending(10) == [end]


def test_a_follow_may_have_several_events(catalog, sample):
    """All in one write, and in their order."""
    ana, bob = sample.user_id(1), sample.user_id(2)
    events = [sample.follow(ana, bob, at_ms=5), record_changed("follow", ana, bob, ana, "", 5)]
    catalog.follows.change(ana, bob, True, *events)
    assert catalog.follows.authors(ana, None, 9) == [bob]
    assert catalog.outbox.pending(10) == events
    catalog.outbox.remove(events)
    assert catalog.outbox.pending(10) == []


def test_an_event_can_be_removed_by_another_process(catalog, open_catalog, sample):
    """As when the sweep has published it."""
    photo = sample.create_ready(1)
    catalog.photos.update(photo, {Status.READY}, sample.event(photo))
    another = open_catalog()
    another.outbox.remove(another.outbox.pending(10))
    assert catalog.outbox.pending(10) == []


def test_what_is_taken_back_is_in_the_outbox_with_it(catalog, sample):
    """A like and a comment. Each time, since the one before may not be known to be published."""
    photo_id, ana, comment_id = sample.photo_id(1), sample.user_id(1), sample.comment_id(1)
    like = record_changed("like", photo_id, ana, ana, "eu", 1)
    comment = record_changed("comment", photo_id, comment_id, ana, "eu", 1)
    for _ in range(2):
        catalog.likes.remove(photo_id, ana, like)
        catalog.comments.remove(photo_id, comment_id, comment)
    assert catalog.outbox.pending(10) == [like, comment] * 2
    catalog.outbox.remove([like])
    assert catalog.outbox.pending(10) == [comment] * 2


def test_an_event_can_be_added_when_its_change_was_written(catalog, open_catalog, sample):
    event = sample.event(sample.photo(1))
    catalog.outbox.add(event)
    assert open_catalog().outbox.pending(10) == [event]
