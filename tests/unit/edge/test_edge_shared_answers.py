"""Those who ask the same share an answer that is no older than any of their questions."""

import itertools

import gevent
import pytest
from gevent.event import Event

from edge.shared_answers import SharedAnswers
from regions.errors import Unavailable


class Upstream:
    """Each answer is the number of its question; it takes until the test lets it go."""

    def __init__(self) -> None:
        self.asked, self.most, self._now, self.go = itertools.count(1), 0, 0, Event()

    def ask(self) -> int:
        number = next(self.asked)
        self._now += 1
        self.most = max(self.most, self._now)
        self.go.wait()
        self._now -= 1
        return number


def test_who_asks_while_an_answer_is_under_way_gets_the_next_one():
    """All who wait get the same."""
    shared, upstream = SharedAnswers(), Upstream()
    first = gevent.spawn(shared.get, "a", upstream.ask)
    gevent.sleep(0)
    gevent.sleep(0)
    others = [gevent.spawn(shared.get, "a", upstream.ask) for _ in range(1000)]
    gevent.sleep(0.01)
    upstream.go.set()
    gevent.joinall([first, *others], timeout=5, raise_error=True)
    assert first.value == 1
    assert {one.value for one in others} == {2}
    assert (next(upstream.asked), upstream.most) == (3, 1)


def test_who_asks_something_else_waits_for_nobody():
    shared, upstream = SharedAnswers(), Upstream()
    gevent.spawn(shared.get, "a", upstream.ask)
    gevent.sleep(0.01)
    assert shared.get("b", lambda: "b") == "b"
    upstream.go.set()


def test_an_error_reaches_all_who_wait_and_the_next_ask_anew():
    """Also one that is no problem of ours."""
    shared = SharedAnswers()

    def fail() -> None:
        gevent.sleep(0.01)
        raise Unavailable("away")

    failing = [gevent.spawn(shared.get, "a", fail) for _ in range(3)]
    gevent.joinall(failing, timeout=5)
    assert all(isinstance(one.exception, Unavailable) for one in failing)
    with pytest.raises(ZeroDivisionError):
        shared.get("a", lambda: 1 / 0)
    assert shared.get("a", lambda: 1) == 1


def test_nothing_is_kept_of_what_was_answered():
    """Or cursors would fill the memory."""
    shared = SharedAnswers()
    gevent.joinall([gevent.spawn(shared.get, number % 7, lambda: 1) for number in range(50)], raise_error=True)
    assert not shared._waiting and not shared._turns
