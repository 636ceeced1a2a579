"""A lane on every event log: what it can't handle is tried again later, and stops nothing behind it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial

import pytest

from regions import daemon
from regions.errors import Unavailable
from regions.events import lanes
from regions.events.handling import ATTEMPTS
from regions.events.lanes import LaneTopic
from regions.events.messages import Event, dead_letter
from regions.events.set_aside import (
    A_MINUTE,
    AN_HOUR,
    DELAYS,
    GIVE_UP_AFTER_MS,
    TEN_MINUTES,
    NotYet,
    from_dead_letter,
    to_event,
)
from regions.events.topics import DEAD_LETTERS, PHOTO_DELETED, PHOTO_READY, lane_group
from tests.builders.embedded import Clock

WITHIN_S = 60
LANE, OTHER = lane_group("us-central"), lane_group("ap-south")
TOPICS = (PHOTO_READY, PHOTO_DELETED)
STEP_MS = 20_000


def event(number: int, topic: str = PHOTO_READY) -> Event:
    return Event(topic, f"p_{number}", f"{topic}:{number}", number, {"photo_id": f"p_{number}"})


FIRST = event(1)


class LaneHandler:
    """A handler that records when it is called, and raises the errors scripted for an event, one with each call."""

    def __init__(self, clock: Clock) -> None:
        self.errors, self.called_ms, self.done = {}, [], []
        self._clock = clock

    def __call__(self, one: Event) -> None:
        self.called_ms.append(self._clock.now_ms())
        if error := next(self.errors.get(one.event_id, iter(())), None):
            raise error
        self.done.append(one)


@pytest.fixture
def lane_clock():
    """The lane's own, which stands still; that of the event log may be the real one."""
    return Clock()


@pytest.fixture
def handle(lane_clock):
    return LaneHandler(lane_clock)


@pytest.fixture
def start(open_events, lane_clock):
    """Starts the lane of a group, as in a process of its own; returns what stops it and waits for its end."""
    with ExitStack() as started:

        def run(handle, group=LANE, pause_s=lambda attempt: 0.0):
            stop, topics = threading.Event(), dict.fromkeys(TOPICS, LaneTopic(handle, 2))
            loops = lanes.loops(open_events(), group, "one", topics, stop, lane_clock.now_ms, pause_s)
            threads = ThreadPoolExecutor(1)
            running = threads.submit(daemon.run_together, loops, stop)

            def end() -> None:
                stop.set()
                running.result(WITHIN_S)
                threads.shutdown()

            started.callback(end)
            return end

        yield run


@pytest.fixture
def lag(events):
    """How many events the lane has not done, by topic, if any."""

    def read(group=LANE) -> dict[str, int]:
        found = {topic: sum(events.lag(topic, group).values()) for topic in (*TOPICS, *(one.topic for one in DELAYS))}
        return {topic: count for topic, count in found.items() if count}

    return read


@pytest.fixture
def letters(events):
    def read() -> list[Event]:
        with closing(events.consumer(DEAD_LETTERS, "test", "test")) as consumer:
            return [delivery.event for delivery in consumer.poll(9, WITHIN_S)]

    return read


def until(is_so, between=lambda: None) -> None:
    deadline_s = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < deadline_s
        between()
        time.sleep(0.02)


def is_published(events, topic: str, count: int) -> bool:
    """Whether the topic has had so many events in all."""
    return sum(events.lag(topic, "nobody").values()) == count


def test_what_fails_is_tried_again_after_each_delay(events, start, handle, lag, lane_clock):
    """A minute, ten minutes, an hour. Each time it is attempted a few times; then it counts as done in its topic."""
    handle.errors[FIRST.event_id] = iter([ValueError("missing")] * 3 * ATTEMPTS)
    events.publish([FIRST])
    start(handle)
    until(lambda: handle.done, between=lambda: lane_clock.advance(STEP_MS))
    assert len(handle.called_ms) == 3 * ATTEMPTS + 1
    for number, delay in enumerate(DELAYS, 1):
        last_ms, next_ms = handle.called_ms[number * ATTEMPTS - 1 : number * ATTEMPTS + 1]
        assert next_ms - last_ms >= delay.ms
    until(lambda: lag() == {})


