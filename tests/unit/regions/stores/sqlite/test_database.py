"""The SQLite file: rollback, errors, and what their messages contain."""

import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from regions.errors import StoreMissing, Unavailable
from regions.stores.sqlite import database, stamped_file
from regions.stores.sqlite.database import Database
from tests.builders.stores import created

SCHEMA = "CREATE TABLE IF NOT EXISTS things (name TEXT PRIMARY KEY);"


def open_file(path) -> Database:
    """Creates it, in a folder that may be missing too."""
    return created(stamped_file.location(str(path), SCHEMA, lambda database: database))


@pytest.fixture
def file(tmp_path):
    opened = open_file(tmp_path / "new" / "folder" / "things.db")
    yield opened
    opened.close()


def add(file: Database, name: str) -> None:
    with file.writing() as connection:
        connection.execute("INSERT INTO things VALUES (?)", (name,))


def names(file: Database) -> list[str]:
    with file.reading() as connection:
        return [name for (name,) in connection.execute("SELECT name FROM things ORDER BY name")]


def test_a_transaction_that_raises_is_rolled_back(file):
    """And the next one can begin."""
    with pytest.raises(KeyError), file.writing() as connection:
        connection.execute("INSERT INTO things VALUES ('a')")
        raise KeyError
    add(file, "b")
    assert names(file) == ["b"]


def test_what_was_deleted_is_gone_from_the_disk_soon(file, tmp_path, monkeypatch, eventually):
    """From the file at once, and from the write-ahead log when it is next emptied, while readers stay connected."""
    monkeypatch.setattr(database, "TRUNCATE_LOG_EVERY_S", 0.05)
    add(file, "a secret of many letters")
    with file.writing() as connection:
        connection.execute("DELETE FROM things")
    file.truncate_log_regularly()
    other = Database(str(tmp_path / "new" / "folder" / "things.db"))
    assert names(other) == []
    assert eventually(
        lambda: not any(b"secret" in path.read_bytes() for path in (tmp_path / "new").rglob("things.db*"))
    )
    add(other, "b")
    assert names(file) == ["b"]
    other.close()


def test_a_reader_does_not_wait_for_a_writer(file, tmp_path):
    """It sees the last committed state."""
    add(file, "a")
    other = Database(str(tmp_path / "new" / "folder" / "things.db"))
    with file.writing() as connection:
        connection.execute("INSERT INTO things VALUES ('b')")
        assert names(other) == ["a"]
    assert names(other) == ["a", "b"]
    other.close()


def test_a_wrong_statement_is_not_reported_as_unavailable(file):
    """Otherwise a consumer would retry it forever."""
    add(file, "a")
    with pytest.raises(sqlite3.IntegrityError):
        add(file, "a")
    assert names(file) == ["a"]


def test_a_closed_file_is_unavailable(file):
    """For a thread that had it open, and for a new one."""
    rejected = []

    def read_in_new_thread() -> None:
        with pytest.raises(Unavailable):
            names(file)
        rejected.append(True)

    file.close()
    with pytest.raises(Unavailable):
        add(file, "a")
    thread = threading.Thread(target=read_in_new_thread)
    thread.start()
    thread.join()
    assert rejected == [True]


def test_the_connections_of_ended_threads_are_closed(file):
    """Except that of the thread that ended last."""
    for number in range(10):
        thread = threading.Thread(target=add, args=(file, str(number)))
        thread.start()
        thread.join()
    assert len(file._opened) <= 2
    assert len(names(file)) == 10


def test_a_path_that_can_not_be_created_is_unavailable(tmp_path):
    """Clients see the error, so it does not contain the path."""
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(Unavailable) as raised:
        open_file(tmp_path / "taken" / "things.db")
    assert str(tmp_path) not in raised.value.detail


def test_a_file_that_is_not_a_database_is_unavailable(tmp_path):
    """And is not overwritten."""
    path = tmp_path / "things.db"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(Unavailable):
        open_file(path)
    assert path.read_bytes() == b"not a database" * 1000


def path_of(file: Database) -> Path:
    return Path(file.path)


def test_a_file_that_vanished_is_unavailable_until_it_is_back(file):
    """SQLite alone would go on with the removed file, and lose what it acknowledges."""
    add(file, "a")
    path_of(file).rename(path_of(file).with_name("elsewhere"))
    for use in (names, lambda file: add(file, "b")):
        with pytest.raises(Unavailable, match="removed or replaced"):
            use(file)
    path_of(file).with_name("elsewhere").rename(path_of(file))
    assert names(file) == ["a"]


def test_a_file_that_was_replaced_is_unavailable(file):
    """Even by a copy with the same stamp, such as a backup: what was deleted since might be in it."""
    add(file, "a")
    copy = path_of(file).with_name("copy")
    shutil.copy(path_of(file), copy)
    copy.rename(path_of(file))
    with pytest.raises(Unavailable, match="removed or replaced"):
        names(file)


def test_a_write_into_a_file_that_vanishes_meanwhile_is_not_acknowledged(file):
    with pytest.raises(Unavailable, match="removed or replaced"), file.writing() as connection:
        connection.execute("INSERT INTO things VALUES ('a')")
        path_of(file).rename(path_of(file).with_name("elsewhere"))


def test_opening_creates_no_file(tmp_path):
    with pytest.raises(StoreMissing):
        Database(str(tmp_path / "things.db"))
    assert list(tmp_path.iterdir()) == []


def test_what_threads_write_at_the_same_time_shares_a_transaction(file, monkeypatch):
    """One that fails is undone, and fails alone."""
    transactions, writing = [], Database.writing
    monkeypatch.setattr(Database, "writing", lambda self: transactions.append(1) or writing(self))
    begun, may_go_on = threading.Event(), threading.Event()

    def first(connection):
        begun.set()
        assert may_go_on.wait(20)
        connection.execute("INSERT INTO things VALUES ('first')")

    def twice(connection):
        connection.execute("INSERT INTO things VALUES ('undone')")
        connection.execute("INSERT INTO things VALUES ('first')")

    def insert(name):
        return lambda connection: connection.execute("INSERT INTO things VALUES (?)", (name,))

    with ThreadPoolExecutor(8) as threads:
        writes = [threads.submit(file.write, first)]
        assert begun.wait(20)
        writes += [threads.submit(file.write, change) for change in (twice, *map(insert, "abcd"))]
        wait(writes, timeout=0.2)
        may_go_on.set()
        errors = [type(write.exception(20)) for write in writes]
    assert errors == [type(None), sqlite3.IntegrityError, *[type(None)] * 4]
    assert names(file) == ["a", "b", "c", "d", "first"]
    assert len(transactions) == 2


def test_nothing_is_written_to_a_store_that_is_closed(file):
    file.close()
    with pytest.raises(Unavailable):
        file.write(lambda connection: connection.execute("INSERT INTO things VALUES ('a')"))
