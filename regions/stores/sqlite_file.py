"""One SQLite file, shared by the threads of a process and by the processes of a region.

WAL lets readers go on while one writes; `synchronous=FULL` syncs the log before a commit returns, so that
what was acknowledged survives kill -9 and power loss. Each thread has a connection of its own.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regions.errors import Unavailable

_BUSY_S = 10.0


class SqliteFile:
    """Opens, and where needed makes, the file; `schema` must be safe to run again."""

    def __init__(self, path: str, schema: str) -> None:
        self._path = path
        self._local = threading.local()
        self._opened: set[sqlite3.Connection] = set()
        self._lock = threading.Lock()
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
        """One transaction, alone among all processes: durable when the block is left, undone when it raises."""
        with self._reaching():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def close(self) -> None:
        with self._lock:
            opened, self._opened = self._opened, set()
        for connection in opened:
            connection.close()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            self._local.connection = connection
            with self._lock:
                self._opened.add(connection)
        return connection

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """What SQLite or the disk refuses becomes Unavailable, without the path."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"the store does not answer: {error}") from error
