"""The settings port over one SQLite file.

settings  a key's value and version; of a deleted key the row stays without a value, so that a watch sees
          that it went and its version is not used again
versions  one counter for all keys and locks
services  who is healthy, and until when
leases    until when a number is taken, or was
locks     who locks it, since which version of the counter, and until when
"""

import time
from collections.abc import Callable, Mapping
from sqlite3 import Connection

from regions.errors import Unavailable
from regions.stores.settings import Lease, Lock, Service, Setting, check_setting, check_word
from regions.stores.sqlite.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, version INTEGER NOT NULL, value TEXT);
CREATE TABLE IF NOT EXISTS versions (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), last INTEGER NOT NULL);
INSERT OR IGNORE INTO versions VALUES (1, 0);
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

# Every key that starts with the prefix, found by the index: keys are ASCII, and the bound lies above all of it.
_UNDER = "key >= :prefix AND key < :prefix || char(0x10ffff)"

_LOOK_AGAIN_S = 0.05


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
                present = _setting(connection, key)
                if expected_version != (present.version if present else 0):
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
        """Looks every 50 ms. The mark is the newest version under the prefix."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            newest = self._newest_version(prefix)
            left_s = deadline_s - time.monotonic()
            if newest > known:
                return newest
            if left_s <= 0:
                return known
            time.sleep(min(_LOOK_AGAIN_S, left_s))

    def _newest_version(self, prefix: str) -> int:
        with self._database.reading() as connection:
            (newest,) = connection.execute(
                f"SELECT max(version) FROM settings WHERE {_UNDER}", {"prefix": prefix}
            ).fetchone()
        return newest or 0


class SqliteServices:
    def __init__(self, database: Database, clock_ms: Callable[[], int]) -> None:
        self._database = database
        self._clock_ms = clock_ms

    def register(self, service: Service, ttl_s: float) -> None:
        check_word(service.name)
        check_word(service.instance)
        now_ms = self._clock_ms()
        row = (service.name, service.instance, service.address, now_ms + _ms(ttl_s))
        with self._database.writing() as connection:
            connection.execute("DELETE FROM services WHERE until_ms <= ?", (now_ms,))
            connection.execute("INSERT OR REPLACE INTO services VALUES (?, ?, ?, ?)", row)

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


class SqliteNumbers:
    def __init__(self, database: Database, clock_ms: Callable[[], int]) -> None:
        self._database = database
        self._clock_ms = clock_ms

    def lease(self, pool: str, holder: str, size: int, ttl_s: float) -> Lease:
        check_word(pool)
        with self._database.writing() as connection:
            # Read inside the transaction: waiting for the file may take seconds.
            now_ms = self._clock_ms()
            ended = dict(connection.execute("SELECT number, until_ms FROM leases WHERE pool = ?", (pool,)).fetchall())
            number = next((number for number in range(size) if ended.get(number, 0) <= now_ms), None)
            if number is None:
                raise Unavailable(f"all {size} numbers of {pool} are taken")
            lease = Lease(pool, number, holder, ended.get(number, 0), now_ms + _ms(ttl_s))
            row = (pool, number, holder, lease.floor_ms, lease.until_ms)
            connection.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?)", row)
        return lease

    def renew(self, lease: Lease, ttl_s: float) -> Lease | None:
        """Never shortens a lease, even where the clock has stepped back."""
        with self._database.writing() as connection:
            now_ms = self._clock_ms()
            row = connection.execute(
                "UPDATE leases SET until_ms = max(until_ms, ?)"
                " WHERE pool = ? AND number = ? AND holder = ? AND floor_ms = ? AND until_ms > ? RETURNING until_ms",
                (now_ms + _ms(ttl_s), lease.pool, lease.number, lease.holder, lease.floor_ms, now_ms),
            ).fetchone()
        return Lease(lease.pool, lease.number, lease.holder, lease.floor_ms, row[0]) if row else None

    def release(self, lease: Lease, used_until_ms: int) -> None:
        """Does nothing where the lease has gone to someone else."""
        with self._database.writing() as connection:
            # The floor grows with every lease of a number, by which renew and release know whose turn it is.
            connection.execute(
                "UPDATE leases SET holder = NULL, until_ms = min(until_ms, max(?, floor_ms + 1))"
                " WHERE pool = ? AND number = ? AND holder = ? AND floor_ms = ?",
                (used_until_ms, lease.pool, lease.number, lease.holder, lease.floor_ms),
            )

    def taken(self, pool: str) -> int:
        check_word(pool)
        with self._database.reading() as connection:
            (taken,) = connection.execute(
                "SELECT count(*) FROM leases WHERE pool = ? AND until_ms > ?", (pool, self._clock_ms())
            ).fetchone()
        return int(taken)


class SqliteLocks:
    def __init__(self, database: Database, clock_ms: Callable[[], int]) -> None:
        self._database = database
        self._clock_ms = clock_ms

    def acquire(self, name: str, holder: str, ttl_s: float) -> Lock | None:
        check_word(name)
        with self._database.writing() as connection:
            now_ms = self._clock_ms()
            taken = "SELECT 1 FROM locks WHERE name = ? AND until_ms > ?"
            if connection.execute(taken, (name, now_ms)).fetchone():
                return None
            token = _next_version(connection)
            row = (name, holder, token, now_ms + _ms(ttl_s))
            connection.execute("INSERT OR REPLACE INTO locks VALUES (?, ?, ?, ?)", row)
        return Lock(name, holder, token, ttl_s)

    def renew(self, lock: Lock) -> bool:
        """Never shortens a lock, even where the clock has stepped back."""
        with self._database.writing() as connection:
            now_ms = self._clock_ms()
            renewed = connection.execute(
                "UPDATE locks SET until_ms = max(until_ms, ?) WHERE name = ? AND fencing_token = ? AND until_ms > ?",
                (now_ms + _ms(lock.ttl_s), lock.name, lock.fencing_token, now_ms),
            )
            return renewed.rowcount > 0

    def release(self, lock: Lock) -> None:
        with self._database.writing() as connection:
            connection.execute(
                "DELETE FROM locks WHERE name = ? AND fencing_token = ?", (lock.name, lock.fencing_token)
            )


def _setting(connection: Connection, key: str) -> Setting | None:
    query = "SELECT value, version FROM settings WHERE key = ? AND value IS NOT NULL"
    row = connection.execute(query, (key,)).fetchone()
    return Setting(*row) if row else None


def _change(connection: Connection, key: str, value: str | None) -> None:
    row = (key, _next_version(connection), value)
    connection.execute("INSERT OR REPLACE INTO settings (key, version, value) VALUES (?, ?, ?)", row)


def _next_version(connection: Connection) -> int:
    (version,) = connection.execute("UPDATE versions SET last = last + 1 RETURNING last").fetchone()
    return int(version)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
