"""Supervision of a process's loops: run them together, run one forever, wait until something can be opened.

Every long-running loop of every process runs under these functions. `stop` is the event that the process sets when it
is asked to end; each of them returns soon after it is set.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from regions.errors import Problem, Unavailable
from regions.retry import backoff_s

log = logging.getLogger(__name__)

Loop = Callable[[], None]
Opened = TypeVar("Opened")


def run_together(loops: Sequence[Loop], stop: threading.Event) -> None:
    """Runs each loop on a thread of its own. When one returns or fails, `stop` is set so that all end.

    Returns when all have ended. If any failed, raises the error of the one that failed first: it is the cause, and the
    others may be consequences. The process then ends, and its supervisor starts it again.
    """
    errors: list[BaseException] = []
    with ThreadPoolExecutor(len(loops)) as threads:
        for loop in loops:
            threads.submit(_then_stop, loop, stop, errors)
    if errors:
        raise errors[0]


def run_forever(
    run_once: Callable[[], object], every_s: float, stop: threading.Event, name: str, at_once: bool = False
) -> None:
    """Calls `run_once` every `every_s` seconds until `stop` is set, the first time after one pause or `at_once`.

    When a store is unavailable, the next round tries again. Any other error ends the loop.
    """
    if at_once:
        _run_round(run_once, name)
    while not stop.wait(every_s):
        _run_round(run_once, name)


def open_when_available(opening: Callable[[], Opened], what: str, stop: threading.Event) -> Opened | None:
    """What `opening` returns, however long it takes until it succeeds; None if `stop` was set first."""
    attempt = 0
    while not stop.is_set():
        attempt += 1
        try:
            return opening()
        except Problem as error:
            log.warning("not available yet", extra={"what": what, "error": error.detail})
            stop.wait(backoff_s(attempt, random.random))
    return None


def _run_round(run_once: Callable[[], object], name: str) -> None:
    try:
        run_once()
    except Unavailable as error:
        log.warning("put off until the next round", extra={"loop": name, "error": error.detail})


def _then_stop(loop: Loop, stop: threading.Event, errors: list[BaseException]) -> None:
    try:
        loop()
    except BaseException as error:
        # Before `stop` is set: an error that follows from the stop must not come first.
        errors.append(error)
        raise
    finally:
        stop.set()
