"""The SQLite file: what is undone, what is refused, and in which words."""

import sqlite3
import threading

import pytest

from regions.errors import Unavailable
from regions.stores.sqlite.database import Database

SCHEMA = "CREATE TABLE IF NOT EXISTS things (name TEXT PRIMARY KEY);"


@pytest.fixture
def file(tmp_path):
    opened = Database(str(tmp_path / "new" / "folder" / "things.db"), SCHEMA)
    yield opened
    opened.close()


def add(file: Database, name: str) -> None:
    with file.writing() as connection:
        connection.execute("INSERT INTO things VALUES (?)", (name,))


def names(file: Database) -> list[str]:
    with file.reading() as connection:
        return [name for (name,) in connection.execute("SELECT name FROM things ORDER BY name")]


def test_a_transaction_that_raises_is_undone_whole(file):
    """And the next one can begin."""
    with pytest.raises(KeyError), file.writing() as connection:
        connection.execute("INSERT INTO things VALUES ('a')")
        raise KeyError
    add(file, "b")
    assert names(file) == ["b"]


def test_a_reader_does_not_wait_for_a_writer(file, tmp_path):
    """It sees the last committed state."""
    add(file, "a")
    other = Database(str(tmp_path / "new" / "folder" / "things.db"), SCHEMA)
    with file.writing() as connection:
        connection.execute("INSERT INTO things VALUES ('b')")
        assert names(other) == ["a"]
    assert names(other) == ["a", "b"]
    other.close()


def test_a_mistake_is_not_taken_for_a_store_that_is_away(file):
    """Else a consumer would wait for ever for what waiting can't mend."""
    add(file, "a")
    with pytest.raises(sqlite3.IntegrityError):
        add(file, "a")
    assert names(file) == ["a"]


def test_a_closed_file_is_unavailable(file):
    """To the thread that had it open, and to one that comes new."""
    refused = []

    def come_new() -> None:
        with pytest.raises(Unavailable):
            names(file)
        refused.append(True)

    file.close()
    with pytest.raises(Unavailable):
        add(file, "a")
    thread = threading.Thread(target=come_new)
    thread.start()
    thread.join()
    assert refused == [True]


def test_threads_that_ended_leave_no_connection(file):
    """However many come and go, as many are open as live, and the one that ended last."""
    for number in range(10):
        thread = threading.Thread(target=add, args=(file, str(number)))
        thread.start()
        thread.join()
    assert len(file._opened) <= 2
    assert len(names(file)) == 10


def test_a_path_that_can_not_be_made_is_unavailable_and_not_told(tmp_path):
    """What goes to a client says nothing of our folders."""
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(Unavailable) as refusal:
        Database(str(tmp_path / "taken" / "things.db"), SCHEMA)
    assert str(tmp_path) not in refusal.value.detail


def test_a_file_that_is_no_database_is_unavailable(tmp_path):
    """Not overwritten."""
    path = tmp_path / "things.db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(Unavailable):
        Database(str(path), SCHEMA)
    assert path.read_bytes() == b"no database" * 1000
