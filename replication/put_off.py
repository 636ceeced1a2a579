"""Which of a lane's events were put off: by the destination, item by item, or by a store that is away.

Such an event waits in its place and is tried on and on (`regions.events.lanes`). It is no error, and the destination
may answer all the while, so without this nobody would see that nothing gets through.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from regions.untrusted_text import printable

MOST_CHARS = 200


@dataclass(frozen=True, slots=True)
class PutOffNow:
    """So many events, the first since `since_ms` (Unix time), and why the last of them was put off."""

    count: int
    since_ms: int | None
    because: str


@dataclass(frozen=True, slots=True)
class _PutOffEvent:
    since_ms: int
    because: str


class PutOff:
    """Any number of threads may use it; it has at most one event of each. `clock_ms` is the Unix time."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._events: dict[str, _PutOffEvent] = {}
        """By event id; the one that was put off last is last."""
        self._lock = threading.Lock()

    def note(self, event_id: str, because: str) -> None:
        with self._lock:
            before = self._events.pop(event_id, None)
            since_ms = before.since_ms if before else self._clock_ms()
            self._events[event_id] = _PutOffEvent(since_ms, printable(because, MOST_CHARS))

    def forget(self, event_id: str) -> None:
        """It is done, or it has failed otherwise, and will be set aside."""
        with self._lock:
            self._events.pop(event_id, None)

    def now(self) -> PutOffNow:
        with self._lock:
            events = list(self._events.values())
        if not events:
            return PutOffNow(0, None, "")
        return PutOffNow(len(events), min(one.since_ms for one in events), events[-1].because)
