"""Events are small, keyed, told apart by what happened, and go through text unchanged."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.events import messages, topics
from regions.events.messages import Event
from regions.events.topics import TOPICS
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
    """One line, so that it may stand in a log."""
    text = messages.to_text(event)
    assert messages.from_text(text) == event
    assert "\n" not in text


@pytest.mark.parametrize("make", ABOUT_PHOTO)
def test_an_event_of_a_photo_is_keyed_by_it(make):
    """So that what happened to one photo stays in order."""
    event = make(PHOTO, 2000)
    assert (event.key, event.at_ms, event.version) == (PHOTO.photo_id, 2000, 1)
    assert event.topic in TOPICS
    assert event.body["owner_id"] == PHOTO.owner_id


@pytest.mark.parametrize("make", ABOUT_PHOTO)
def test_the_same_fact_told_twice_has_one_id(make):
    """Told later too, so that it is recognised."""
    assert make(PHOTO, 2000).event_id == make(PHOTO, 9000).event_id


def test_different_facts_have_different_ids():
    """Of one photo, and of one follower and author at different times."""
    told = [make(PHOTO, 2000) for make in ABOUT_PHOTO]
    told.append(messages.photo_referenced(PHOTO.photo_id, PHOTO.owner_id, 1000, 2000))
    told += [messages.follow_changed("u_1", "u_2", following, at_ms) for following, at_ms in ((True, 1), (False, 2))]
    assert len({event.event_id for event in told}) == len(told)


def test_a_reference_holds_no_more_than_it_may():
    """Photo, owner and time: this much may be known in another region."""
    event = messages.photo_referenced(PHOTO.photo_id, PHOTO.owner_id, 1000, 2000)
    assert set(event.body) == {"photo_id", "owner_id", "created_at_ms"}


@pytest.mark.parametrize("make", ABOUT_PHOTO)
def test_no_event_tells_what_a_photo_shows(make):
    """No caption, no camera, no place."""
    assert PHOTO.caption not in messages.to_text(make(PHOTO, 2000))


def test_a_follow_is_keyed_by_its_author():
    """And says who, whom, and whether."""
    event = messages.follow_changed("u_1", "u_2", False, 7)
    assert event.key == "u_2"
    assert event.body == {"follower_id": "u_1", "author_id": "u_2", "following": False}


@given(events, st.text(max_size=5000))
def test_a_dead_letter_holds_its_event_whole(event, error):
    """So that it can be published again; its error is bounded."""
    letter = messages.dead_letter(event, "processor", error, 9)
    text = messages.to_text(letter)
    assert Event(**json.loads(text)["body"]["event"]) == event
    assert letter.body["error"] == error[:2000]
    assert (letter.topic, letter.key) == (topics.DEAD_LETTERS, event.key)


def test_each_group_has_dead_letters_of_its_own():
    """What one gave up on, another may still do."""
    event = messages.photo_ready(PHOTO, 1)
    letters = {messages.dead_letter(event, group, "broken", 1).event_id for group in ("fanout", "lane-us-central")}
    assert len(letters) == 2
