"""What the health check of a Cassandra reports about a keyspace that is not as it should be."""

from regions.stores.cassandra import adapter as cassandra
from regions.stores.cassandra import schema
from regions.stores.catalog import Catalog
from regions.stores.health import Level


def problems(catalog: Catalog) -> dict[str, Level]:
    """The checks that did not pass. Fails if one of them has no advice."""
    found = [result for result in catalog.check_health() if result.level is not Level.OK]
    assert all(result.advice for result in found)
    return {result.what: result.level for result in found}


def test_a_health_check_leaves_no_user_behind(open_at, session):
    """It deletes the row that it wrote."""
    catalog = open_at(0)
    assert problems(catalog) == {}
    session.use(session.address.keyspace)
    assert session.execute("SELECT user_id FROM users") == []


def test_a_newer_schema_is_a_warning(open_at, session):
    """The catalog opens all the same, so that a release can be rolled back."""
    open_at(0)
    session.use(session.address.keyspace)
    newer = len(schema.MIGRATIONS) + 1
    session.execute("INSERT INTO schema_versions (one, version) VALUES (0, ?)", newer)
    assert problems(open_at(0)) == {"schema": Level.WARNING}


def test_a_replication_other_than_the_topology_has_is_a_warning(open_at, url):
    """The keyspace has one copy, the topology's URL has three."""
    open_at(0)
    catalog = cassandra.open_catalog(url.replace("replication=1", "replication=3"))
    assert problems(catalog) == {"copies": Level.WARNING}
    catalog.close()


def test_a_missing_table_is_a_failure_and_not_an_exception(open_at, session):
    """As is any statement that Cassandra rejects."""
    catalog = open_at(0)
    session.use(session.address.keyspace)
    session.change_schema("DROP TABLE users")
    assert problems(catalog) == {"write, read, delete": Level.FAILURE}
