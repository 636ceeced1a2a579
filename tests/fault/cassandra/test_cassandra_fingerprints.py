"""The list of an owner's photos, with their hashes: what it keeps when a process is killed or a photo deleted."""

from dataclasses import replace

import pytest

from regions import ids
from regions.records import Fingerprint, Photo, Status, Tombstone, Upload
from tests.builders import scripts

KILLED = -9

PHOTO = Photo(
    ids.to_public(ids.PHOTO, 1), ids.to_public(ids.USER, 1), "eu", "eu-west", Status.PROCESSING, "", 9, None, 1
)
READY = replace(PHOTO, status=Status.READY, perceptual_hash="aa", near_duplicate_of=ids.to_public(ids.PHOTO, 0))
TOMBSTONE = Tombstone(PHOTO.photo_id, PHOTO.owner_id, 2)

# Lists the photo, and dies before it makes it ready.
DIE_BEFORE_UPDATE = """
import os, signal, sys
from regions.records import Status
from regions.stores.cassandra import adapter as cassandra
from regions.stores.cassandra.session import CassandraSession
from tests.builders.stores import created
from tests.fault.cassandra.test_cassandra_fingerprints import READY

CassandraSession.execute_conditional = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
created(cassandra.catalog(sys.argv[1])).photos.update(READY, {Status.PROCESSING}, None)
"""

pytestmark = pytest.mark.xdist_group("cassandra")


@pytest.fixture
def catalog(open_at):
    """With the photo, which is processed."""
    opened = open_at(0)
    opened.photos.create(PHOTO, Upload(PHOTO.photo_id, "m", "a.jpg", 9, 9, 1))
    return opened


@pytest.fixture
def listed(session, catalog):
    """Reads the ids and hashes that the list has."""
    session.use(session.address.keyspace)
    return lambda: session.execute("SELECT photo_id, phash, near_duplicate_of FROM photos_by_owner")


def die_before_update(url: str) -> None:
    dying = scripts.start(DIE_BEFORE_UPDATE, url)
    dying.communicate(timeout=60)
    assert dying.returncode == KILLED


def test_a_photo_whose_process_died_is_listed_before_it_is_ready(url, catalog, listed):
    """Its owner has no such photo yet, but others are compared with it."""
    die_before_update(url)
    fingerprint = Fingerprint(READY.photo_id, "aa", READY.near_duplicate_of)
    assert listed() == [(READY.photo_id, "aa", READY.near_duplicate_of)]
    assert catalog.photos.fingerprints(READY.owner_id, 9) == [fingerprint]
    assert catalog.photos.by_owner(READY.owner_id, None, 9) == []


def test_a_deletion_removes_what_a_dead_process_listed(url, catalog, listed):
    """The photo never became ready."""
    die_before_update(url)
    assert catalog.photos.delete(TOMBSTONE, None)
    assert listed() == []


def test_what_is_listed_after_the_deletion_is_not_seen(url, catalog, listed):
    """Nor does it come back, although the process that listed it has died and nobody removes it again."""
    assert catalog.photos.delete(TOMBSTONE, None)
    die_before_update(url)
    assert listed() == []


def test_a_deletion_by_a_process_whose_clock_is_behind_removes_the_photo_from_the_list(catalog, open_at, listed):
    """By an hour."""
    assert catalog.photos.update(READY, {Status.PROCESSING}, None)
    assert open_at(-3_600_000).photos.delete(TOMBSTONE, None)
    assert listed() == []


def test_another_regions_photo_is_listed_without_its_hash(catalog, listed):
    """Its tombstone names no owner, so the hash would stay when the photo is deleted."""
    copy = replace(READY, photo_id=ids.to_public(ids.PHOTO, 2), home_region="us-east")
    catalog.photos.put_replica_metadata(copy)
    assert listed() == [(copy.photo_id, None, None)]
    assert catalog.photos.by_owner(copy.owner_id, None, 9) == [copy.summary()]
