"""Asking one server after the other, until one answers."""

import gevent
import pytest
from gevent.event import Event

from edge.first_answer import first_answer
from regions.errors import NotFound, Unavailable


def failing(problem):
    def ask():
        raise problem

    return ask


def test_the_first_one_is_asked_alone_if_it_answers():
    asked = []
    assert first_answer([lambda: "near", lambda: asked.append("far")], 10) == "near"
    assert asked == []


def test_the_next_one_is_asked_at_once_when_one_fails():
    """It need not be patient for that."""
    with gevent.Timeout(5):
        assert first_answer([failing(Unavailable("away")), lambda: "far"], 60) == "far"


def test_a_silent_one_is_not_waited_for_and_not_stopped():
    """Its answer would still be taken, should the next one be no better."""
    answers, ended = Event(), []

    def slow():
        answers.wait()
        ended.append(True)
        return "near"

    assert first_answer([slow, lambda: "far"], 0.01) == "far"
    answers.set()
    gevent.sleep(0)
    assert ended == [True]

    def wakes_the_slow_one():
        answers.set()
        raise Unavailable("away")

    answers.clear()
    assert first_answer([slow, wakes_the_slow_one], 0.01) == "near"


def test_if_all_fail_the_last_problem_is_raised():
    with pytest.raises(NotFound):
        first_answer([failing(Unavailable("away")), failing(NotFound("no"))], 1)
