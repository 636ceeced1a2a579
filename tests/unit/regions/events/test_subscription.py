"""At least once, whatever goes wrong: how a subscription handles, retries, gives up, commits and leaves."""

import threading
import time
from collections import Counter

import pytest

from regions.errors import Unavailable
from regions.events import subscription as subscription_module
from regions.events.messages import Event
from regions.events.subscription import ATTEMPTS, Subscription
from regions.events.topics import DEAD_LETTERS, PHOTO_READY
from regions.stores.events import PARTITIONS, partition_of
from regions.stores.sqlite.membership import TTL_MS

WITHIN_S = 30


class Recorder:
    """A handler that keeps what it was given; `gate` holds it up, `errors` are raised in turn for an event's key."""

    def __init__(self) -> None:
        self.begun, self.done = [], []
        self.gate = threading.Event()
        self.gate.set()
        self.errors = {}
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            self.begun.append(event.at_ms)
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
    """Opens subscriptions that try again at once; each is closed at the end."""
    opened = []

    def subscription(handle=handle, width=4, give_up=None, member="one", pause_s=lambda attempt: 0.0):
        opened.append(Subscription(events, PHOTO_READY, "group", member, handle, width, give_up, pause_s))
        return opened[-1]

    yield subscription
    handle.gate.set()
    for one in opened:
        one.close()


def test_every_event_is_handled_and_committed(events, subscribe, handle):
    """More than there are threads, of all partitions."""
    events.publish([event(number) for number in range(30)])
    run_until(subscribe(), lambda: lag(events) == 0)
    assert sorted(handle.done) == list(range(30))


def test_run_once_says_how_many_are_under_way(events, subscribe, handle):
    """And never takes more than its width."""
    events.publish([event(number) for number in range(10)])
    handle.gate.clear()
    subscription = subscribe(width=3)
    assert [subscription.run_once(), subscription.run_once()] == [3, 3]
    handle.gate.set()
    run_until(subscription, lambda: lag(events) == 0)
    assert subscription.run_once() == 0


def test_nothing_is_committed_before_it_is_done(events, subscribe, handle):
    """Though later events of its partition are."""
    first, *others = same_partition(5)
    held = Recorder()
    held.gate.clear()
    events.publish([first, *others])
    subscription = subscribe(lambda one: held(one) if one == first else handle(one))
    run_until(subscription, lambda: len(handle.done) == 4)
    assert lag(events) == 5
    held.gate.set()
    run_until(subscription, lambda: lag(events) == 0)


def test_events_of_one_key_are_handled_one_after_the_other(events, subscribe, handle):
    """In their order, while those of other keys go past them."""
    events.publish([event(1, "p_a"), event(2, "p_a"), event(3, "p_b")])
    handle.gate.clear()
    subscription = subscribe()
    run_until(subscription, lambda: len(handle.begun) == 2)
    assert sorted(handle.begun) == [1, 3]
    handle.gate.set()
    run_until(subscription, lambda: lag(events) == 0)
    assert handle.done.index(1) < handle.done.index(2)


def test_a_handler_that_fails_is_tried_again(events, subscribe, handle):
    """Until it does not."""
    events.publish([event(1, "p_a")])
    handle.errors["p_a"] = iter([ValueError("once")] * (ATTEMPTS - 1))
    run_until(subscribe(), lambda: lag(events) == 0)
    assert len(handle.begun) == ATTEMPTS
    assert handle.done == [1]
    assert dead_letters(events) == []


def test_a_poisoned_event_goes_to_the_dead_letters_and_holds_up_nobody(events, subscribe, handle):
    """Whole, with its error and the group that gave up; `give_up` is told first."""
    events.publish([event(number, "p_a") for number in (1, 2)])
    handle.errors["p_a"] = iter([ValueError("poison")] * ATTEMPTS)
    given_up = []
    run_until(subscribe(give_up=lambda one, error: given_up.append((one.at_ms, str(error)))), lambda: lag(events) == 0)
    assert handle.done == [2]
    assert given_up == [(1, "poison")]
    (letter,) = dead_letters(events)
    assert letter.body["event"]["event_id"] == event(1).event_id
    assert (letter.body["group"], letter.body["error"]) == ("group", "ValueError('poison')")


def test_a_store_that_is_away_is_waited_out(events, subscribe, handle):
    """For many times as long as a failure would be, and no attempt is counted."""
    events.publish([event(1, "p_a")])
    away = [Unavailable("away")] * (10 * ATTEMPTS)
    handle.errors["p_a"] = iter([ValueError("once"), *away, ValueError("twice"), *away])
    run_until(subscribe(), lambda: lag(events) == 0)
    assert handle.done == [1]
    assert dead_letters(events) == []


