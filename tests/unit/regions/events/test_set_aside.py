"""When an event that a lane could not handle is due again, and when it is given up."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.events import messages
from regions.events.messages import (
    MAX_ENVELOPE_BYTES,
    MAX_EVENT_BYTES,
    Event,
    Unreadable,
    UnreadableEvent,
    dead_letter,
    to_text,
)
from regions.events.set_aside import (
    A_MINUTE,
    AN_HOUR,
    DELAYS,
    GIVE_UP_AFTER_MS,
    TEN_MINUTES,
    SetAside,
    after_failure,
    from_dead_letter,
    parse,
    to_event,
)
from regions.events.topics import DEAD_LETTERS, FOLLOW_CHANGED, PHOTO_DELETED, PHOTO_READY, TOPICS

LANE, OTHER = "lane-us-central", "lane-ap-south"
EVENT = Event(PHOTO_READY, "p_1", "photo_ready:p_1", 7, {"photo_id": "p_1"})
NOW_MS = 1_800_000_000_000

times = st.integers(0, 1 << 53)
originals = st.builds(
    Event,
    st.sampled_from([PHOTO_READY, PHOTO_DELETED, FOLLOW_CHANGED]),
    st.text(max_size=20),
    st.text(max_size=20),
    times,
    st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=3),
    extra=st.dictionaries(st.text(min_size=20, max_size=25), st.integers(), max_size=2),
)
waiting = st.builds(
    SetAside,
    event=originals,
    group=st.text(max_size=30),
    delay=st.sampled_from(DELAYS),
    tries=st.integers(0, 200),
    since_ms=times,
    due_ms=times,
    error=st.text(max_size=100),
)


def failures(count: int, event: Event = EVENT, now_ms: int = NOW_MS) -> list[Event]:
    """What is published if the event fails each time as soon as it is due."""
    published = []
    for _ in range(count):
        event = after_failure(event, LANE, "error", None, now_ms)
        published.append(event)
        if event.topic == DEAD_LETTERS:
            break
        now_ms = parse(event).due_ms
    return published


@given(waiting, times)
def test_an_event_that_is_set_aside_goes_through_text_unchanged(one, at_ms):
    """The original event too, with fields of a newer version. Both have the same key, so that their order is kept."""
    event = messages.from_text(to_text(to_event(one, at_ms)))
    assert parse(event) == one
    assert (event.topic, event.key, event.at_ms) == (one.delay.topic, one.event.key, at_ms)


def test_the_delays_grow_to_an_hour():
    """A minute, ten minutes, an hour, and then the hour again. It is due when the delay has passed."""
    found = [parse(event) for event in failures(5)]
    assert [one.delay for one in found] == [A_MINUTE, TEN_MINUTES, AN_HOUR, AN_HOUR, AN_HOUR]
    assert [one.tries for one in found] == [1, 2, 3, 4, 5]
    assert all((one.event, one.group, one.since_ms) == (EVENT, LANE, NOW_MS) for one in found)
    due = [NOW_MS + 60_000, NOW_MS + 660_000, NOW_MS + 4_260_000]
    assert [one.due_ms for one in found[:3]] == due


def test_it_is_given_up_a_week_after_it_was_first_set_aside():
    """Then the original event is a dead letter of the lane, with the last error."""
    *published, letter = failures(1000)
    assert len(published) == 3 + 7 * 24 - 1
    assert parse(published[-1]).due_ms >= NOW_MS + GIVE_UP_AFTER_MS
    assert letter == dead_letter(EVENT, LANE, "error", parse(published[-1]).due_ms)


def test_a_deletion_is_never_given_up():
    """It is tried each hour, for as long as its destination refuses."""
    deleted = Event(PHOTO_DELETED, "p_1", "photo_deleted:p_1", 7, {"photo_id": "p_1"})
    assert {parse(event).delay for event in failures(1000, deleted)[2:]} == {AN_HOUR}


def test_an_old_event_is_set_aside_all_the_same():
    """As when its destination was away for longer than a week."""
    assert parse(after_failure(replace(EVENT, at_ms=0), LANE, "error", None, NOW_MS)).delay == A_MINUTE


@pytest.mark.parametrize("wanted", DELAYS)
def test_a_handler_chooses_the_delay(wanted):
    """As often as it does."""
    first = after_failure(EVENT, LANE, "too early", wanted, NOW_MS)
    second = after_failure(first, LANE, "too early", wanted, parse(first).due_ms)
    assert [first.topic, second.topic] == [wanted.topic] * 2
    assert parse(second).due_ms == NOW_MS + 2 * wanted.ms


@given(waiting, times)
def test_nothing_waits_for_longer_than_its_delay(one, now_ms):
    """Also if the clock was set back since: then it is due."""
    wait_ms = one.wait_ms(now_ms)
    assert 0 <= wait_ms <= one.delay.ms
    assert wait_ms in (0, one.due_ms - now_ms)
    assert replace(one, due_ms=now_ms + one.delay.ms).wait_ms(now_ms) == one.delay.ms


@given(st.sampled_from(TOPICS), st.text(max_size=20), st.dictionaries(st.text(max_size=10), st.text(), max_size=3))
def test_what_was_not_set_aside_is_unreadable(topic, key, body):
    """And in a topic with a delay it becomes a dead letter as it is, since nobody knows what it was."""
    event = Event(topic, key, "id", 1, body)
    with pytest.raises(UnreadableEvent):
        parse(event)
    published = after_failure(event, LANE, "error", None, NOW_MS)
    assert (published.topic == DEAD_LETTERS) == (topic in {delay.topic for delay in DELAYS})


@pytest.mark.parametrize("change", [{"due_ms": "1"}, {"group": None}, {"event": {}}, {"event": 7}, {"tries": 1.5}])
def test_a_field_of_another_form_is_unreadable(change):
    event = failures(1)[0]
    with pytest.raises(UnreadableEvent):
        parse(replace(event, body=event.body | change))


@given(st.text(max_size=3000))
def test_the_largest_event_with_the_longest_error_fits_into_an_event_log(error):
    """However often it is set aside: the events are not nested."""
    body = {"text": "x" * (MAX_EVENT_BYTES - len(to_text(replace(EVENT, body={"text": ""}))) - len(EVENT.key))}
    event = replace(EVENT, body=body)
    for _ in range(3):
        event = after_failure(event, LANE, error + "\U0001f600" * 3000, None, NOW_MS)
        assert len(to_text(event).encode()) + len(event.key) <= MAX_ENVELOPE_BYTES


def test_a_dead_letter_becomes_an_event_again():
    """Due at once, and as if it had never been tried. It is for the lane that gave it up, and for no other."""
    letter = failures(1000)[-1]
    again = from_dead_letter(letter, LANE, NOW_MS)
    assert again == SetAside(EVENT, LANE, A_MINUTE, 0, NOW_MS, NOW_MS, "error")
    assert again.wait_ms(NOW_MS) == 0
    assert from_dead_letter(letter, OTHER, NOW_MS) is None
    assert parse(after_failure(to_event(again, NOW_MS), LANE, "error", None, NOW_MS)).delay == A_MINUTE


def test_what_an_older_program_could_not_read_becomes_an_event_if_this_one_can():
    """Otherwise it is unreadable."""
    for text, is_readable in ((to_text(EVENT), True), (to_text(replace(EVENT, version=99)), False), ("{", False)):
        letter = dead_letter(Unreadable(PHOTO_READY, "", "unreadable:1", text, "not an event"), LANE, "error", 1)
        if is_readable:
            assert from_dead_letter(letter, LANE, NOW_MS).event == EVENT
        else:
            with pytest.raises(UnreadableEvent):
                from_dead_letter(letter, LANE, NOW_MS)


def test_no_envelope_becomes_an_event_again():
    """A dead letter within a dead letter, or one of a topic with a delay that nobody could read."""
    for topic in (DEAD_LETTERS, A_MINUTE.topic):
        letter = dead_letter(replace(EVENT, topic=topic), LANE, "error", 1)
        with pytest.raises(UnreadableEvent):
            from_dead_letter(messages.from_text(json.dumps(messages.to_document(letter))), LANE, NOW_MS)
