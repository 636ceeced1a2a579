"""Migrations of a keyspace that has rows, with a program of the version before still running."""

from contextlib import closing
from dataclasses import replace

import pytest

from regions import ids
from regions.clock import now_ms
from regions.records import Comment, Fingerprint, Photo, Replica, Status
from regions.stores.cassandra import schema
from regions.stores.cassandra.address import parse_address
from regions.stores.cassandra.partitions import partition_year
from regions.stores.cassandra.session import CassandraSession
from tests.builders import scripts
from tests.builders.stores import STAMP
from tests.builders.uploads import expired_uploads

KILLED = -9

pytestmark = pytest.mark.xdist_group("cassandra")

PHOTO = Photo("p_00000000001", "u_00000000001", "eu", "eu-west", Status.READY, "At sea", 1, None, 1_800_000_000_000)
OTHER = replace(PHOTO, photo_id="p_00000000002")

# As a program of migration 1 has them.
_COLUMNS = (
    "status, owner_id, residency_class, home_region, caption, size_bytes, sha256, created_at, content_type, width,"
    " height, taken_at, camera, phash, variants, reason"
)
_CREATE = f"UPDATE photos SET {', '.join(f'{name} = ?' for name in _COLUMNS.split(', '))} WHERE photo_id = ?"
_LIST = "INSERT INTO photos_by_owner (owner_id, year, photo_id) VALUES (?, ?, ?)"
_UNLIST = "DELETE FROM photos_by_owner WHERE owner_id = ? AND year = ? AND photo_id = ?"


COMMON = """
import os, signal, sys
from itertools import count
from regions.stores.cassandra import schema
from regions.stores.cassandra.session import CassandraSession
from regions.stores.cassandra import adapter as cassandra
from tests.builders.stores import created
"""

OPEN = COMMON + "created(cassandra.catalog(sys.argv[1])).close()"

# Opens the catalog and dies while it creates the sixth table.
DIE_IN_MIGRATION = (
    COMMON
    + """
change_schema, tables = CassandraSession.change_schema, count()
schema._LOCK_S = 3

def change(session, statement):
    if next(tables) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    change_schema(session, statement)

CassandraSession.change_schema = change
created(cassandra.catalog(sys.argv[1]))
"""
)


class OldProgram:
    """What a program of migration 1 sends: it names its columns, and prepares each statement once."""

    def __init__(self, session):
        self._session = session

    def put(self, photo: Photo) -> None:
        values = [photo.status, photo.owner_id, photo.residency_class, photo.home_region, photo.caption]
        values += [photo.size_bytes, photo.sha256, photo.created_at_ms, *[None] * 8]
        assert self._session.execute_conditional((f"{_CREATE} IF deleted_at = null", *values, photo.photo_id))
        self._session.execute(_LIST, photo.owner_id, partition_year(photo.photo_id), photo.photo_id)

    def delete(self, photo: Photo) -> None:
        delete = "UPDATE photos SET status = 'deleted', deleted_at = 1 WHERE photo_id = ? IF deleted_at = null"
        assert self._session.execute_conditional((delete, photo.photo_id))
        self._session.execute(_UNLIST, photo.owner_id, partition_year(photo.photo_id), photo.photo_id)

    def put_replica(self, photo: Photo) -> None:
        put = "UPDATE photos SET replicas[?] = ? WHERE photo_id = ? IF deleted_at = null"
        values = "us-central", (True, True, "policy.yaml:1", "v1", 5), photo.photo_id
        assert self._session.execute_conditional((put, *values))

    def caption(self, photo_id: str) -> str:
        query = f"SELECT DISTINCT photo_id, {_COLUMNS} FROM photos WHERE photo_id = ?"
        [(_, _, _, _, _, caption, *_)] = self._session.execute(query, photo_id)
        return caption


@pytest.fixture
def url(new_url):
    return new_url


@pytest.fixture
def old(session, monkeypatch):
    """A program that was started when the schema had one migration. The test then opens the catalog of this version."""
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        schema.create(session, STAMP)
        assert schema.versions(session) == {1}
    return OldProgram(session)


def test_a_photo_from_before_visibilities_is_for_everybody(old, open_at):
    """As is one that a program without them writes later, beside a newer one."""
    old.put(PHOTO)
    new = open_at(0)
    old.put(OTHER)
    assert new.photos.get(PHOTO.photo_id) == PHOTO and new.photos.get(OTHER.photo_id) == OTHER
    assert new.photos.by_owner(PHOTO.owner_id, None, 9) == [OTHER.summary(), PHOTO.summary()]


