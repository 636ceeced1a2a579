"""No event is lost between the catalog and the event log. With a real catalog and a real log."""

import pytest

from regions import ids
from regions.events.messages import photos_uploaded
from regions.events.outbox import OutboxPublisher
from regions.events.topics import PHOTOS_UPLOADED
from regions.records import Photo, Status, Upload

NOW_MS = 1_800_000_000_000


@pytest.fixture
def outbox(catalog, events, clock):
    return OutboxPublisher(catalog, events, clock.now_ms)


@pytest.fixture
def change(catalog, clock):
    """Changes a photo in the catalog. The event about it is then in the outbox."""

    def change_photo(number=1):
        photo_id, owner_id = ids.to_public(ids.PHOTO, number), ids.to_public(ids.USER, 1)
        photo = Photo(photo_id, owner_id, "eu", "eu-west", Status.UPLOADING, "", 9, None, number)
        catalog.photos.create(photo, Upload(photo_id, "m", "a.jpg", 9, 9, NOW_MS))
        event = photos_uploaded(photo, clock.at_ms)
        assert catalog.photos.update(photo, {Status.UPLOADING}, event)
        return event

    return change_photo


@pytest.fixture
def published(events):
    """All events that were published since the last call."""
    consumer = events.consumer(PHOTOS_UPLOADED, "test", "reader")
    yield lambda: [delivery.event for delivery in consumer.poll(1_000, 0.0)]
    consumer.close()


def test_a_published_event_is_removed_from_the_outbox(outbox, change, catalog, published):
    """So the sweep doesn't find it."""
    event = change()
    outbox.publish(event)
    assert published() == [event]
    assert catalog.outbox.pending(9) == []


def test_when_the_log_is_unavailable_the_event_stays_in_the_outbox(outbox, change, catalog, events):
    """Without an error: the change itself is in the catalog."""
    event = change()
    events.close()
    outbox.publish(event)
    assert catalog.outbox.pending(9) == [event]


def test_events_that_a_crash_left_behind_are_published(outbox, change, catalog, clock, published):
    """Once the request that wrote them has had time to do it."""
    left = [change(1), change(2)]
    clock.at_ms += 2_000
    assert outbox.run_once() == 2
    assert sorted(event.key for event in published()) == sorted(event.key for event in left)
    assert catalog.outbox.pending(9) == []
    assert outbox.run_once() == 0


def test_a_fresh_event_is_left_to_its_request(outbox, change, clock, catalog):
    """So that not every event is published twice."""
    change()
    clock.at_ms += 1_999
    assert outbox.run_once() == 0
    assert len(catalog.outbox.pending(9)) == 1


def test_an_event_from_the_future_is_published(outbox, change, clock, published):
    """The clock was stepped back. Otherwise the photo would wait until the clock gets there."""
    event = change()
    clock.at_ms -= 3_600_000
    assert outbox.run_once() == 1
    assert published() == [event]


def test_an_event_that_a_crash_kept_in_the_outbox_is_published_twice(outbox, change, clock, catalog, published, events):
    """The process died between publishing and removing it. It is not lost."""
    event = change()
    events.publish([event])
    clock.at_ms += 2_000
    outbox.run_once()
    assert published() == [event, event]
    assert catalog.outbox.pending(9) == []


def test_a_long_outbox_is_published_in_several_rounds(outbox, change, clock, published):
    """Each is bounded, oldest first, until the outbox is empty."""
    left = [change(number) for number in range(250)]
    clock.at_ms += 2_000
    counts = [outbox.run_once() for _ in range(3)]
    assert sum(counts) == 250
    assert counts[-1] == 0 or counts[-1] < counts[0]
    assert {event.key for event in published()} == {event.key for event in left}


def test_an_event_that_is_published_now_is_not_in_the_outbox(outbox, catalog, published):
    """It costs no write there."""
    event = photos_uploaded(Photo("p", "u", "eu", "eu-west", Status.UPLOADING, "", 9, None, 1), NOW_MS)
    outbox.publish_now(event)
    assert published() == [event] and catalog.outbox.pending(9) == []


def test_an_event_that_the_log_does_not_take_now_waits_for_the_sweep(outbox, catalog, events):
    event = photos_uploaded(Photo("p", "u", "eu", "eu-west", Status.UPLOADING, "", 9, None, 1), NOW_MS)
    events.close()
    outbox.publish_now(event)
    assert catalog.outbox.pending(9) == [event]
