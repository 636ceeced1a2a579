"""kill -9 of publishers and consumers: what was acknowledged is in the log, and no event is skipped."""

import sqlite3
import time

import pytest

from regions.clock import now_ms
from regions.events.topics import PHOTO_READY
from regions.stores.sqlite import adapter as sqlite
from regions.stores.sqlite.membership import TTL_MS
from tests.builders import scripts
from tests.builders.stores import created
from tests.builders.subscriptions import threaded

WITHIN_S = 60
PHOTOS = 200
# The same as in the programs below.
KEYS = 50

COMMON = """
import os, sys
from itertools import count
from regions.clock import now_ms
from tests.builders.subscriptions import threaded
from regions.events.messages import Event
from regions.events.topics import PHOTO_READY
from regions.stores.sqlite import adapter as sqlite
from tests.builders.stores import created

def event(number):
    return Event(PHOTO_READY, f"p_{number % 50}", f"photo_ready:{number}", number, {})

def acknowledge(number):
    os.write(1, f"{number}\\n".encode())

events = created(sqlite.events(sys.argv[1], now_ms))
"""

# Publishes three events at a time forever; prints the last number of the three when the log has acknowledged them.
PUBLISHER = (
    COMMON
    + """
for number in count(0, 3):
    events.publish([event(number), event(number + 1), event(number + 2)])
    acknowledge(number + 2)
"""
)

# Handles events forever; prints each when it is handled but not yet committed.
CONSUMER = (
    COMMON
    + """
subscription = threaded(events, PHOTO_READY, "group", "doomed", lambda one: acknowledge(one.at_ms), 4)
while True:
    subscription.run_once(1.0)
"""
)

# Receives events and never finishes handling any of them.
STUCK = (
    COMMON
    + """
import threading
def handle(one):
    acknowledge(one.at_ms)
    threading.Event().wait()
subscription = threaded(events, PHOTO_READY, "group", "doomed", handle, 4)
while True:
    subscription.run_once(1.0)
"""
)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "events.db")


@pytest.fixture
def kill_after(path):
    """Starts a process and kills it when it has printed so many numbers; returns all that it printed."""
    return lambda program, count: [int(line) for line in scripts.kill_after(count, program, path)]


@pytest.fixture
def events(path):
    """The log as a survivor opens it once the membership of the dead process has expired."""
    opened = created(sqlite.events(path, lambda: now_ms() + TTL_MS))
    yield opened
    opened.close()


def handled_by_survivor(events) -> list[int]:
    """What another member handles until the group has committed everything."""
    handled, deadline_s = [], time.monotonic() + WITHIN_S
    subscription = threaded(events, PHOTO_READY, "group", "survivor", lambda one: handled.append(one.at_ms), 4)
    while sum(events.lag(PHOTO_READY, "group").values()) and time.monotonic() < deadline_s:
        subscription.run_once(0.01)
    subscription.close()
    return handled


def publish(path, count: int) -> None:
    script = f"{COMMON}\nevents.publish([event(number) for number in range({count})])"
    scripts.output(script, path, timeout_s=WITHIN_S)


@pytest.mark.parametrize("count", [1, 30, 111])
def test_every_acknowledged_event_is_in_the_log(kill_after, events, count):
    """Once, and in order for each key. The events of one call are all there or none of them is."""
    acknowledged = kill_after(PUBLISHER, count)
    handled = handled_by_survivor(events)
    assert len(handled) >= acknowledged[-1] + 1
    assert len(handled) % 3 == 0
    assert sorted(handled) == list(range(len(handled)))
    for key in range(KEYS):
        assert [number for number in handled if number % KEYS == key] == list(range(key, len(handled), KEYS))


@pytest.mark.parametrize("count", [1, 10, 60])
def test_what_a_killed_consumer_left_is_handled_by_another(path, kill_after, events, count):
    """Everything that it had not committed. No event is skipped, and the survivor handles none twice."""
    publish(path, PHOTOS)
    before = kill_after(CONSUMER, count)
    after = handled_by_survivor(events)
    assert set(before) | set(after) == set(range(PHOTOS))
    assert len(after) == len(set(after))


def test_events_in_progress_when_a_consumer_was_killed_are_delivered_again(path, kill_after, events):
    """Every one of them."""
    publish(path, PHOTOS)
    in_progress = kill_after(STUCK, 4)
    after = handled_by_survivor(events)
    assert set(in_progress) <= set(after)
    assert sorted(after) == list(range(PHOTOS))


def test_consumers_that_are_killed_one_after_another_skip_no_event(path, kill_after, events):
    """Each continues where the one before was killed, however often that happens."""
    publish(path, PHOTOS)
    handled = {number for _ in range(4) for number in kill_after(CONSUMER, 1)}
    after = handled_by_survivor(events)
    assert handled | set(after) == set(range(PHOTOS))


def test_the_file_is_intact_and_other_processes_can_write(path, kill_after, events):
    """The dead process holds no lock."""
    kill_after(PUBLISHER, 20)
    publish(path, 5)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
