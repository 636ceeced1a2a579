"""Wakes the waiting consumers of a process when any process has published. Part of the SQLite events adapter.

SQLite can't notify other processes, so somebody has to poll the file. One thread does it for all consumers of a
process: 5 ms after a change, then less and less often, down to every 50 ms. Ten idle consumers cost 0.7 % of a core
this way, against 2.3 % if each of them polls for itself.

How no change is missed: `changes` counts up. A consumer reads it first, then reads the log, and if the log had nothing,
waits until the count differs from what it read. A change that comes between reading the log and waiting has raised the
count already, so the wait returns at once.
"""

import threading

from regions.errors import Unavailable
from regions.stores.sqlite.database import Database

_SOONEST_S, _LATEST_S = 0.005, 0.05

# What a consumer has to react to: events that were published, and members that joined or left (their partitions are
# then assigned anew). Commits and heartbeats change neither.
_STATE = "SELECT (SELECT sum(next_offset) FROM ends), (SELECT group_concat(member) FROM members)"


class Notifier:
    """Safe to share between threads. The polling thread starts with the first `wait`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.changes = 0

    def notify(self) -> None:
        """Wakes everybody who waits. Called directly for a change of our own process."""
        with self._changed:
            self.changes += 1
            self._changed.notify_all()

    def wait(self, seen: int, timeout_s: float) -> None:
        """Until `changes` differs from `seen`, or the time is over."""
        with self._changed:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._poll, name="events-notifier", daemon=True)
                self._thread.start()
            self._changed.wait_for(lambda: self.changes != seen, timeout_s)

    def close(self) -> None:
        self._stop.set()
        with self._changed:
            thread = self._thread
        if thread is not None:
            thread.join()
        self.notify()

    def _poll(self) -> None:
        version, state, idle_s = -1, ("", ""), _SOONEST_S
        while not self._stop.wait(idle_s):
            idle_s = min(idle_s * 2, _LATEST_S)
            try:
                with self._database.reading() as connection:
                    # SQLite changes `data_version` with every commit of another connection. Reading it is cheaper than
                    # reading the state, which can't have changed while it stays the same.
                    (newest,) = connection.execute("PRAGMA data_version").fetchone()
                    current = state if newest == version else connection.execute(_STATE).fetchone()
            except Unavailable:
                # Wake the consumers: their own read of the file raises, and their callers handle it.
                self.notify()
                continue
            version = newest
            if current != state:
                state, idle_s = current, _SOONEST_S
                self.notify()
