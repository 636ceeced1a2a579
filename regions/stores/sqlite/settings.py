"""Values and services of the settings port over one SQLite file, and the schema of that file.

settings  a key's value and version. A deleted key keeps its row, without a value: so a watch sees the deletion, and
          the version is never used again
versions  one counter for the versions of all keys and the fencing tokens of all locks
services  which instances are healthy, and until when
leases    who leases a number, and until when it is or was taken: `leases`
locks     who holds a lock, its fencing token, and until when: `leases`
"""

import time
from collections.abc import Callable, Mapping
from sqlite3 import Connection

from regions.stores.settings import Service, Setting, check_setting, check_word
from regions.stores.sqlite.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, version INTEGER NOT NULL, value TEXT);
CREATE TABLE IF NOT EXISTS versions (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), last INTEGER NOT NULL);
INSERT OR IGNORE INTO versions (only_row, last) VALUES (1, 0);
CREATE TABLE IF NOT EXISTS services (
    name TEXT NOT NULL, instance TEXT NOT NULL, address TEXT NOT NULL, until_ms INTEGER NOT NULL,
    PRIMARY KEY (name, instance)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leases (
    pool TEXT NOT NULL, number INTEGER NOT NULL, holder TEXT, floor_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,
    PRIMARY KEY (pool, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS locks (
    name TEXT PRIMARY KEY, holder TEXT NOT NULL, fencing_token INTEGER NOT NULL, until_ms INTEGER NOT NULL
) WITHOUT ROWID;
"""

# All keys that start with the prefix. A range instead of LIKE, so that SQLite uses the index. Keys are ASCII, so all of
# them sort below the prefix followed by the highest code point.
_UNDER = "key >= :prefix AND key < :prefix || char(0x10ffff)"

_POLL_EVERY_S = 0.05


class SqliteValues:
    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, key: str) -> Setting | None:
        with self._database.reading() as connection:
            return _setting(connection, key)

    def write(self, key: str, value: str, expected_version: int | None = None) -> bool:
        check_setting(key, value)
        with self._database.writing() as connection:
            if expected_version is not None:
                current = _setting(connection, key)
                if expected_version != (current.version if current else 0):
                    return False
            _change(connection, key, value)
            return True

    def delete(self, key: str) -> None:
        with self._database.writing() as connection:
            if _setting(connection, key) is not None:
                _change(connection, key, None)

    def tree(self, prefix: str) -> Mapping[str, Setting]:
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT key, value, version FROM settings WHERE {_UNDER} AND value IS NOT NULL ORDER BY key",
                {"prefix": prefix},
            )
            return {key: Setting(value, version) for key, value, version in rows}

    def watch(self, prefix: str, known: int, timeout_s: float) -> int:
        """Reads every 50 ms, since SQLite can't notify other processes.

        The mark is the newest version under the prefix. A deletion counts: the row stays, and gets a new version.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            newest = self._newest_version(prefix)
            left_s = deadline_s - time.monotonic()
            if newest > known:
                return newest
            if left_s <= 0:
                return known
            time.sleep(min(_POLL_EVERY_S, left_s))

    def _newest_version(self, prefix: str) -> int:
        query = f"SELECT max(version) FROM settings WHERE {_UNDER}"
        with self._database.reading() as connection:
            (newest,) = connection.execute(query, {"prefix": prefix}).fetchone()
        return newest or 0


class SqliteServices:
    def __init__(self, database: Database, clock_ms: Callable[[], int]) -> None:
        self._database = database
        self._clock_ms = clock_ms

    def register(self, service: Service, ttl_s: float) -> None:
        check_word(service.name)
        check_word(service.instance)
        now_ms = self._clock_ms()
        row = (service.name, service.instance, service.address, now_ms + to_ms(ttl_s))
        with self._database.writing() as connection:
            connection.execute("DELETE FROM services WHERE until_ms <= ?", (now_ms,))
            connection.execute(
                "INSERT OR REPLACE INTO services (name, instance, address, until_ms) VALUES (?, ?, ?, ?)", row
            )

    def deregister(self, service: Service) -> None:
        with self._database.writing() as connection:
            connection.execute("DELETE FROM services WHERE name = ? AND instance = ?", (service.name, service.instance))

    def healthy(self, name: str) -> list[Service]:
        check_word(name)
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT name, instance, address FROM services WHERE name = ? AND until_ms > ? ORDER BY instance",
                (name, self._clock_ms()),
            )
            return [Service(*row) for row in rows]


def _setting(connection: Connection, key: str) -> Setting | None:
    query = "SELECT value, version FROM settings WHERE key = ? AND value IS NOT NULL"
    row = connection.execute(query, (key,)).fetchone()
    return Setting(*row) if row else None


def _change(connection: Connection, key: str, value: str | None) -> None:
    row = (key, next_version(connection), value)
    connection.execute("INSERT OR REPLACE INTO settings (key, version, value) VALUES (?, ?, ?)", row)


def next_version(connection: Connection) -> int:
    """The next number of the one counter, in the caller's transaction."""
    (version,) = connection.execute("UPDATE versions SET last = last + 1 RETURNING last").fetchone()
    return int(version)


def to_ms(seconds: float) -> int:
    return round(seconds * 1000)