def test_pauses_grow_with_the_attempts(events, subscribe, handle):
    """Each kind of trouble counts for itself, from 1."""
    events.publish([event(1, "p_a")])
    pauses = []
    handle.errors["p_a"] = iter([ValueError(), Unavailable("away"), Unavailable("away"), ValueError()])
    run_until(subscribe(pause_s=lambda attempt: pauses.append(attempt) or 0.0), lambda: lag(events) == 0)
    assert pauses == [1, 1, 2, 2]


def test_giving_up_waits_out_a_store_that_is_away(events, subscribe, handle):
    """And is told again, so that it must be idempotent; the letter is written in the end."""
    events.publish([event(1, "p_a")])
    handle.errors["p_a"] = iter([ValueError("poison")] * ATTEMPTS)
    told = []

    def give_up(one, error):
        told.append(one.at_ms)
        if len(told) < 3:
            raise Unavailable("away")

    run_until(subscribe(give_up=give_up), lambda: lag(events) == 0)
    assert told == [1, 1, 1]
    assert len(dead_letters(events)) == 1


def test_giving_up_that_goes_wrong_still_leaves_a_dead_letter(events, subscribe, handle):
    """A second fault does not hide the first."""
    events.publish([event(1, "p_a")])
    handle.errors["p_a"] = iter([ValueError("poison")] * ATTEMPTS)
    run_until(subscribe(give_up=lambda one, error: 1 / 0), lambda: lag(events) == 0)
    assert [letter.body["error"] for letter in dead_letters(events)] == ["ValueError('poison')"]


def test_closing_finishes_and_commits_what_is_under_way(events, subscribe, handle):
    """And takes nothing more."""
    events.publish([event(number) for number in range(10)])
    handle.gate.clear()
    subscription = subscribe(width=4)
    run_until(subscription, lambda: len(handle.begun) == 4)
    closing = threading.Thread(target=subscription.close)
    closing.start()
    handle.gate.set()
    closing.join(WITHIN_S)
    assert len(handle.done) == 4
    assert lag(events) == 6


def test_closing_leaves_what_waits_to_be_tried_again(events, subscribe, handle):
    """To the next member, without waiting for its pause to end."""
    events.publish([event(1, "p_a")])
    handle.errors["p_a"] = iter([Unavailable("away")])
    paused = threading.Event()
    subscription = subscribe(pause_s=lambda attempt: paused.set() or 10 * WITHIN_S)
    subscription.run_once(WITHIN_S)
    assert paused.wait(WITHIN_S)
    subscription.close()
    subscription.close()
    assert lag(events) == 1
    run_until(subscribe(member="two"), lambda: lag(events) == 0)
    assert handle.done == [1]


def test_run_forever_ends_when_it_is_told_to(events, subscribe, handle):
    """With everything it took committed."""
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


def test_run_forever_outlives_a_log_that_does_not_answer(events, subscribe):
    """It tries again, and ends when it is told to."""
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


def test_what_a_member_lost_is_handled_by_another(events, subscribe, handle, clock):
    """A member that did not live on commits nothing any more; each event is committed by the member that has it."""
    events.publish([event(number) for number in range(8)])
    stuck = Recorder()
    stuck.gate.clear()
    lost = subscribe(stuck, member="lost")
    lost.run_once()
    clock.at_ms += TTL_MS
    run_until(subscribe(member="two", width=8), lambda: lag(events) == 0)
    assert sorted(handle.done) == list(range(8))
    stuck.gate.set()


def test_a_member_that_was_away_begins_again_where_the_group_is(events, subscribe, handle, clock):
    """Nobody else was there, so it is given what it had not committed."""
    events.publish([event(number) for number in range(4)])
    handle.gate.clear()
    subscription = subscribe(width=8)
    run_until(subscription, lambda: len(handle.begun) == 4)
    clock.at_ms += 10 * TTL_MS
    handle.gate.set()
    run_until(subscription, lambda: lag(events) == 0)
    assert Counter(handle.done).keys() == {0, 1, 2, 3}


def test_one_event_that_waits_does_not_let_the_others_run_away(events, subscribe, handle, monkeypatch):
    """What a crash would repeat is bounded."""
    monkeypatch.setattr(subscription_module, "MOST_UNCOMMITTED", 6)
    first, *others = same_partition(20)
    events.publish([first, *others])
    held = Recorder()
    held.gate.clear()
    subscription = subscribe(lambda one: held(one) if one == first else handle(one), width=2)
    run_until(subscription, lambda: len(handle.done) == 5)
    for _ in range(5):
        subscription.run_once()
    assert len(handle.done) == 5
    held.gate.set()
    run_until(subscription, lambda: lag(events) == 0)


def same_partition(count: int) -> list[Event]:
    """Events of different keys that lie in one partition."""
    keys = [f"p_{number}" for number in range(2 * PARTITIONS * count) if partition_of(f"p_{number}") == 0]
    return [event(number, key) for number, key in enumerate(keys[:count])]
