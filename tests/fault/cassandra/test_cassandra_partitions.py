"""The Cassandra catalog at the borders of its partitions, and what its tables contain."""

from dataclasses import replace

import pytest
from cassandra.timestamps import MonotonicTimestampGenerator

from regions import ids
from regions.clock import now_ms
from regions.errors import Unavailable
from regions.events.messages import follow_changed, photos_uploaded, record_changed
from regions.records import Comment, Photo, Status, Tombstone, Upload, User
from regions.stores.cassandra.session import CassandraSession
from tests.builders.uploads import expired_uploads

DAY_MS, YEAR_MS = 86_400_000, 366 * 86_400_000
MUCH_LATER_MS = 1_200_000

pytestmark = pytest.mark.xdist_group("cassandra")


def test_lists_continue_from_one_year_to_the_year_before(open_at):
    """In pages, newest first, across a year in which no id was made."""
    catalog, photo_id = open_at(4 * YEAR_MS), ids.to_public(ids.PHOTO, 1)
    made_ms = [ids.EPOCH_MS + year * YEAR_MS + day * DAY_MS for year in (0, 1, 3) for day in (1, 2)]
    numbers = [ids.compose(ids.Snowflake(at_ms, 1, 1, 1)) for at_ms in made_ms]
    user_ids = [ids.to_public(ids.USER, number) for number in numbers]
    for user_id in user_ids:
        catalog.likes.add(photo_id, user_id, 1)
    pages, before = [], None
    while page := catalog.likes.page(photo_id, before, 3):
        pages += page
        before = page[-1]
    assert pages == user_ids[::-1]
    assert catalog.photos.delete(Tombstone(photo_id, user_ids[0], 1), None)
    assert catalog.likes.page(photo_id, None, 9) == []


def cut_off_conditional_writes(monkeypatch, is_done: bool) -> None:
    """Their response never comes, whether or not they took effect."""
    execute_conditional = CassandraSession.execute_conditional

    def cut_off(session, *calls):
        if is_done:
            execute_conditional(session, *calls)
        raise Unavailable("the connection was closed")

    monkeypatch.setattr(CassandraSession, "execute_conditional", cut_off)


@pytest.mark.parametrize("is_done", [True, False])
def test_a_change_that_was_cut_off_has_an_event_only_if_it_took_effect(open_at, monkeypatch, is_done):
    """The driver does not know whether it did; a serial read of the photo shows it."""
    catalog = open_at(0)
    photo = Photo(ids.to_public(ids.PHOTO, 1), "u", "eu", "eu-west", Status.UPLOADING, "", 9, None, 1)
    catalog.photos.put_replica_metadata(photo)
    cut_off_conditional_writes(monkeypatch, is_done)
    ready, event = replace(photo, status=Status.READY), photos_uploaded(photo, 1)
    if is_done:
        assert catalog.photos.update(ready, {Status.UPLOADING}, event)
    else:
        with pytest.raises(Unavailable):
            catalog.photos.update(ready, {Status.UPLOADING}, event)
    assert catalog.photos.get(photo.photo_id) == (ready if is_done else photo)
    assert catalog.outbox.pending(9) == ([event] if is_done else [])


@pytest.mark.parametrize("is_done", [True, False])
def test_a_change_of_an_account_that_was_cut_off_has_an_event_after_20_seconds(open_at, monkeypatch, is_done):
    """Whether it took effect or not, nobody knows. Not earlier: until then it may still take effect."""
    ana = User(ids.to_public(ids.USER, 1), "Ana", "PT", "eu", "eu-west", 7)
    catalog = open_at(0)
    catalog.users.add(ana)
    cut_off_conditional_writes(monkeypatch, is_done)
    event = record_changed("user", ana.user_id, "", ana.user_id, "", now_ms())
    with pytest.raises(Unavailable):
        catalog.users.rename(ana.user_id, "Anna", event)
    assert catalog.users.get(ana.user_id).name == ("Anna" if is_done else "Ana")
    assert [open_at(ahead_ms).outbox.pending(9) for ahead_ms in (0, 15_000, 21_000)] == [[], [], [event]]
    later = open_at(21_000)
    later.outbox.remove([event])
    assert later.outbox.pending(9) == []


