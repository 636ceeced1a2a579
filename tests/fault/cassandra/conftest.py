"""A Cassandra of these tests' own, and ways to look into it."""

from itertools import count

import pytest

from regions.clock import now_ms
from regions.stores.cassandra import adapter as cassandra
from regions.stores.cassandra.address import parse_address
from regions.stores.cassandra.session import CassandraSession
from regions.stores.catalog import Catalog


@pytest.fixture(scope="session")
def server(shared_server):
    """A Cassandra that all tests of this folder share; a test that kills it starts it again."""
    return shared_server("cassandra")


@pytest.fixture(scope="session")
def numbers():
    return count(1)


@pytest.fixture
def url(server, numbers):
    """A keyspace that is not there yet."""
    return f"cassandra://{server.address}/fault_{next(numbers)}?datacenter=datacenter1&replication=1"


@pytest.fixture
def session(url):
    """Beside the catalog, to look into its tables; closed at the end."""
    opened = CassandraSession(parse_address(url), None)
    yield opened
    opened.close()


@pytest.fixture
def open_at(url):
    """Opens the catalog with a clock that goes ahead by so much: `open_at(ahead_ms)`."""
    opened = []

    def open_ahead(ahead_ms: int) -> Catalog:
        opened.append(cassandra.open_catalog(url, clock_ms=lambda: now_ms() + ahead_ms))
        return opened[-1]

    yield open_ahead
    for catalog in opened:
        catalog.close()
