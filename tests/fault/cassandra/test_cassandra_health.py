"""What the health check of a Cassandra reports about a keyspace that is not as it should be, and newer schemas."""

from dataclasses import replace
from datetime import datetime

import pytest

from regions.records import Photo, Status, User, Variant
from regions.stores.cassandra import adapter as cassandra
from regions.stores.cassandra import schema
from regions.stores.catalog import Catalog
from regions.stores.health import Level
from tests.builders.stores import created

pytestmark = pytest.mark.xdist_group("cassandra")


@pytest.fixture
def url(new_url):
    return new_url


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
    catalog = created(cassandra.catalog(url.replace("replication=1", "replication=3")))
    assert problems(catalog) == {"copies": Level.WARNING}
    catalog.close()


def test_a_missing_table_is_a_failure_and_not_an_exception(open_at, session):
    """As is any statement that Cassandra rejects."""
    catalog = open_at(0)
    session.use(session.address.keyspace)
    session.change_schema("DROP TABLE users")
    assert problems(catalog) == {"write, read, delete": Level.FAILURE}


def test_a_newer_schema_may_add_columns(open_at, session, monkeypatch):
    """The older program goes on reading and writing beside the newer one, and leaves what it does not know in place."""
    old = open_at(0)
    ana = User("u_00000000001", "Ana", "PT", "eu", "eu-west", 1)
    old.users.add(ana)
    added = (("ADD users", "colour text"), ("ADD photos", "colour text static"))
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, added))
    new = open_at(0)
    session.use(session.address.keyspace)
    session.execute("UPDATE users SET colour = 'blue' WHERE user_id = ?", ana.user_id)
    old.users.add(ana)
    assert old.users.get(ana.user_id) == new.users.get(ana.user_id) == ana
    assert session.execute("SELECT name, colour FROM users") == [("Ana", "blue")]
    photo = Photo("p_00000000001", ana.user_id, "eu", "eu-west", Status.READY, "At sea", 1, None, 1)
    new.photos.put_replica_metadata(photo)
    session.execute("UPDATE photos SET colour = 'blue' WHERE photo_id = ?", photo.photo_id)
    assert old.photos.update(replace(photo, caption="At night"), {Status.READY}, None)
    assert session.execute("SELECT DISTINCT photo_id, caption, colour FROM photos") == [
        (photo.photo_id, "At night", "blue")
    ]
    monkeypatch.undo()
    assert problems(old) == {"schema": Level.WARNING}


def test_an_operator_can_read_a_photo_in_cqlsh(open_at, session):
    """Each field is a column of its own type."""
    variant = Variant(640, 640, 480, 1000, "ab" * 32, 2, "avif")
    photo = Photo(
        "p_00000000001", "u_00000000001", "eu", "eu-west", Status.READY, "At sea", 1, "cd" * 32, 1_800_000_000_123,
        width=4000, height=3000, variants=(variant,),
    )  # fmt: skip
    open_at(0).photos.put_replica_metadata(photo)
    session.use(session.address.keyspace)
    ((caption, width, created_at, variants),) = session.execute(
        "SELECT caption, width, created_at, variants FROM photos"
    )
    assert (caption, width, created_at) == ("At sea", 4000, datetime(2027, 1, 15, 8, 0, 0, 123_000))
    assert (variants[0].size_bytes, variants[0].recipe, variants[0].format) == (1000, 2, "avif")
