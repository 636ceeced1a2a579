"""Asks one server after the other for what any of them can answer, until one does."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import gevent
from gevent.queue import Empty, Queue

from regions.errors import Problem, Unavailable

Answer = TypeVar("Answer")


def first_answer(asks: Iterable[Callable[[], Answer]], patience_s: float) -> Answer:
    """The first answer that comes. Each is asked as soon as the one before has failed, or is silent for `patience_s`.

    An `ask` fails by raising a Problem, and must do so within a deadline of its own. It is not stopped when another
    one answers, so that its breaker learns that it got no answer. Raises the last Problem if all have failed.
    """
    outcomes = Queue()

    def run(ask: Callable[[], Answer]) -> None:
        try:
            outcomes.put(ask())
        except Problem as problem:
            outcomes.put(problem)

    waiting, left = 0, list(asks)
    failed: Problem = Unavailable("there is nobody to ask")
    while left or waiting:
        if left:
            gevent.spawn(run, left.pop(0))
            waiting += 1
        try:
            outcome: Answer | Problem = outcomes.get(timeout=patience_s if left else None)
        except Empty:
            continue
        waiting -= 1
        if not isinstance(outcome, Problem):
            return outcome
        failed = outcome
    raise failed