def test_what_was_set_aside_stops_nothing_behind_it(events, start, handle, lag, lane_clock):
    """Not of its own key either. When its cause has passed, it is handled as the event that it was."""
    handle.errors[FIRST.event_id] = iter([ValueError("missing")] * ATTEMPTS)
    others = [replace(FIRST, event_id="second"), *(event(number) for number in range(2, 20))]
    events.publish([FIRST, *others])
    start(handle)
    until(lambda: lag() == {A_MINUTE.topic: 1})
    assert sorted(one.event_id for one in handle.done) == sorted(one.event_id for one in others)
    lane_clock.advance(A_MINUTE.ms)
    until(lambda: lag() == {})
    assert handle.done[-1] == FIRST


def test_a_handler_may_ask_to_be_called_again(events, start, handle, lag, lane_clock):
    """After the delay that it wants, and without further attempts before. Nothing failed."""
    deletion = event(1, PHOTO_DELETED)
    handle.errors[deletion.event_id] = iter([NotYet("not confirmed", TEN_MINUTES)] * 2)
    events.publish([deletion])
    start(handle)
    for calls in (1, 2):
        until(partial(is_published, events, TEN_MINUTES.topic, calls))
        assert len(handle.called_ms) == calls
        lane_clock.advance(TEN_MINUTES.ms)
    until(lambda: lag() == {})
    assert handle.done == [deletion]


def test_each_lane_handles_what_it_set_aside_itself(events, start, lane_clock, lag):
    """The other reads past it, since both read the same topics."""
    ours, theirs = LaneHandler(lane_clock), LaneHandler(lane_clock)
    second = event(2)
    ours.errors[FIRST.event_id] = iter([ValueError("missing")] * ATTEMPTS)
    theirs.errors[second.event_id] = iter([ValueError("missing")] * ATTEMPTS)
    events.publish([FIRST, second])
    start(ours)
    start(theirs, OTHER)
    until(lambda: len(ours.called_ms) == len(theirs.called_ms) == ATTEMPTS + 1)
    until(lambda: set(lag(LANE)) == set(lag(OTHER)) == {A_MINUTE.topic})
    lane_clock.advance(A_MINUTE.ms)
    until(lambda: lag(LANE) == lag(OTHER) == {})
    assert (ours.done, theirs.done) == ([second, FIRST], [FIRST, second])


def test_while_the_destination_is_away_an_event_stays_where_it_is(events, start, handle, lag):
    """However often it is tried: it waits in the log, and is not set aside."""
    handle.errors[FIRST.event_id] = iter([Unavailable("away")] * 10 * ATTEMPTS)
    events.publish([FIRST])
    start(handle)
    until(lambda: handle.done == [FIRST] and lag() == {})
    assert all(is_published(events, delay.topic, 0) for delay in DELAYS)


def test_a_lane_that_is_stopped_leaves_what_waits_to_the_next(events, start, handle, lag, lane_clock):
    """It stops at once, however long it would still wait."""
    handle.errors[FIRST.event_id] = iter([NotYet("in an hour", AN_HOUR)])
    events.publish([FIRST])
    end = start(handle)
    until(lambda: lag() == {AN_HOUR.topic: 1})
    end()
    lane_clock.advance(AN_HOUR.ms)
    start(handle)
    until(lambda: lag() == {})
    assert handle.done == [FIRST]


def test_a_week_later_it_is_a_dead_letter(events, start, handle, lag, letters, lane_clock):
    """With the original event. An operator may make it an event of the lane again, which is tried at once."""
    handle.errors[FIRST.event_id] = iter([ValueError("missing")] * 2 * ATTEMPTS)
    events.publish([FIRST])
    start(handle)
    until(lambda: lag() == {A_MINUTE.topic: 1})
    lane_clock.advance(GIVE_UP_AFTER_MS)
    until(lambda: lag() == {})
    assert handle.done == []
    [letter] = letters()
    assert letter.body == dead_letter(FIRST, LANE, "ValueError('missing')", 0).body
    again = from_dead_letter(letter, LANE, lane_clock.now_ms())
    events.publish([to_event(again, lane_clock.now_ms())])
    until(lambda: handle.done == [FIRST])