def test_a_published_event_is_deleted_although_our_clock_is_behind(open_at, session, monkeypatch):
    """The event was written with the server's time, and a delete with an older time would have no effect."""
    behind_ms = 60_000
    monkeypatch.setattr(
        MonotonicTimestampGenerator, "_next_timestamp", lambda driver, now, last: now - 1000 * behind_ms
    )
    catalog = open_at(-behind_ms)
    photo = Photo(ids.to_public(ids.PHOTO, 1), "u", "eu", "eu-west", Status.UPLOADING, "", 9, None, 1)
    catalog.photos.put_replica_metadata(photo)
    event = photos_uploaded(photo, 1)
    assert catalog.photos.update(replace(photo, status=Status.PROCESSING), {Status.UPLOADING}, event)
    catalog.outbox.remove([event])
    session.use(session.address.keyspace)
    assert session.execute("SELECT event FROM photos") == [(None,)]


def test_likes_and_comments_after_a_tombstone_are_not_in_the_tables(open_at, session):
    """They are not only hidden from readers: they are erased."""
    catalog, photo_id, user_id = open_at(0), ids.to_public(ids.PHOTO, 1), ids.to_public(ids.USER, 1)
    for number in (1, 2):
        catalog.likes.add(photo_id, user_id, 1)
        catalog.comments.add(Comment(ids.to_public(ids.COMMENT, number), photo_id, user_id, "nice", 1))
        catalog.photos.delete(Tombstone(photo_id, user_id, 1), None)
    session.use(session.address.keyspace)
    assert session.execute("SELECT user_id FROM likes") == session.execute("SELECT comment_id FROM comments") == []


def test_a_minute_without_intents_is_closed(open_at, session):
    """But not at once, since another process's clock may be behind. A minute with an intent stays open."""
    catalog, ana, bob = open_at(0), ids.to_public(ids.USER, 1), ids.to_public(ids.USER, 2)
    event = follow_changed(ana, bob, True, 1)
    catalog.follows.change(ana, bob, True, event)
    session.use(session.address.keyspace)
    minutes = session.execute("SELECT minute FROM outbox_minutes")
    assert open_at(MUCH_LATER_MS).outbox.pending(9) == [event]
    catalog.outbox.remove([event])
    assert catalog.outbox.pending(9) == []
    assert session.execute("SELECT minute FROM outbox_minutes") == minutes
    assert open_at(MUCH_LATER_MS).outbox.pending(9) == []
    assert session.execute("SELECT minute FROM outbox_minutes") == []


def test_an_upload_of_a_version_before_shards_expires(open_at, session):
    """Its entry lies in a bucket of ten minutes, and is removed when its photo has gone for an hour."""
    catalog, photo_id = open_at(0), ids.to_public(ids.PHOTO, 1)
    photo = Photo(photo_id, "u", "eu", "eu-west", Status.UPLOADING, "", 9, None, 1)
    catalog.photos.create(photo, Upload(photo_id, "m", "a.jpg", 9, 5, DAY_MS))
    session.use(session.address.keyspace)
    (moved,) = session.execute("SELECT photo_id FROM upload_expiries")
    session.execute("INSERT INTO expiries (bucket, expires_at_ms, photo_id) VALUES (?, ?, ?)", 144, DAY_MS, *moved)
    session.execute("INSERT INTO expiry_buckets (one, bucket) VALUES (0, 144)")
    _forget_new_entry(session)
    assert [upload.photo_id for upload in expired_uploads(catalog, 2 * DAY_MS)] == [photo_id]
    assert catalog.uploads.discard(photo_id)
    assert expired_uploads(catalog, 2 * DAY_MS) == expired_uploads(catalog, 2 * DAY_MS) == []
    assert session.execute("SELECT * FROM expiries") == session.execute("SELECT * FROM expiry_buckets") == []


def test_nothing_is_left_of_an_upload_that_was_discarded(open_at, session):
    """So that who looks for expired ones does not read it again."""
    catalog, photo_id = open_at(0), ids.to_public(ids.PHOTO, 1)
    photo = Photo(photo_id, "u", "eu", "eu-west", Status.UPLOADING, "", 9, None, 1)
    catalog.photos.create(photo, Upload(photo_id, "m", "a.jpg", 9, 5, DAY_MS))
    session.use(session.address.keyspace)
    assert len(session.execute("SELECT * FROM upload_expiries")) == 1
    assert catalog.uploads.discard(photo_id)
    assert session.execute("SELECT * FROM upload_expiries") == []
    assert expired_uploads(catalog, 2 * DAY_MS) == []
    assert session.execute("SELECT * FROM upload_expiry_minutes") == []


def _forget_new_entry(session: CassandraSession) -> None:
    ((shard, minute),) = session.execute("SELECT DISTINCT shard, minute FROM upload_expiries")
    session.execute("DELETE FROM upload_expiries WHERE shard = ? AND minute = ?", shard, minute)
