"""One SQLite file, shared by the threads of a process and by the processes of a region.

WAL mode lets readers continue while one process writes. `synchronous=FULL` syncs the log before a commit returns, so
an acknowledged write survives kill -9 and power loss. Each thread has a connection of its own.

What is deleted is overwritten with zeros in the file (`secure_delete`). But the write-ahead log keeps old pages until
it is emptied, and SQLite itself only starts to write it again from the front. So a store with data that must go for
good calls `truncate_log_regularly`.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from regions.errors import Unavailable

TRUNCATE_LOG_EVERY_S = 60.0

_BUSY_S = 10.0
# While it waits, nobody can write.
_TRUNCATE_WAIT_S = 0.2
# Errors in the caller's statement or data are raised as they are: as `Unavailable` they would be retried forever.
_CALLER_ERRORS = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.NotSupportedError)


class Database:
    """Opens the file, and creates it if it is missing; `schema` runs each time, so it must be safe to run again.

    Any thread may use it. A process that was forked from this one may not: SQLite connections don't survive a fork.
    """

    def __init__(self, path: str, schema: str) -> None:
        self.path = path
        self._local = threading.local()
        self._opened: dict[threading.Thread, sqlite3.Connection] = {}
        self._closed = False
        self._closing = threading.Event()
        self._truncate_thread: threading.Thread | None = None
        self._lock = threading.Lock()
        # The threads of this process queue here. SQLite's own lock has no queue: waiters sleep and try again.
        self._writer = threading.RLock()
        with self._errors_as_unavailable():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._connection().executescript(f"BEGIN IMMEDIATE;\n{schema}\nCOMMIT;")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Each statement sees the last committed state. Raises Unavailable."""
        with self._errors_as_unavailable():
            yield self._connection()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, the only one at a time among all processes: committed and durable when the block ends,
        rolled back if it raises.

        Raises Unavailable, also if others have been writing for longer than 10 s.
        """
        with self._errors_as_unavailable(), self._queued():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    def truncate_log_regularly(self) -> None:
        """Starts a thread that empties the write-ahead log every `TRUNCATE_LOG_EVERY_S` seconds, until `close`."""
        self._truncate_thread = threading.Thread(target=self._truncate_log_regularly, name="truncate log", daemon=True)
        self._truncate_thread.start()

    def close(self) -> None:
        """Idempotent. Later calls get Unavailable."""
        self._closing.set()
        if self._truncate_thread is not None:
            self._truncate_thread.join()
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

    def _truncate_log_regularly(self) -> None:
        existing = f"{Path(self.path).absolute().as_uri()}?mode=rw"
        while not self._closing.wait(TRUNCATE_LOG_EVERY_S):
            # If another connection reads or writes for longer than the timeout, the next round tries again.
            with (
                suppress(sqlite3.Error),
                closing(sqlite3.connect(existing, timeout=_TRUNCATE_WAIT_S, uri=True)) as connection,
            ):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _connection(self) -> sqlite3.Connection:
        if self._closed:
            raise Unavailable("the store is closed")
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA secure_delete=ON")
            self._local.connection = connection
            self._remember(connection)
        return connection

    def _remember(self, connection: sqlite3.Connection) -> None:
        """Remembers the connection for `close`, and closes the connections of threads that have ended."""
        with self._lock:
            for thread in [thread for thread in self._opened if not thread.is_alive()]:
                self._opened.pop(thread).close()
            self._opened[threading.current_thread()] = connection

    @contextmanager
    def _errors_as_unavailable(self) -> Iterator[None]:
        """Turns errors of SQLite and the disk into Unavailable. Clients see the detail, so it doesn't name the path."""
        try:
            yield
        except _CALLER_ERRORS:
            raise
        except sqlite3.Error as error:
            raise Unavailable(f"the store can't be read or written: {error}") from error
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else "no reason given"
            raise Unavailable(f"the store can't be read or written: {reason}") from error


def json_list(texts: Collection[str]) -> str:
    """For `IN (SELECT value FROM json_each(?))`, which has no limit on how many there are."""
    return json.dumps(list(texts))
