"""Delivery at least once, even through failures: how a subscription handles, retries, gives up, commits and closes."""

import threading
import time
from collections import Counter
from concurrent.futures import Future
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from regions.errors import TooLarge, Unavailable
from regions.events import subscription as subscription_module
from regions.events.handling import ATTEMPTS
from regions.events.messages import (
    MAX_ENVELOPE_BYTES,
    MAX_EVENT_BYTES,
    MAX_UNREADABLE_CHARS,
    Event,
    Unreadable,
    dead_letter,
    record_changed,
    to_text,
)
from regions.events.subscription import Subscription, consume
from regions.events.topics import DEAD_LETTERS, PHOTO_READY, RECORD_CHANGED
from regions.stores.partitioner import partition_of
from regions.stores.sqlite import adapter as sqlite
from regions.stores.sqlite.membership import TTL_MS
from tests.builders.subscriptions import threaded

WITHIN_S = 30


class Recorder:
    """A handler that records its events. It waits for `gate`; `errors` are raised one by one for an event's key."""

    def __init__(self) -> None:
        self.started, self.done = [], []
        self.gate = threading.Event()
        self.gate.set()
        self.errors = {}
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            self.started.append(event.at_ms)
        assert self.gate.wait(WITHIN_S)
        with self._lock:
            error = next(self.errors.get(event.key, iter(())), None)
        if error is not None:
            raise error
        with self._lock:
            self.done.append(event.at_ms)


def event(number: int, key: str | None = None) -> Event:
    return Event(PHOTO_READY, key or f"p_{number}", f"photo_ready:{number}", number, {})


def lag(events) -> int:
    return sum(events.lag(PHOTO_READY, "group").values())


def run_until(subscription, condition) -> None:
    deadline_s = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline_s, "this did not become true in time"
        subscription.run_once(0.01)


def dead_letters(events) -> list[Event]:
    consumer = events.consumer(DEAD_LETTERS, "test", "reader")
    found = [delivery.event for delivery in consumer.poll(100, 0.0)]
    consumer.close()
    return found


@pytest.fixture
def handle():
    return Recorder()


@pytest.fixture
def subscribe(events, handle):
    """Opens subscriptions that retry without a pause. All are closed at the end."""
    opened = []

    def subscription(
        handle=handle, concurrency=4, give_up=None, member="one", pause_s=lambda attempt: 0.0, topic=PHOTO_READY
    ):
        opened.append(threaded(events, topic, "group", member, handle, concurrency, give_up, pause_s))
        return opened[-1]

    yield subscription
    handle.gate.set()
    for one in opened:
        one.close()


def test_every_event_is_handled_and_committed(events, subscribe, handle):
    """More than there are threads, in all partitions."""
    events.publish([event(number) for number in range(30)])
    run_until(subscribe(), lambda: lag(events) == 0)
    assert sorted(handle.done) == list(range(30))


def test_run_once_returns_how_many_events_are_not_finished(events, subscribe, handle):
    """And takes no more than its concurrency."""
    events.publish([event(number) for number in range(10)])
    handle.gate.clear()
    subscription = subscribe(concurrency=3)
    assert [subscription.run_once(), subscription.run_once()] == [3, 3]
    handle.gate.set()
    run_until(subscription, lambda: lag(events) == 0)
    assert subscription.run_once() == 0


def test_no_event_is_committed_before_it_is_done(events, subscribe, handle):
    """Even if later events of its partition are done."""
    first, *others = same_partition(5)
    blocked = Recorder()
    blocked.gate.clear()
    events.publish([first, *others])
    subscription = subscribe(lambda one: blocked(one) if one == first else handle(one))
    run_until(subscription, lambda: len(handle.done) == 4)
    assert lag(events) == 5
    blocked.gate.set()
    run_until(subscription, lambda: lag(events) == 0)


def test_events_of_one_key_are_handled_one_after_the_other(events, subscribe, handle):
    """In order. Events of other keys overtake them."""
    events.publish([event(1, "p_a"), event(2, "p_a"), event(3, "p_b")])
    handle.gate.clear()
    subscription = subscribe()
    run_until(subscription, lambda: len(handle.started) == 2)
    assert sorted(handle.started) == [1, 3]
    handle.gate.set()
    run_until(subscription, lambda: lag(events) == 0)
    assert handle.done.index(1) < handle.done.index(2)


