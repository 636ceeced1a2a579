"""What the health check of a Cassandra finds in a keyspace that is not as it should be."""

from regions.stores.cassandra import adapter as cassandra
from regions.stores.cassandra import schema
from regions.stores.catalog import Catalog
from regions.stores.health import Level


def ill(catalog: Catalog) -> dict[str, Level]:
    """What is not well; each with an advice."""
    found = [finding for finding in catalog.check_health() if finding.level is not Level.OK]
    assert all(finding.advice for finding in found)
    return {finding.what: finding.level for finding in found}


def test_nobody_is_left_among_the_users(open_at, session, url):
    """What was written is deleted."""
    catalog = open_at(0)
    assert ill(catalog) == {}
    session.use(session.address.keyspace)
    assert session.execute("SELECT user_id FROM users") == []


def test_a_schema_of_a_newer_program_will_do_and_is_told(open_at, session):
    """So that a release can be taken back: the older program opens at once."""
    open_at(0)
    session.use(session.address.keyspace)
    newer = len(schema.MIGRATIONS) + 1
    session.execute("INSERT INTO schema_versions (one, version) VALUES (0, ?)", newer)
    assert ill(open_at(0)) == {"schema": Level.WARNING}


def test_other_copies_than_the_topology_says_are_a_warning(open_at, url):
    """One that is not there yet counts as well."""
    open_at(0)
    catalog = cassandra.open_catalog(url.replace("replication=1", "replication=3"))
    assert ill(catalog) == {"copies": Level.WARNING}
    catalog.close()


def test_a_table_that_is_gone_is_a_failure_and_no_exception(open_at, session):
    """Whatever Cassandra refuses."""
    catalog = open_at(0)
    session.use(session.address.keyspace)
    session.change_schema("DROP TABLE users")
    assert ill(catalog) == {"write, read, delete": Level.FAILURE}
