"""Requests for the same thing share an answer that was asked for after each of them arrived.

So a shield that a thousand edges poll asks its origin as often as one answer takes, and no edge gets an answer that is
older than its question: their leases and the age of their tombstones count from then.
"""

from collections.abc import Callable, Hashable
from typing import Any

import gevent
from gevent.event import AsyncResult
from gevent.lock import Semaphore


class SharedAnswers:
    """Of what is asked by the same key, one request is under way and at most one waits to begin."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, AsyncResult] = {}
        self._turns: dict[Hashable, Semaphore] = {}

    def get(self, key: Hashable, ask: Callable[[], Any]) -> Any:
        """What `ask` returns or raises: that of one of those who wait, called once no other is under way."""
        result = self._waiting.get(key)
        if result is None:
            result = self._waiting[key] = AsyncResult()
            gevent.spawn(self._ask, key, result, ask)
        return result.get()

    def _ask(self, key: Hashable, result: AsyncResult, ask: Callable[[], Any]) -> None:
        with self._turns.setdefault(key, Semaphore()):
            # From here on nobody joins: they would get an answer to a question that is older than theirs.
            del self._waiting[key]
            try:
                result.set(ask())
            except (Exception, gevent.GreenletExit) as error:  # noqa: BLE001  # whatever it is, those who wait must be woken
                result.set_exception(error)
        if key not in self._waiting:
            self._turns.pop(key, None)