def test_likes_of_one_photo_do_not_wait_for_each_other(events, subscribe, handle):
    """Those that wait count in the concurrency: everybody's records would wait for them."""
    people = [f"u_{number}" for number in range(4)]
    events.publish([record_changed("like", "p_a", person, person, "eu", 1) for person in people])
    handle.gate.clear()
    run_until(subscribe(topic=RECORD_CHANGED), lambda: len(handle.started) == 4)


def test_a_failed_event_is_retried(events, subscribe, handle):
    """Up to the last attempt."""
    events.publish([event(1, "p_a")])
    handle.errors["p_a"] = iter([ValueError("once")] * (ATTEMPTS - 1))
    run_until(subscribe(), lambda: lag(events) == 0)
    assert len(handle.started) == ATTEMPTS
    assert handle.done == [1]
    assert dead_letters(events) == []


def test_a_poisoned_event_goes_to_the_dead_letters_and_does_not_block_others(events, subscribe, handle):
    """As a whole, with its error and its group. `give_up` is called first."""
    events.publish([event(number, "p_a") for number in (1, 2)])
    handle.errors["p_a"] = iter([ValueError("poison")] * ATTEMPTS)
    given_up = []
    run_until(subscribe(give_up=lambda one, error: given_up.append((one.at_ms, str(error)))), lambda: lag(events) == 0)
    assert handle.done == [2]
    assert given_up == [(1, "poison")]
    (letter,) = dead_letters(events)
    assert letter.body["event"]["event_id"] == event(1).event_id
    assert (letter.body["group"], letter.body["error"]) == ("group", "ValueError('poison')")


def test_an_event_with_fields_of_a_newer_version_is_handled(events, subscribe, handle):
    """Old and new programs run side by side."""
    events.publish([replace(event(1), extra={"colour": "blue"})])
    run_until(subscribe(), lambda: lag(events) == 0)
    assert handle.done == [1]
    assert dead_letters(events) == []


def test_what_can_not_be_read_goes_to_the_dead_letters(events, subscribe, handle):
    """With its text, so that a program that can read it may publish it again. The events around it are handled."""
    newer = replace(event(2), version=99)
    events.publish([event(1), newer, event(3)])
    run_until(subscribe(), lambda: lag(events) == 0)
    assert sorted(handle.done) == [1, 3]
    (letter,) = dead_letters(events)
    assert (letter.body["text"], letter.body["group"]) == (to_text(newer), "group")
    assert "version 99" in letter.body["error"]


@pytest.mark.parametrize("error", [Unavailable("down"), TooLarge("too large"), RuntimeError("a bug")])
def test_an_event_is_committed_only_when_its_dead_letter_is_published(events, subscribe, monkeypatch, error):
    """However often publishing fails, and whatever the reason is."""
    events.publish([event(1)])
    publish, failures = events.publish, iter([error] * 10)

    def fail_first(letters) -> None:
        if failure := next(failures, None):
            assert lag(events) == 1
            raise failure
        publish(letters)

    monkeypatch.setattr(events, "publish", fail_first)
    poisoned = Recorder()
    poisoned.errors["p_1"] = iter([ValueError("poisoned")] * ATTEMPTS)
    run_until(subscribe(poisoned), lambda: lag(events) == 0)
    assert [letter.key for letter in dead_letters(events)] == ["p_1"]


@given(st.text(max_size=MAX_UNREADABLE_CHARS + 10), st.text(st.characters(), max_size=3000))
@hypothesis_settings(max_examples=50)
def test_every_dead_letter_fits_into_an_event_log(text, error):
    """Even that of the largest event with the longest error, and of a text that is all escapes in JSON."""
    longest = "\U0001f600" * 40_000
    for content in (text, longest):
        unreadable = dead_letter(Unreadable(PHOTO_READY, "", "unreadable:1", content, error), "group", error, 1)
        assert len(to_text(unreadable).encode()) <= MAX_ENVELOPE_BYTES
    body = {"text": "x" * (MAX_EVENT_BYTES - len(to_text(replace(event(1), body={"text": ""}))) - len("p_1"))}
    largest = replace(event(1), body=body)
    assert len(to_text(largest).encode()) + len(largest.key) == MAX_EVENT_BYTES
    assert len(to_text(dead_letter(largest, "group", error + longest, 1)).encode()) <= MAX_ENVELOPE_BYTES


