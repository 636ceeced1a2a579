"""Threads that wait for their turn: as many at once as the lane may copy, and as many bytes a second."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from regions.errors import Unavailable
from replication.allowance import Allowance
from replication.budget import LaneLimits

OPEN = LaneLimits(paused=False, width=2, backfill_width=1, bytes_per_s=None, asks=True)
SHORT_S = 0.2


def limits(**changes) -> LaneLimits:
    fields = {name: getattr(OPEN, name) for name in ("paused", "width", "backfill_width", "bytes_per_s", "asks")}
    return LaneLimits(**(fields | changes))


class Copies:
    """Photos under way on threads, each until a test ends it."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance, self._threads = allowance, ThreadPoolExecutor(20)
        self._begun: list[tuple[str, threading.Event]] = []

    def start(self, name: str, backfill: bool = False):
        return self._threads.submit(self._copy, name, backfill)

    def _copy(self, name: str, backfill: bool) -> None:
        with self._allowance.copying(backfill):
            end = threading.Event()
            self._begun.append((name, end))
            end.wait(20)

    def begun(self) -> list[str]:
        return [name for name, _ in self._begun]

    def end(self, name: str) -> None:
        next(end for begun, end in self._begun if begun == name).set()

    def end_all(self) -> None:
        self._allowance.close()
        for _, end in list(self._begun):
            end.set()
        self._threads.shutdown()


@pytest.fixture
def allowance():
    return Allowance()


@pytest.fixture
def copies(allowance):
    started = Copies(allowance)
    yield started
    started.end_all()


def test_no_more_photos_are_copied_at_once_than_the_width(allowance, copies, eventually):
    """The next begins when one ends."""
    allowance.allow(OPEN)
    for number in range(4):
        copies.start(str(number))
    eventually(lambda: len(copies.begun()) == 2)
    time.sleep(SHORT_S)
    first = copies.begun()
    assert len(first) == allowance.copying_now == 2
    copies.end(first[0])
    eventually(lambda: len(copies.begun()) == 3)


def test_nothing_begins_before_the_first_budget(allowance, copies, eventually):
    """Nor in a lane that is paused; when it goes on, all that waits begins."""
    copies.start("a")
    time.sleep(SHORT_S)
    assert copies.begun() == []
    allowance.allow(limits(paused=True))
    time.sleep(SHORT_S)
    assert copies.begun() == []
    allowance.allow(OPEN)
    eventually(lambda: copies.begun() == ["a"])


def test_photos_that_were_processed_again_come_after_fresh_ones(allowance, copies, eventually):
    """They have slots of their own, which they get when nothing fresh waits."""
    allowance.allow(limits(width=1))
    copies.start("fresh 1")
    eventually(lambda: copies.begun() == ["fresh 1"])
    copies.start("fresh 2")
    time.sleep(SHORT_S)
    copies.start("again", backfill=True)
    time.sleep(SHORT_S)
    assert copies.begun() == ["fresh 1"]
    copies.end("fresh 1")
    eventually(lambda: copies.begun() == ["fresh 1", "fresh 2", "again"])


def test_fresh_photos_wait_for_none_that_was_processed_again(allowance, copies, eventually):
    """However many of those are under way."""
    allowance.allow(OPEN)
    copies.start("again", backfill=True)
    eventually(lambda: copies.begun() == ["again"])
    copies.start("fresh 1")
    copies.start("fresh 2")
    eventually(lambda: len(copies.begun()) == 3)


def test_what_is_under_way_goes_on_in_a_lane_that_is_paused(allowance):
    """Half an object is worth nothing, and its URL does not last."""
    allowance.allow(limits(bytes_per_s=1e6))
    with allowance.copying(False):
        allowance.allow(limits(paused=True, bytes_per_s=1e6))
        allowance.spend(1_000)
    assert allowance.sent_bytes == 1_000
    assert not allowance.may_begin(False)


def test_an_event_that_was_set_aside_need_not_wait_for_long(allowance, copies, eventually):
    """A fresh photo begins soon; of others, nobody knows when nothing fresh waits."""
    allowance.allow(limits(width=1))
    assert allowance.may_begin(False) and allowance.may_begin(True)
    copies.start("1")
    copies.start("2")
    eventually(lambda: copies.begun())
    time.sleep(SHORT_S)
    assert allowance.may_begin(False) and not allowance.may_begin(True)


def test_a_process_that_stops_lets_nothing_wait(allowance, copies):
    """Its events are delivered again, to another."""
    waiting = copies.start("a")
    allowance.close()
    with pytest.raises(Unavailable, match="stopping"):
        waiting.result(5)
    allowance.spend(10**9)


@contextmanager
def seconds():
    """How long the block takes, as a list of one."""
    took, start_s = [], time.monotonic()
    yield took
    took.append(time.monotonic() - start_s)


def test_bytes_wait_so_that_no_more_go_in_a_second(allowance):
    """On several threads together. A little may go at once."""
    allowance.allow(limits(bytes_per_s=1_000_000.0))
    with seconds() as took, ThreadPoolExecutor(4) as threads:
        for _ in range(8):
            threads.submit(allowance.spend, 100_000)
    assert 0.4 < took[0] < 5
    assert allowance.sent_bytes == 800_000


def test_bytes_that_wait_go_when_the_rate_is_lifted(allowance, eventually):
    """At once, and not when they would have been due."""
    allowance.allow(limits(bytes_per_s=1_000.0))
    allowance.spend(1_000_000)
    with ThreadPoolExecutor(1) as threads:
        sent = threads.submit(allowance.spend, 1)
        time.sleep(SHORT_S)
        assert not sent.done()
        allowance.allow(OPEN)
        sent.result(5)


def test_while_another_asks_the_destination_nobody_else_does(allowance):
    """It is retried like a destination that does not answer."""
    allowance.allow(limits(asks=False))
    with pytest.raises(Unavailable):
        allowance.require_asking()
    allowance.allow(OPEN)
    allowance.require_asking()
