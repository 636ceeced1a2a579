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
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from regions.errors import Problem, Unavailable
from regions.group_commit import GroupCommit
from regions.stores.same_file import SameFile

TRUNCATE_LOG_EVERY_S = 60.0

BUSY_S = 10.0
_MOST_CHANGES = 200
# While it waits, nobody can write.
_TRUNCATE_WAIT_S = 0.2
# Errors in the caller's statement or data are raised as they are: as `Unavailable` they would be retried forever.
_CALLER_ERRORS = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.NotSupportedError)

Change = Callable[[sqlite3.Connection], object]


class Database:
    """Opens the file, which exists (`stamped_file` creates it). Raises StoreMissing, Unavailable.

    Any thread may use it. A process that was forked from this one may not: SQLite connections don't survive a fork.
    When the file is removed or replaced, every use is Unavailable: SQLite itself would go on with the file that nobody
    can open any more, and acknowledge writes that are lost.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._local = threading.local()
        self._opened: dict[threading.Thread, sqlite3.Connection] = {}
        self._closed = False
        self._closing = threading.Event()
        self._truncate_thread: threading.Thread | None = None
        self._lock = threading.Lock()
        # The threads of this process queue here. SQLite's own lock has no queue: waiters sleep and try again.
        self._writer = threading.RLock()
        self._changes = GroupCommit(self._write_all, _MOST_CHANGES, 2 * BUSY_S, "changes")
        with errors_as_unavailable():
            self._file = SameFile(Path(path))
            self._connection()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Each statement sees the last committed state. Raises Unavailable."""
        self._file.require()
        with errors_as_unavailable():
            yield self._connection()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, the only one at a time among all processes: committed and durable when the block ends,
        rolled back if it raises.

        Raises Unavailable, also if others have been writing for longer than 10 s.
        """
        self._file.require()
        with errors_as_unavailable(), self._queued():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise
        # Again: what was written into a file that is not there any more is not acknowledged.
        self._file.require()

    def write(self, change: Change) -> None:
        """Durable when it returns, as after `writing`. What other threads write by this at the same time is in the same
        transaction, so that they wait for the disk once; each change is whole or, if it raises, not there.

        Not for a thread that is writing already. Raises what `change` raises, and Unavailable.
        """
        try:
            self._changes.commit(change)
        except RuntimeError as error:
            # No thread may be started any more.
            if not self._closing.is_set():
                raise
            raise Unavailable("the store is closed") from error

    def _write_all(self, changes: Sequence[Change]) -> list[Exception | None]:
        with self.writing() as connection:
            return [_changed(connection, change) for change in changes]

    def truncate_log_regularly(self) -> None:
        """Starts a thread that empties the write-ahead log every `TRUNCATE_LOG_EVERY_S` seconds, until `close`."""
        self._truncate_thread = threading.Thread(target=self._truncate_log_regularly, name="truncate log", daemon=True)
        self._truncate_thread.start()

    def close(self) -> None:
        """Idempotent. Later calls get Unavailable."""
        self._closing.set()
        self._changes.close()
        if self._truncate_thread is not None:
            self._truncate_thread.join()
        with self._lock:
            self._closed = True
            opened, self._opened = self._opened, {}
        for connection in opened.values():
            connection.close()

    @contextmanager
    def _queued(self) -> Iterator[None]:
        if not self._writer.acquire(timeout=BUSY_S):
            raise Unavailable("the store is busy writing")
        try:
            yield
        finally:
            self._writer.release()

    def _truncate_log_regularly(self) -> None:
        while not self._closing.wait(TRUNCATE_LOG_EVERY_S):
            # If another connection reads or writes for longer than the timeout, the next round tries again.
            with (
                suppress(sqlite3.Error),
                closing(connect(self.path, _TRUNCATE_WAIT_S)) as connection,
            ):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _connection(self) -> sqlite3.Connection:
        if self._closed:
            raise Unavailable("the store is closed")
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self.path, BUSY_S)
            self._remember(connection)
        return connection

    def _remember(self, connection: sqlite3.Connection) -> None:
        """Remembers the connection for `close`, and closes the connections of threads that have ended."""
        with self._lock:
            for thread in [thread for thread in self._opened if not thread.is_alive()]:
                self._opened.pop(thread).close()
            self._opened[threading.current_thread()] = connection


def _changed(connection: sqlite3.Connection, change: Change) -> Exception | None:
    """Undoes what raises, and only that."""
    connection.execute("SAVEPOINT change")
    try:
        with errors_as_unavailable():
            change(connection)
    except (Problem, *_CALLER_ERRORS) as error:
        connection.execute("ROLLBACK TO change")
        return error
    finally:
        connection.execute("RELEASE change")
    return None


def connect(path: str, busy_s: float, mode: str = "rw") -> sqlite3.Connection:
    """A connection in autocommit mode, which any thread may use; a statement waits for locks for up to `busy_s`.

    `mode` is "rwc" to create a missing file.
    """
    url = f"{Path(path).absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(url, timeout=busy_s, isolation_level=None, check_same_thread=False, uri=True)
    try:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA secure_delete=ON")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def errors_as_unavailable() -> Iterator[None]:
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
