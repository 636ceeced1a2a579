"""Events are small and keyed, have an id made from what happened, and keep their values through text."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.events import messages
from regions.events.messages import Event
from regions.events.topics import DEAD_LETTERS, TOPICS
from regions.records import Photo, Status

PHOTO = Photo("p_00000000001", "u_00000000002", "eu", "eu-west", Status.READY, "The harbour", 9, None, 1000)
ABOUT_PHOTO = [messages.photos_uploaded, messages.photo_ready, messages.photo_deleted]

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
events = st.builds(
    Event,
    st.sampled_from(TOPICS),
    st.text(max_size=20),
    st.text(max_size=20),
    st.integers(0, 1 << 53),
    st.dictionaries(st.text(max_size=10), values, max_size=4),
)


@given(events)
def test_an_event_goes_through_text_unchanged(event):
    """One line, so that it can be stored in a log."""
    text = messages.to_text(event)
    assert messages.from_text(text) == event
    assert "\n" not in text


@given(events, st.dictionaries(st.text(min_size=20, max_size=30), values, max_size=3))
def test_an_event_with_fields_of_a_newer_version_is_read(event, more):
    """They are still there when it is published again, by an outbox sweep or as a dead letter."""
    newer = json.dumps(json.loads(messages.to_text(event)) | more)
    read = messages.from_text(newer)
    assert (read.topic, read.key, read.event_id, read.body) == (event.topic, event.key, event.event_id, event.body)
    assert json.loads(messages.to_text(read)) == json.loads(newer)


@given(st.text(max_size=200) | values.map(json.dumps))
def test_any_other_text_is_unreadable(text):
    """And nothing else is raised."""
    with pytest.raises(messages.UnreadableEvent):
        messages.from_text(text)


@pytest.mark.parametrize("change", [{"at_ms": "1"}, {"body": []}, {"key": None}, {"version": 2}, {"version": "1"}])
def test_an_event_with_a_field_of_another_form_is_unreadable(change):
    """As is one of a version that this program can't know."""
    text = json.dumps(json.loads(messages.to_text(messages.photo_ready(PHOTO, 2000))) | change)
    with pytest.raises(messages.UnreadableEvent):
        messages.from_text(text)


def test_deeply_nested_text_is_unreadable():
    """However deep it is."""
    with pytest.raises(messages.UnreadableEvent):
        messages.from_text("[" * 200_000)


@pytest.mark.parametrize("make", ABOUT_PHOTO)
def test_an_event_about_a_photo_has_the_photo_as_its_key(make):
    """So that the events of one photo stay in order."""
    event = make(PHOTO, 2000)
    assert (event.key, event.at_ms, event.version) == (PHOTO.photo_id, 2000, 1)
    assert event.topic in TOPICS
    assert event.body["owner_id"] == PHOTO.owner_id


@pytest.mark.parametrize("make", ABOUT_PHOTO)
def test_an_event_that_is_published_again_has_the_same_id(make):
    """Even at a later time, so that consumers recognise it."""
    assert make(PHOTO, 2000).event_id == make(PHOTO, 9000).event_id


def test_different_events_have_different_ids():
    """Of one photo, and of one follower and author at different times."""
    events = [make(PHOTO, 2000) for make in ABOUT_PHOTO]
    events.append(messages.photo_referenced(PHOTO.photo_id, PHOTO.owner_id, 1000, 2000))
    events += [messages.follow_changed("u_1", "u_2", following, at_ms) for following, at_ms in ((True, 1), (False, 2))]
    assert len({event.event_id for event in events}) == len(events)


def test_a_reference_contains_only_ids_and_time():
    """Only the photo's id, its owner and its time may be stored in another region."""
    event = messages.photo_referenced(PHOTO.photo_id, PHOTO.owner_id, 1000, 2000)
    assert set(event.body) == {"photo_id", "owner_id", "created_at_ms"}


@pytest.mark.parametrize("make", ABOUT_PHOTO)
def test_no_event_contains_the_caption_of_a_photo(make):
    """Nor anything else that it shows."""
    assert PHOTO.caption not in messages.to_text(make(PHOTO, 2000))


def test_a_follow_has_the_author_as_its_key():
    """It contains the follower, the author, and whether the follower now follows."""
    event = messages.follow_changed("u_1", "u_2", False, 7)
    assert event.key == "u_2"
    assert event.body == {"follower_id": "u_1", "author_id": "u_2", "following": False}


@given(events, st.text(max_size=5000))
def test_a_dead_letter_contains_its_whole_event(event, error):
    """So that it can be published again. The length of its error is bounded."""
    letter = messages.dead_letter(event, "processor", error, 9)
    text = messages.to_text(letter)
    assert messages.from_text(json.dumps(json.loads(text)["body"]["event"])) == event
    assert letter.body["error"] == error[:2000]
    assert (letter.topic, letter.key) == (DEAD_LETTERS, event.key)


def test_each_group_has_dead_letters_of_its_own():
    """Another group may succeed with the same event."""
    event = messages.photo_ready(PHOTO, 1)
    letters = {messages.dead_letter(event, group, "broken", 1).event_id for group in ("fanout", "lane-us-central")}
    assert len(letters) == 2


def test_the_second_time_that_a_photo_is_ready_is_another_event():
    """One for each recipe, so that removing one from the outbox leaves the others. The first keeps its id."""
    first = messages.photo_ready(PHOTO, 1)
    again = [messages.photo_ready_again(replace(PHOTO, recipe=recipe), 1) for recipe in (2, 3)]
    assert first.event_id == "photo_ready:p_00000000001"
    assert len({event.event_id for event in (first, *again)}) == 3
    assert [messages.is_again(event) for event in (first, *again)] == [False, True, True]
    assert {event.key for event in again} == {first.key}


def test_a_backfill_is_the_same_event_however_often_it_is_published():
    """For the same photo, recipe and purpose."""
    ids = {messages.photos_backfill("p_1", recipe, failed, at_ms).event_id
           for recipe in (2, 3) for failed in (False, True) for at_ms in (1, 2)}  # fmt: skip
    assert len(ids) == 4
