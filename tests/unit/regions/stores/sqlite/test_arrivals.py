"""How the SQLite catalog forgets copies that can't arrive any more."""

import sqlite3

import pytest

from regions.stores.catalog import FORGET_AFTER_MS
from regions.stores.sqlite import adapter as sqlite
from tests.builders.stores import created


@pytest.fixture
def arrivals(tmp_path, clock):
    catalog = created(sqlite.catalog(str(tmp_path / "arrivals.db"), clock.now_ms))
    yield catalog.arrivals
    catalog.close()


@pytest.fixture
def stored(tmp_path):
    """The photos of which the file has a record."""

    def read() -> list[str]:
        connection = sqlite3.connect(tmp_path / "arrivals.db")
        rows = connection.execute("SELECT photo_id FROM arrivals ORDER BY photo_id").fetchall()
        connection.close()
        return [photo_id for (photo_id,) in rows]

    return read


def test_a_record_is_removed_an_hour_after_its_time(arrivals, clock, stored):
    """By the next one, and not earlier."""
    arrivals.expect("p_1", clock.now_ms())
    clock.advance(FORGET_AFTER_MS)
    arrivals.expect("p_2", clock.now_ms())
    assert stored() == ["p_1", "p_2"]
    clock.advance(1)
    arrivals.expect("p_3", clock.now_ms())
    assert stored() == ["p_2", "p_3"]


def test_a_write_removes_a_bounded_number_of_records(arrivals, clock, stored):
    """The oldest ones first; the next writes remove the rest."""
    for number in range(150):
        arrivals.expect(f"p_{number:03}", clock.now_ms() + number)
    clock.advance(2 * FORGET_AFTER_MS)
    left = []
    for _ in range(2):
        arrivals.expect("p_new", clock.now_ms())
        left.append(stored())
    assert left == [[f"p_{number:03}" for number in range(100, 150)] + ["p_new"], ["p_new"]]


def test_the_removal_reads_no_more_than_it_removes(tmp_path, arrivals):
    """It finds the records by an index."""
    connection = sqlite3.connect(tmp_path / "arrivals.db")
    query = "EXPLAIN QUERY PLAN SELECT photo_id FROM arrivals WHERE until_ms < 1 ORDER BY until_ms LIMIT 100"
    plan = " ".join(row[-1] for row in connection.execute(query))
    connection.close()
    assert "arrivals_by_time" in plan and "SCAN" not in plan and "TEMP" not in plan
