"""kill -9 of a process that writes to the SQLite catalog: what it acknowledged is there, and no change is half done."""

import sqlite3

import pytest

from regions import ids
from regions.records import User
from regions.stores.sqlite import adapter as sqlite
from tests.builders import scripts
from tests.builders.catalog_writes import ALL_WRITES, CatalogContents, acknowledgements
from tests.builders.stores import created

WRITER = """
import sys
from regions.stores.sqlite import adapter as sqlite
from tests.builders.catalog_writes import write_for_ever
from tests.builders.stores import created

write_for_ever(created(sqlite.catalog(sys.argv[1])))
"""

# For each statement that SQLite gets, a process that kills itself before it, on a file of its own; the last one ends.
BEFORE_EACH_STATEMENT = """
import os, signal, sqlite3, sys
from itertools import count
from regions.stores.sqlite import adapter as sqlite
from tests.builders.catalog_writes import write_all
from tests.builders.stores import created

connect = sqlite3.connect

def connect_and_die_before(step):
    statements = count()
    def trace(_):
        if next(statements) == step:
            os.kill(os.getpid(), signal.SIGKILL)
    def connect_traced(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.set_trace_callback(trace)
        return connection
    return connect_traced

for step in range(500):
    child = os.fork()
    if child == 0:
        sqlite3.connect = connect_and_die_before(step)
        write_all(created(sqlite.catalog(f"{sys.argv[1]}/{3 * step}.db")), 3 * step)
        os._exit(0)
    if os.waitpid(child, 0)[1] != signal.SIGKILL:
        break
"""


@pytest.fixture
def kill_after(tmp_path, catalog):
    """Kills a writer when it has acknowledged so many writes; returns all that it acknowledged."""
    return lambda writes: acknowledgements(scripts.kill_after(writes, WRITER, tmp_path / "catalog.db"))


@pytest.mark.parametrize("writes", [1, 50, 333])
def test_what_was_acknowledged_is_there_and_nothing_is_half_done(catalog, kill_after, writes):
    """Read through a handle that was open all the time."""
    acknowledged = kill_after(writes)
    contents = CatalogContents(catalog)
    for number in range(max(acknowledged) + 8):
        assert acknowledged[number] <= contents.writes(number)


def test_a_kill_before_any_statement_leaves_nothing_half_done(tmp_path):
    """Before each statement in turn, from the creation of the file to the last write."""
    acknowledged = acknowledgements(scripts.output(BEFORE_EACH_STATEMENT, tmp_path, timeout_s=60))
    files = list(tmp_path.glob("*.db"))
    for file in files:
        catalog = created(sqlite.catalog(str(file)))
        assert acknowledged[int(file.stem)] <= CatalogContents(catalog).writes(int(file.stem))
        catalog.close()
    last = max(int(file.stem) for file in files)
    assert acknowledged[last] == ALL_WRITES
    assert acknowledged[0] == set()


def test_the_file_is_intact_and_other_processes_can_write(catalog, kill_after, tmp_path):
    """The dead process holds no lock."""
    kill_after(50)
    ana = User(ids.to_public(ids.USER, 1 << 40), "Ana", "PT", "eu", "eu-west", 1)
    catalog.users.add(ana)
    assert catalog.users.get(ana.user_id) == ana
    connection = sqlite3.connect(tmp_path / "catalog.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
