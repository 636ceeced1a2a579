"""The health check of an embedded store that is one SQLite file."""

import secrets
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from regions.errors import Unavailable
from regions.stores import disk_space
from regions.stores.health import CheckResult, HealthCheck, Level, run_checks
from regions.stores.sqlite.database import Database

# A file of many gigabytes is not read whole.
_LOOK_S = 5.0
_STEPS_BETWEEN_LOOKS = 10_000
_REACH = "Check that the file's disk is mounted and that this user may write there; restore a file that is damaged."
_RESTORE = "Stop the region's processes, copy the file, and restore it from a backup (or by sqlite3's `.recover`)."
_MIGRATE = "Another version made the file: run that version, or move the data to a fresh file."
_WRITE = "Check the permissions of the file and its folder, the disk's space, and who holds the file's lock (`fuser`)."


def check_health(file: Database, schema: str) -> list[CheckResult]:
    """`schema` is the one that the file was opened with."""
    return run_checks(
        [
            HealthCheck("reachable", lambda: _reach(file), _REACH),
            HealthCheck("intact", lambda: _look_through(file), _RESTORE),
            HealthCheck("schema", lambda: _compare(file, schema), _RESTORE),
            HealthCheck("write, read, delete", lambda: _write(file), _WRITE),
            disk_space.check(Path(file.path).parent),
        ]
    )


def _reach(file: Database) -> str:
    with file.reading() as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return f"SQLite {sqlite3.sqlite_version}"


def _look_through(file: Database) -> str | CheckResult:
    deadline_s = time.monotonic() + _LOOK_S
    with file.reading() as connection:
        connection.set_progress_handler(lambda: time.monotonic() > deadline_s, _STEPS_BETWEEN_LOOKS)
        try:
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            return f"no damage within {_LOOK_S:g} s of looking"
        finally:
            connection.set_progress_handler(None, 0)
    return "no damage" if said == "ok" else CheckResult("intact", Level.FAILURE, f"damaged: {said}", _RESTORE)


def _compare(file: Database, schema: str) -> str | CheckResult:
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(schema)
        wanted = _tables(fresh)
    with file.reading() as connection:
        found = _tables(connection)
    other = sorted(name for name, sql in wanted.items() if found.get(name) != sql)
    return CheckResult("schema", Level.FAILURE, f"other than ours: {', '.join(other)}", _MIGRATE) if other else "ours"


def _tables(connection: sqlite3.Connection) -> dict[str, str]:
    """Tables and indexes by name, each as the statement that made it."""
    return dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall())


def _write(file: Database) -> str:
    """In a table of its own, in one transaction: a kill at any instant leaves nothing of it."""
    table = f"health_check_{secrets.token_hex(8)}"
    with file.writing() as connection:
        connection.execute(f"CREATE TABLE {table} (mark TEXT)")
        connection.execute(f"INSERT INTO {table} VALUES (?)", (table,))
        if connection.execute(f"SELECT mark FROM {table}").fetchone() != (table,):
            raise Unavailable("what was written was not read again")
        connection.execute(f"DROP TABLE {table}")
    return "done"