def test_closing_leaves_the_group_although_the_commit_fails(events, subscribe, handle, monkeypatch):
    """So that the others take over at once, and not only when the member has been silent for long."""
    events.publish([event(1)])
    subscription = subscribe()
    run_until(subscription, lambda: handle.done == [1])

    def fail(partition, offset) -> None:
        raise Unavailable("down")

    monkeypatch.setattr(subscription._consumer, "commit", fail)
    subscription._committable = {0: 1}
    subscription.close()
    other = events.consumer(PHOTO_READY, "group", "other")
    assert len(other.owned()) == sqlite.PARTITIONS


def test_an_unavailable_store_does_not_count_as_a_failed_attempt(events, subscribe, handle):
    """Even if there are ten times as many such attempts."""
    events.publish([event(1, "p_a")])
    down = [Unavailable("down")] * (10 * ATTEMPTS)
    handle.errors["p_a"] = iter([ValueError("once"), *down, ValueError("twice"), *down])
    run_until(subscribe(), lambda: lag(events) == 0)
    assert handle.done == [1]
    assert dead_letters(events) == []


def test_pauses_grow_with_the_attempts(events, subscribe, handle):
    """Unavailable and other errors are counted separately, from 1."""
    events.publish([event(1, "p_a")])
    pauses = []
    handle.errors["p_a"] = iter([ValueError(), Unavailable("down"), Unavailable("down"), ValueError()])
    run_until(subscribe(pause_s=lambda attempt: pauses.append(attempt) or 0.0), lambda: lag(events) == 0)
    assert pauses == [1, 1, 2, 2]


def test_giving_up_is_retried_while_a_store_is_unavailable(events, subscribe, handle):
    """So `give_up` must be idempotent. The dead letter is published once."""
    events.publish([event(1, "p_a")])
    handle.errors["p_a"] = iter([ValueError("poison")] * ATTEMPTS)
    given_up = []

    def give_up(one, error):
        given_up.append(one.at_ms)
        if len(given_up) < 3:
            raise Unavailable("down")

    run_until(subscribe(give_up=give_up), lambda: lag(events) == 0)
    assert given_up == [1, 1, 1]
    assert len(dead_letters(events)) == 1


def test_an_error_in_give_up_does_not_prevent_the_dead_letter(events, subscribe, handle):
    """Which has the error of the event itself."""
    events.publish([event(1, "p_a")])
    handle.errors["p_a"] = iter([ValueError("poison")] * ATTEMPTS)
    run_until(subscribe(give_up=lambda one, error: 1 / 0), lambda: lag(events) == 0)
    assert [letter.body["error"] for letter in dead_letters(events)] == ["ValueError('poison')"]


def test_closing_finishes_and_commits_the_events_under_way(events, subscribe, handle):
    """And starts no others."""
    events.publish([event(number) for number in range(10)])
    handle.gate.clear()
    subscription = subscribe(concurrency=4)
    run_until(subscription, lambda: len(handle.started) == 4)
    closing = threading.Thread(target=subscription.close)
    closing.start()
    handle.gate.set()
    closing.join(WITHIN_S)
    assert len(handle.done) == 4
    assert lag(events) == 6


def test_closing_leaves_waiting_retries_to_the_next_member(events, subscribe, handle):
    """Without waiting for the pause to end."""
    events.publish([event(1, "p_a")])
    handle.errors["p_a"] = iter([Unavailable("down")])
    paused = threading.Event()
    subscription = subscribe(pause_s=lambda attempt: paused.set() or 10 * WITHIN_S)
    subscription.run_once(WITHIN_S)
    assert paused.wait(WITHIN_S)
    subscription.close()
    subscription.close()
    assert lag(events) == 1
    run_until(subscribe(member="two"), lambda: lag(events) == 0)
    assert handle.done == [1]


def test_run_forever_returns_when_stop_is_set(events, subscribe, handle):
    """With all the events that it took committed."""
    events.publish([event(number) for number in range(10)])
    stop = threading.Event()
    running = threading.Thread(target=subscribe().run_forever, args=[stop])
    running.start()
    deadline_s = time.monotonic() + WITHIN_S
    while lag(events) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    stop.set()
    running.join(WITHIN_S)
    assert not running.is_alive()
    assert sorted(handle.done) == list(range(10))


