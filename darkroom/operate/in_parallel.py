"""Asks many servers at once, until one deadline: who does not answer delays nobody else."""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

from regions.errors import Problem

Key = TypeVar("Key")
Answer = TypeVar("Answer")


def answers(questions: Mapping[Key, Callable[[], Answer]], within_s: float) -> dict[Key, Answer | Exception]:
    """Each answer, or what the question raised. Those that have not ended after `within_s` are left out.

    Each is asked on a daemon thread: one that still waits after the deadline does not keep the process alive.
    """
    done: queue.SimpleQueue[tuple[Key, Answer | Exception]] = queue.SimpleQueue()

    def ask(key: Key, question: Callable[[], Answer]) -> None:
        try:
            done.put((key, question()))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is for the one who waits
            done.put((key, error))

    for key, question in questions.items():
        threading.Thread(target=ask, args=(key, question), daemon=True).start()
    deadline_s, ended = time.monotonic() + within_s, dict[Key, Answer | Exception]()
    with suppress(queue.Empty):
        while len(ended) < len(questions):
            key, answer = done.get(timeout=max(0.0, deadline_s - time.monotonic()))
            ended[key] = answer
    return ended


def found_and_away(
    questions: Mapping[Key, Callable[[], Answer]], within_s: float
) -> tuple[dict[Key, Answer], dict[Key, str]]:
    """Each answer; and of those that gave none why, in a few words. Raises what is not a Problem: it is our mistake."""
    ended, found, away = answers(questions, within_s), dict[Key, Answer](), dict[Key, str]()
    for key in questions:
        answer = ended.get(key)
        if isinstance(answer, Problem):
            away[key] = answer.detail
        elif isinstance(answer, Exception):
            raise answer
        elif answer is None:
            away[key] = f"no answer within {within_s:g} s"
        else:
            found[key] = answer
    return found, away
