"""The health check of an embedded store, which is one SQLite file."""

import secrets
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from regions.errors import Unavailable
from regions.stores import disk_space
from regions.stores.health import CheckResult, HealthCheck, Level, run_checks
from regions.stores.sqlite.database import Database

# A file of many gigabytes is not read whole: the search for damage stops after this time. SQLite calls back after so
# many steps of its virtual machine.
_SEARCH_S = 5.0
_STEPS_BETWEEN_CALLBACKS = 10_000
_REACH = "Check that the file's disk is mounted and that this user may write there; restore a file that is damaged."
_RESTORE = "Stop the region's processes, copy the file, and restore it from a backup (or by sqlite3's `.recover`)."
_MIGRATE = "Run this version's `darkroom prepare`. If that does not help, a newer version made the file: run that one."
_WRITE = "Check the permissions of the file and its folder, the disk's space, and who holds the file's lock (`fuser`)."


def check_health(database: Database, schema: str) -> list[CheckResult]:
    """`schema` is the one that the file was opened with."""
    return run_checks(
        [
            HealthCheck("reachable", lambda: _read(database), _REACH),
            HealthCheck("intact", lambda: _search_damage(database), _RESTORE),
            HealthCheck("schema", lambda: _compare(database, schema), _RESTORE),
            HealthCheck("write, read, delete", lambda: _write(database), _WRITE),
            disk_space.check(Path(database.path).parent),
        ]
    )


def _read(database: Database) -> str:
    with database.reading() as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return f"SQLite {sqlite3.sqlite_version}"


def _search_damage(database: Database) -> str | CheckResult:
    deadline_s = time.monotonic() + _SEARCH_S
    with database.reading() as connection:
        connection.set_progress_handler(lambda: time.monotonic() > deadline_s, _STEPS_BETWEEN_CALLBACKS)
        try:
            (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            return f"no damage found within {_SEARCH_S:g} s"
        finally:
            connection.set_progress_handler(None, 0)
    return "no damage" if result == "ok" else CheckResult("intact", Level.FAILURE, f"damaged: {result}", _RESTORE)


def _compare(database: Database, schema: str) -> str | CheckResult:
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(schema)
        expected = _statements(fresh)
    with database.reading() as connection:
        present = _statements(connection)
    different = ", ".join(sorted(name for name, sql in expected.items() if present.get(name) != sql))
    if different:
        return CheckResult("schema", Level.FAILURE, f"differs from this version's in {different}", _MIGRATE)
    return "as expected"


def _statements(connection: sqlite3.Connection) -> dict[str, str]:
    """The statement that created each table and index, by name."""
    return dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall())


def _write(database: Database) -> str:
    """Creates a table of its own and drops it, in one transaction: a kill at any moment leaves nothing behind."""
    table = f"health_check_{secrets.token_hex(8)}"
    with database.writing() as connection:
        connection.execute(f"CREATE TABLE {table} (mark TEXT)")
        connection.execute(f"INSERT INTO {table} VALUES (?)", (table,))
        if connection.execute(f"SELECT mark FROM {table}").fetchone() != (table,):
            raise Unavailable("the value that was written could not be read back")
        connection.execute(f"DROP TABLE {table}")
    return "done"
