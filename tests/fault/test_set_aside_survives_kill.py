"""kill -9 of a lane whose events fail and are set aside: none is lost, and each is handled in the end."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from regions import daemon
from regions.clock import now_ms
from regions.events.messages import Event
from regions.events.set_aside import DELAYS
from regions.events.topics import DEAD_LETTERS, PHOTO_READY
from regions.stores.sqlite import adapter as sqlite
from regions.stores.sqlite.membership import TTL_MS
from tests.builders import scripts
from tests.builders.failing_lane import LANE, FailingLane
from tests.builders.stores import created

WITHIN_S = 120
PHOTOS = 60

# Handles events forever; prints each call of the handler.
DOOMED = """
import os, sys, threading
from regions import daemon
from regions.clock import now_ms
from regions.stores.sqlite import adapter as sqlite
from tests.builders.failing_lane import FailingLane
from tests.builders.stores import created

events, stop = created(sqlite.events(sys.argv[1], now_ms)), threading.Event()
lane = FailingLane(sys.argv[2], lambda line: os.write(1, line.encode() + b"\\n"))
daemon.run_together(lane.loops(events, "doomed", stop), stop)
"""


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "events.db")


@pytest.fixture
def calls(tmp_path):
    folder = tmp_path / "calls"
    folder.mkdir()
    return folder


@pytest.fixture
def events(path):
    """The log as a survivor opens it, for which the memberships of dead processes have expired."""
    opened = created(sqlite.events(path, lambda: now_ms() + TTL_MS))
    yield opened
    opened.close()


def finish(events, calls: Path) -> None:
    """A survivor runs the lane until nothing waits any more."""
    stop, deadline_s = threading.Event(), time.monotonic() + WITHIN_S
    topics = (PHOTO_READY, *(delay.topic for delay in DELAYS))
    with ThreadPoolExecutor(1) as threads:
        lane = FailingLane(calls, lambda line: None)
        running = threads.submit(daemon.run_together, lane.loops(events, "survivor", stop), stop)
        while any(sum(events.lag(topic, LANE).values()) for topic in topics) and time.monotonic() < deadline_s:
            time.sleep(0.1)
        stop.set()
        running.result(WITHIN_S)


@pytest.mark.parametrize("kills", [(1,), (30,), (200,), (20, 40, 60, 80, 100, 120)])
def test_no_event_is_lost(events, path, calls, kills):
    """Killed in the middle of attempts, while events are set aside, and while they wait or are tried again."""
    photo_ids = [f"p_{number}" for number in range(PHOTOS)]
    events.publish([Event(PHOTO_READY, each, f"photo_ready:{each}", 1, {}) for each in photo_ids])
    for lines in kills:
        scripts.kill_after(lines, DOOMED, path, calls)
    finish(events, calls)
    assert sorted(FailingLane(calls, lambda line: None).handled()) == sorted(photo_ids)
    assert sum(events.lag(DEAD_LETTERS, "nobody").values()) == 0
