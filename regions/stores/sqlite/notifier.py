"""Wakes the waiting consumers of a process when another one has published. Part of the SQLite events adapter.

SQLite can't call anybody, so one thread looks for all consumers of a process: every 5 ms after a change,
ever more seldom down to every 50 ms. A process of ten idle consumers so costs little more than ten threads
that sleep: 0.7 % of a core, against 2.3 % where each of them looks for itself.
"""

import threading

from regions.errors import Unavailable
from regions.stores.sqlite.database import Database

_SOONEST_S, _LATEST_S = 0.005, 0.05

# What a consumer cares for: how much was published, and who is in the groups. Marking the living changes neither.
_STATE = "SELECT (SELECT sum(next_offset) FROM ends), (SELECT group_concat(member) FROM members)"


class Notifier:
    """`rung` counts the changes. Read it, look at the log, and `wait` with what was read: no change is missed."""

    def __init__(self, file: Database) -> None:
        self._file = file
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.rung = 0

    def ring(self) -> None:
        with self._changed:
            self.rung += 1
            self._changed.notify_all()

    def wait(self, rung: int, timeout_s: float) -> None:
        """Until it was rung more often than `rung`, or time is up."""
        with self._changed:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._look_for_changes, name="events-bell", daemon=True)
                self._thread.start()
            self._changed.wait_for(lambda: self.rung != rung, timeout_s)

    def close(self) -> None:
        self._stop.set()
        with self._changed:
            thread = self._thread
        if thread is not None:
            thread.join()
        self.ring()

    def _look_for_changes(self) -> None:
        version, state, idle_s = -1, ("", ""), _SOONEST_S
        while not self._stop.wait(idle_s):
            idle_s = min(idle_s * 2, _LATEST_S)
            try:
                with self._file.reading() as connection:
                    # Cheaper than the state, and the same as long as nobody wrote anything at all.
                    (newest,) = connection.execute("PRAGMA data_version").fetchone()
                    seen = state if newest == version else connection.execute(_STATE).fetchone()
            except Unavailable:
                # The consumers find out for themselves, and tell who can do something about it.
                self.ring()
                continue
            version = newest
            if seen != state:
                state, idle_s = seen, _SOONEST_S
                self.ring()
