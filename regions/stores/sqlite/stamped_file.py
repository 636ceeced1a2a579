"""Creates a store's SQLite file and its stamp, and opens a file that has one."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

from regions.errors import WrongStore
from regions.stores.sqlite.database import BUSY_S, Database, connect, errors_as_unavailable
from regions.stores.stamp import Stamp, StoreLocation, StoreRegion, require_region
from regions.waiting import attempts

Port = TypeVar("Port")

_PAUSE_S = 0.05
_TABLE = "stamp"
_SCHEMA = f"""CREATE TABLE {_TABLE} (
    one INTEGER PRIMARY KEY CHECK (one = 0), region TEXT NOT NULL, number INTEGER NOT NULL, store_id TEXT NOT NULL
)"""


def location(path: str, schema: str, open_port: Callable[[Database], Port]) -> StoreLocation[Port]:
    """The store in the file at `path`. `schema` runs with each `create`, so it must be safe to run again."""
    return StoreLocation(
        lambda ours: open_port(_open(path, ours)), partial(_read_stamp, path), partial(_create, path, schema)
    )


def _open(path: str, ours: StoreRegion) -> Database:
    database = Database(path)
    try:
        with database.reading() as connection:
            require_region(_stamp_in(connection), ours)
    except BaseException:
        database.close()
        raise
    return database


def _read_stamp(path: str) -> Stamp | None:
    if not Path(path).exists():
        return None
    with errors_as_unavailable(), closing(connect(path, BUSY_S)) as connection:
        return _stamp_in(connection)


def _create(path: str, schema: str, stamp: Stamp) -> Stamp:
    with errors_as_unavailable():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with closing(_connect(path)) as connection:
            found = require_region(_set_stamp(connection, stamp), stamp.region)
            connection.executescript(f"BEGIN IMMEDIATE;\n{schema}\nCOMMIT;")
            return found


def _connect(path: str) -> sqlite3.Connection:
    """Creates the file. While another process makes it a WAL file, SQLite does not wait for the lock, so this does."""
    connection = connect(path, BUSY_S, mode="rwc")
    for is_last in attempts(BUSY_S, _PAUSE_S, _PAUSE_S):
        try:
            # It stays so: the mode is kept in the file.
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError:
            if is_last:
                connection.close()
                raise
    return connection


def _set_stamp(connection: sqlite3.Connection, stamp: Stamp) -> Stamp:
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = _stamp_in(connection)
        if found is None:
            if connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                raise WrongStore("the file has tables, but no stamp of a region")
            connection.execute(_SCHEMA)
            values = stamp.region.name, stamp.region.number, stamp.store_id
            connection.execute(f"INSERT INTO {_TABLE} (one, region, number, store_id) VALUES (0, ?, ?, ?)", values)
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    return found or stamp


def _stamp_in(connection: sqlite3.Connection) -> Stamp | None:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (_TABLE,)).fetchone():
        return None
    row = connection.execute(f"SELECT region, number, store_id FROM {_TABLE}").fetchone()
    return Stamp(StoreRegion(row[0], row[1]), row[2]) if row else None
