"""How Cassandra forgets copies that can't arrive any more."""

import pytest

from regions.clock import now_ms
from regions.stores.cassandra.session import Row
from regions.stores.catalog import FORGET_AFTER_MS

pytestmark = pytest.mark.xdist_group("cassandra")

A_MINUTE_MS = 60_000


@pytest.fixture
def arrivals(open_at):
    return open_at(0).arrivals


@pytest.fixture
def rows(session):
    """The times of all records, and in how many seconds each goes by itself."""

    def read() -> list[Row]:
        session.use(session.address.keyspace)
        return session.execute("SELECT until_ms, TTL(until_ms) FROM arrivals")

    return read


def test_a_record_goes_by_itself_an_hour_after_its_time(arrivals, rows):
    """Not earlier, and no later record of an earlier time changes that."""
    until_ms = now_ms() + A_MINUTE_MS
    arrivals.expect("p_1", until_ms)
    arrivals.expect("p_1", until_ms - A_MINUTE_MS)
    [(found_ms, left_s)] = rows()
    assert found_ms == until_ms
    hour_s = FORGET_AFTER_MS // 1000
    assert hour_s <= left_s <= hour_s + A_MINUTE_MS // 1000 + 1


def test_what_would_be_forgotten_at_once_is_not_written(arrivals, rows):
    """It would stay for good otherwise."""
    arrivals.expect("p_1", now_ms() - FORGET_AFTER_MS - A_MINUTE_MS)
    assert rows() == []
