"""A Cassandra of these tests' own, and ways to read its tables."""

from contextlib import ExitStack, suppress
from itertools import count

import pytest

from regions.clock import now_ms
from regions.errors import Unavailable
from regions.stores.cassandra import adapter as cassandra
from regions.stores.cassandra.address import parse_address
from regions.stores.cassandra.session import CassandraSession
from regions.stores.catalog import Catalog
from tests.builders.keyspace import Keyspace
from tests.builders.stores import created


@pytest.fixture(scope="package")
def server(running_server):
    """A Cassandra that all tests of this folder share. A test that kills it also starts it again."""
    with running_server("cassandra") as server:
        yield server


@pytest.fixture(scope="package")
def keyspace(server):
    made = Keyspace(server.address)
    yield made
    made.drop()


@pytest.fixture
def url(keyspace, eventually):
    """One keyspace for all tests of this folder, empty for each."""

    def is_empty() -> bool:
        # The test before may have killed the server: it is connected again after some seconds.
        with suppress(Unavailable):
            keyspace.empty()
            return True
        return False

    eventually(is_empty)
    return keyspace.url


@pytest.fixture(scope="session")
def numbers():
    return count(1)


@pytest.fixture
def new_url(server, numbers):
    """A keyspace that does not exist yet. Making its tables takes seconds, so it is for tests that change them."""
    return f"cassandra://{server.address}/fault_{next(numbers)}?datacenter=datacenter1&replication=1"


@pytest.fixture
def session(url):
    """A session beside the catalog, to read its tables."""
    opened = CassandraSession(parse_address(url), None)
    yield opened
    opened.close()


@pytest.fixture
def open_at(url):
    """Opens the catalog with a clock that is ahead by so much: `open_at(ahead_ms)`."""
    with ExitStack() as opened:

        def open_ahead(ahead_ms: int) -> Catalog:
            catalog = created(cassandra.catalog(url, clock_ms=lambda: now_ms() + ahead_ms))
            opened.callback(catalog.close)
            return catalog

        yield open_ahead
