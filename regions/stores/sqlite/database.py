"""One SQLite file, shared by the threads of a process and by the processes of a region.

WAL lets readers go on while one writes; `synchronous=FULL` syncs the log before a commit returns, so that
what was acknowledged survives kill -9 and power loss. Each thread has a connection of its own.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from regions.errors import Unavailable

_BUSY_S = 10.0
# Mistakes of the caller's statement or data, which waiting does not mend.
_MISTAKES = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.NotSupportedError)


class Database:
    """Opens, and where needed makes, the file; `schema` must be safe to run again.

    Any thread may use it, but not a process that was forked from this one.
    """

    def __init__(self, path: str, schema: str) -> None:
        self.path = path
        self._local = threading.local()
        self._opened: dict[threading.Thread, sqlite3.Connection] = {}
        self._closed = False
        self._lock = threading.Lock()
        # Threads queue here, since SQLite's own lock is waited for by sleeping and looking again.
        self._writer = threading.RLock()
        with self._reaching():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._connection().executescript(f"BEGIN IMMEDIATE;\n{schema}\nCOMMIT;")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Each statement sees the last committed state. Raises Unavailable."""
        with self._reaching():
            yield self._connection()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, alone among all processes: durable when the block is left, undone when it raises.

        Raises Unavailable, also where others have been writing for longer than 10 s.
        """
        with self._reaching(), self._queued():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    def close(self) -> None:
        """Idempotent. Later calls get Unavailable."""
        with self._lock:
            self._closed = True
            opened, self._opened = self._opened, {}
        for connection in opened.values():
            connection.close()

    @contextmanager
    def _queued(self) -> Iterator[None]:
        if not self._writer.acquire(timeout=_BUSY_S):
            raise Unavailable("the store is busy writing")
        try:
            yield
        finally:
            self._writer.release()

    def _connection(self) -> sqlite3.Connection:
        if self._closed:
            raise Unavailable("the store is closed")
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            self._local.connection = connection
            self._keep(connection)
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        return connection

    def _keep(self, connection: sqlite3.Connection) -> None:
        """Notes whose it is, and closes those of threads that have ended."""
        with self._lock:
            for thread in [thread for thread in self._opened if not thread.is_alive()]:
                self._opened.pop(thread).close()
            self._opened[threading.current_thread()] = connection

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """What SQLite or the disk refuses becomes Unavailable, without the path."""
        try:
            yield
        except _MISTAKES:
            raise
        except sqlite3.Error as error:
            raise Unavailable(f"the store does not answer: {error}") from error
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else "no reason given"
            raise Unavailable(f"the store does not answer: {reason}") from error


def json_list(texts: Collection[str]) -> str:
    """For `IN (SELECT value FROM json_each(?))`, which has no limit on how many there are."""
    return json.dumps(list(texts))