def test_consuming_starts_when_the_log_becomes_available(events, handle, monkeypatch):
    """A process that starts while the log is down waits for it, and does not end."""
    events.publish([event(1)])
    stop, join, failures = threading.Event(), events.consumer, iter([Unavailable("down")] * 2)

    def join_later(topic, group, member):
        if failure := next(failures, None):
            raise failure
        return join(topic, group, member)

    def handle_and_stop(one) -> None:
        handle(one)
        stop.set()

    monkeypatch.setattr(events, "consumer", join_later)
    consume(events, PHOTO_READY, "group", "one", handle_and_stop, 1, stop)
    assert handle.done == [1]
    assert lag(events) == 0


def test_run_forever_survives_an_unavailable_log(events, subscribe):
    """It retries with pauses, and still returns when `stop` is set."""
    stop, pauses = threading.Event(), []

    def pause_s(attempt):
        pauses.append(attempt)
        if len(pauses) == 3:
            stop.set()
        return 0.0

    subscription = subscribe(pause_s=pause_s)
    events.close()
    subscription.run_forever(stop)
    assert len(pauses) == 3


def test_the_events_of_a_dead_member_are_handled_by_another(events, subscribe, handle, clock):
    """The dead member commits nothing any more. Each event is committed by the member that owns its partition."""
    events.publish([event(number) for number in range(8)])
    stuck = Recorder()
    stuck.gate.clear()
    lost = subscribe(stuck, member="lost")
    lost.run_once()
    clock.at_ms += TTL_MS
    run_until(subscribe(member="two", concurrency=8), lambda: lag(events) == 0)
    assert sorted(handle.done) == list(range(8))
    stuck.gate.set()


def test_a_member_that_was_counted_as_dead_continues_at_the_groups_commit(events, subscribe, handle, clock):
    """There was no other member, so the events that it had not committed are delivered to it again."""
    events.publish([event(number) for number in range(4)])
    handle.gate.clear()
    subscription = subscribe(concurrency=8)
    run_until(subscription, lambda: len(handle.started) == 4)
    clock.at_ms += 10 * TTL_MS
    handle.gate.set()
    run_until(subscription, lambda: lag(events) == 0)
    assert Counter(handle.done).keys() == {0, 1, 2, 3}


def test_while_one_event_waits_the_number_of_later_ones_is_bounded(events, subscribe, handle, monkeypatch):
    """So a crash repeats only that many."""
    monkeypatch.setattr(subscription_module, "MOST_UNCOMMITTED", 6)
    first, *others = same_partition(20)
    events.publish([first, *others])
    blocked = Recorder()
    blocked.gate.clear()
    subscription = subscribe(lambda one: blocked(one) if one == first else handle(one), concurrency=2)
    run_until(subscription, lambda: len(handle.done) == 5)
    for _ in range(5):
        subscription.run_once()
    assert len(handle.done) == 5
    blocked.gate.set()
    run_until(subscription, lambda: lag(events) == 0)


class Later:
    """Work that starts everything at once and ends nothing by itself."""

    def __init__(self) -> None:
        self.futures = {}

    def start(self, one: Event) -> Future[None]:
        self.futures[one.at_ms] = Future()
        return self.futures[one.at_ms]

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_thousands_of_events_may_be_under_way_at_once(events):
    """They end in any order, and what ended is committed with no event skipped. A failed one is delivered again."""
    count, work = 2_000, Later()
    for first in range(0, count, 500):
        events.publish([event(number) for number in range(first, first + 500)])
    subscription = Subscription(events, PHOTO_READY, "group", "one", work, count)
    run_until(subscription, lambda: len(work.futures) == count)
    for number in reversed(range(count)):
        if number != 0:
            work.futures[number].set_result(None)
    run_until(subscription, lambda: subscription.run_once() == 1)
    assert lag(events) > 0
    work.futures[0].set_exception(Unavailable("stopping"))
    run_until(subscription, lambda: subscription.run_once() == 0)
    subscription.close()
    again = Recorder()
    other = threaded(events, PHOTO_READY, "group", "two", again, 4)
    run_until(other, lambda: lag(events) == 0)
    other.close()
    assert 0 in again.done
    assert all(
        partition_of(f"p_{number}", sqlite.PARTITIONS) == partition_of("p_0", sqlite.PARTITIONS)
        for number in again.done
    )


def same_partition(count: int) -> list[Event]:
    """Events of different keys, all in one partition."""
    keys = [f"p_{number}" for number in range(8 * count) if partition_of(f"p_{number}", sqlite.PARTITIONS) == 0]
    return [event(number, key) for number, key in enumerate(keys[:count])]