def test_a_user_may_have_several_credentials(old, session, open_at):
    """A keyspace from before has no room for them."""
    open_at(0)
    insert = "INSERT INTO credentials (user_id, credential_id, kind, verifier, created_at) VALUES (?, ?, ?, ?, ?)"
    for credential_id, kind in (("1", "passkey"), ("2", "password")):
        session.execute(insert, PHOTO.owner_id, credential_id, kind, "a public key or a hash", 1)
    found = session.execute("SELECT credential_id, kind FROM credentials WHERE user_id = ?", PHOTO.owner_id)
    assert found == [("1", "passkey"), ("2", "password")]


def test_a_program_without_visibilities_keeps_them(old, session, open_at):
    """It reads and changes the photo beside a newer program, and the photo stays hidden."""
    old.put(PHOTO)
    new = open_at(0)
    assert schema.versions(session) == set(range(1, len(schema.MIGRATIONS) + 1))
    assert new.photos.update(replace(PHOTO, visibility="friends"), {Status.READY}, None)
    assert old.caption(PHOTO.photo_id) == "At sea"
    old.put(replace(PHOTO, caption="At night"))
    assert new.photos.get(PHOTO.photo_id) == replace(PHOTO, caption="At night", visibility="friends")
    assert new.photos.by_owner(PHOTO.owner_id, None, 9) == []


def test_a_photo_listed_without_its_hash_is_not_compared(old, open_at):
    """Until it is processed again. An older program, which lists the photo once more, leaves the hash where it is."""
    old.put(PHOTO)
    new = open_at(0)
    assert new.photos.fingerprints(PHOTO.owner_id, 9) == []
    assert new.photos.update(replace(PHOTO, perceptual_hash="aa"), {Status.READY}, None)
    old.put(PHOTO)
    old.put(OTHER)
    assert new.photos.fingerprints(PHOTO.owner_id, 9) == [Fingerprint(PHOTO.photo_id, "aa")]


def test_no_hash_is_left_of_a_photo_that_an_older_program_deletes(old, session, open_at):
    """While a newer one processes it."""
    old.put(replace(PHOTO, status=Status.PROCESSING))
    new = open_at(0)
    old.delete(PHOTO)
    assert not new.photos.update(replace(PHOTO, perceptual_hash="aa"), {Status.PROCESSING}, None)
    assert session.execute("SELECT * FROM photos_by_owner") == []


def test_a_replica_of_an_older_program_lacks_nothing(old, url, open_at):
    """Also one that it writes later, whether it was started before the migration or afterwards."""
    old.put(PHOTO)
    old.put_replica(PHOTO)
    new, expected = open_at(0), Replica(PHOTO.photo_id, "us-central", True, True, "policy.yaml:1", "v1", 5)
    assert new.replicas.of_photo(PHOTO.photo_id) == [expected]
    old.put_replica(PHOTO)
    with closing(CassandraSession(parse_address(url), None)) as session:
        session.use(session.address.keyspace)
        OldProgram(session).put_replica(PHOTO)
    assert new.replicas.of_photo(PHOTO.photo_id) == [expected]
    new.replicas.put(replace(expected, missing=2))
    assert new.replicas.of_photo(PHOTO.photo_id) == [replace(expected, missing=2)]


def versions(session: CassandraSession) -> list[int]:
    session.use(session.address.keyspace)
    return [version for (version,) in session.execute("SELECT version FROM schema_versions WHERE one = 0")]


def test_a_comment_of_an_older_program_has_no_class(session, open_at):
    """It did not say whose rules decide about it."""
    catalog = open_at(0)
    comment = Comment("c_00000000003", PHOTO.photo_id, PHOTO.owner_id, "Lovely", 1)
    session.use(session.address.keyspace)
    insert = "INSERT INTO comments (photo_id, year, comment_id, author_id, text, created_at) VALUES (?, ?, ?, ?, ?, ?)"
    key = comment.photo_id, partition_year(comment.comment_id), comment.comment_id
    session.execute(insert, *key, comment.author_id, comment.text, comment.created_at_ms)
    assert catalog.comments.page(PHOTO.photo_id, None, 9) == [comment]


def test_two_processes_may_migrate_at_the_same_time(url, session, open_at):
    """Both open the catalog; every version is recorded once, and the tables can be used."""
    processes = [scripts.start(OPEN, url) for _ in range(2)]
    printed = [process.communicate(timeout=180) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], printed
    assert versions(session) == list(range(1, len(schema.MIGRATIONS) + 1))
    assert open_at(0).photos.by_owner(ids.to_public(ids.USER, 1), None, 9) == []


def test_a_migration_that_was_cut_off_is_completed_by_the_next_process(url, session, open_at):
    """As soon as the lock of the dead process has expired."""
    dying = scripts.start(DIE_IN_MIGRATION, url)
    dying.communicate(timeout=180)
    assert dying.returncode == KILLED
    catalog = open_at(0)
    assert expired_uploads(catalog, now_ms()) == []
    assert versions(session) == list(range(1, len(schema.MIGRATIONS) + 1))
