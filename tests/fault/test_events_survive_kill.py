"""kill -9 of publishers and consumers: what was acknowledged is in the log, and no event is skipped."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from regions.clock import now_ms
from regions.events.subscription import Subscription
from regions.events.topics import PHOTO_READY
from regions.stores.sqlite import adapter as sqlite
from regions.stores.sqlite.membership import TTL_MS

WITHIN_S = 60
PHOTOS = 200
# As in the programs below.
KEYS = 50

COMMON = """
import os, sys
from itertools import count
from regions.clock import now_ms
from regions.events.subscription import Subscription
from regions.events.messages import Event
from regions.events.topics import PHOTO_READY
from regions.stores.sqlite import adapter as sqlite

def event(number):
    return Event(PHOTO_READY, f"p_{number % 50}", f"photo_ready:{number}", number, {})

def say(number):
    os.write(1, f"{number}\\n".encode())

events = sqlite.open_events(sys.argv[1], now_ms)
"""

# Publishes three at a time for ever, and says the last number of each three when it is acknowledged.
PUBLISHER = (
    COMMON
    + """
for number in count(0, 3):
    events.publish([event(number), event(number + 1), event(number + 2)])
    say(number + 2)
"""
)

# Handles events for ever, and says each when it is handled but not committed yet.
CONSUMER = (
    COMMON
    + """
subscription = Subscription(events, PHOTO_READY, "group", "doomed", lambda one: say(one.at_ms), 4)
while True:
    subscription.run_once(1.0)
"""
)

# Takes what there is and never finishes any of it.
STUCK = (
    COMMON
    + """
import threading
def handle(one):
    say(one.at_ms)
    threading.Event().wait()
subscription = Subscription(events, PHOTO_READY, "group", "doomed", handle, 4)
while True:
    subscription.run_once(1.0)
"""
)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "events.db")


@pytest.fixture
def kill_after(path):
    """Starts a process and kills it when it has said so many numbers; gives all that it said."""

    def run(program: str, count: int) -> list[int]:
        command = [sys.executable, "-c", program, path]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            said = [process.stdout.readline() for _ in range(count)]
            os.kill(process.pid, signal.SIGKILL)
            said += process.stdout.readlines()
        return [int(line) for line in said if line.endswith(b"\n")]

    return run


@pytest.fixture
def events(path):
    """As the survivors have it, when the dead were not seen for their time to live."""
    opened = sqlite.open_events(path, lambda: now_ms() + TTL_MS)
    yield opened
    opened.close()


def handled_by_survivor(events) -> list[int]:
    """What is given to another member until the group has committed everything."""
    handled, deadline_s = [], time.monotonic() + WITHIN_S
    subscription = Subscription(events, PHOTO_READY, "group", "survivor", lambda one: handled.append(one.at_ms), 4)
    while sum(events.lag(PHOTO_READY, "group").values()) and time.monotonic() < deadline_s:
        subscription.run_once(0.01)
    subscription.close()
    return handled


def publish(path, count: int) -> None:
    program = f"{COMMON}\nevents.publish([event(number) for number in range({count})])"
    subprocess.run([sys.executable, "-c", program, path], check=True, timeout=WITHIN_S)


@pytest.mark.parametrize("count", [1, 30, 111])
def test_what_a_publisher_was_acknowledged_is_in_the_log(kill_after, events, count):
    """Once, in order for each key, and what one call published is there whole or not at all."""
    acknowledged = kill_after(PUBLISHER, count)
    handled = handled_by_survivor(events)
    assert len(handled) >= acknowledged[-1] + 1
    assert len(handled) % 3 == 0
    assert sorted(handled) == list(range(len(handled)))
    for key in range(KEYS):
        assert [number for number in handled if number % KEYS == key] == list(range(key, len(handled), KEYS))


@pytest.mark.parametrize("count", [1, 10, 60])
def test_what_a_killed_consumer_left_is_handled_by_another(path, kill_after, events, count):
    """All but what it had finished and committed; nothing is skipped, and little is repeated."""
    publish(path, PHOTOS)
    before = kill_after(CONSUMER, count)
    after = handled_by_survivor(events)
    assert set(before) | set(after) == set(range(PHOTOS))
    assert len(after) == len(set(after))


def test_what_was_under_way_when_a_consumer_was_killed_is_delivered_again(path, kill_after, events):
    """Every single one of it."""
    publish(path, PHOTOS)
    under_way = kill_after(STUCK, 4)
    after = handled_by_survivor(events)
    assert set(under_way) <= set(after)
    assert sorted(after) == list(range(PHOTOS))


def test_one_killed_consumer_after_another_moves_the_group_on(path, kill_after, events):
    """Each takes up where the one before was killed, however often it happens."""
    publish(path, PHOTOS)
    said = {number for _ in range(4) for number in kill_after(CONSUMER, 1)}
    after = handled_by_survivor(events)
    assert said | set(after) == set(range(PHOTOS))


def test_the_file_is_whole_and_others_write_on(path, kill_after, events):
    """The dead process holds no lock."""
    kill_after(PUBLISHER, 20)
    publish(path, 5)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
