"""No event is lost between the catalog and the event log. On a real catalog and a real log."""

import pytest

from regions import ids
from regions.events.messages import photos_uploaded
from regions.events.outbox import Outbox
from regions.events.topics import PHOTOS_UPLOADED
from regions.records import Photo, Status, Upload

NOW_MS = 1_800_000_000_000


@pytest.fixture
def outbox(catalog, events, clock):
    return Outbox(catalog, events, clock.now_ms)


@pytest.fixture
def happen(catalog, clock):
    """Changes a photo in the catalog, with the event that tells of it, which is now in the outbox."""

    def change(number=1):
        photo_id, owner_id = ids.to_public(ids.PHOTO, number), ids.to_public(ids.USER, 1)
        photo = Photo(photo_id, owner_id, "eu", "eu-west", Status.UPLOADING, "", 9, None, number)
        catalog.photos.create(photo, Upload(photo_id, "m", "a.jpg", 9, 9, NOW_MS))
        event = photos_uploaded(photo, clock.at_ms)
        assert catalog.photos.update(photo, {Status.UPLOADING}, event)
        return event

    return change


@pytest.fixture
def published(events):
    """All events that are in the log now."""
    consumer = events.consumer(PHOTOS_UPLOADED, "test", "reader")
    yield lambda: [delivery.event for delivery in consumer.poll(1_000, 0.0)]
    consumer.close()


def test_a_published_event_is_removed_from_the_outbox(outbox, happen, catalog, published):
    """So the sweep finds nothing."""
    event = happen()
    outbox.publish(event)
    assert published() == [event]
    assert catalog.outbox.pending(9) == []


def test_when_the_log_is_unavailable_the_event_is_left_to_the_next_round(outbox, happen, catalog, events):
    """And telling is no failure: what happened is in the catalog."""
    event = happen()
    events.close()
    outbox.publish(event)
    assert catalog.outbox.pending(9) == [event]


def test_what_a_crash_left_behind_is_published(outbox, happen, catalog, clock, published):
    """When the request that made it has had its time."""
    left = [happen(1), happen(2)]
    clock.at_ms += 2_000
    assert outbox.run_once() == 2
    assert sorted(event.key for event in published()) == sorted(event.key for event in left)
    assert catalog.outbox.pending(9) == []
    assert outbox.run_once() == 0


def test_a_fresh_event_is_left_to_its_request(outbox, happen, clock, catalog):
    """So that not each event is published twice."""
    happen()
    clock.at_ms += 1_999
    assert outbox.run_once() == 0
    assert len(catalog.outbox.pending(9)) == 1


def test_an_event_from_the_future_is_swept(outbox, happen, clock, published):
    """The clock has stepped back since, and the photo would wait until it is there again."""
    event = happen()
    clock.at_ms -= 3_600_000
    assert outbox.run_once() == 1
    assert published() == [event]


def test_a_crash_between_log_and_catalog_publishes_twice(outbox, happen, clock, catalog, published, events):
    """Never less than once."""
    event = happen()
    events.publish([event])
    clock.at_ms += 2_000
    outbox.run_once()
    assert published() == [event, event]
    assert catalog.outbox.pending(9) == []


def test_a_long_outbox_is_swept_in_turns(outbox, happen, clock, published):
    """Each bounded, oldest first, until there is none."""
    left = [happen(number) for number in range(250)]
    clock.at_ms += 2_000
    turns = [outbox.run_once() for _ in range(3)]
    assert sum(turns) == 250
    assert turns[-1] == 0 or turns[-1] < turns[0]
    assert {event.key for event in published()} == {event.key for event in left}
