"""What is left of a deleted account is erased, also what becomes visible later, and nobody else's."""

import pytest

from processing.background.erasure import Erasure
from regions.account_records import Credential
from regions.border.kinds import RecordChange, RecordName, change_of
from regions.events import messages
from regions.events.outbox import OutboxPublisher
from regions.events.topics import PHOTO_DELETED, RECORD_CHANGED
from regions.photo_deletion import PhotoDeletion
from regions.records import Comment, Status, User

HOUR_MS = 3600 * 1000


@pytest.fixture
def erasure(room):
    stores, clock_ms = room.stores, lambda: room.clock_ms
    outbox = OutboxPublisher(stores.catalog, stores.events, clock_ms)
    return Erasure(stores.catalog, PhotoDeletion(stores.catalog, stores.objects, outbox, clock_ms), outbox, clock_ms)


def ready(room, sequence, owner):
    photo = room.uploading(sequence, owner_id=room.user_id(owner))
    room.change(photo, Status.READY)
    return photo


def delete_account(room, owner=1):
    room.stores.catalog.erasures.add(room.user_id(owner), room.clock_ms)


def test_photos_likes_comments_and_follows_are_erased(room, erasure):
    """Those of others stay, on the same photos."""
    catalog, ana, eva = room.stores.catalog, room.user_id(1), room.user_id(2)
    own, other = ready(room, 1, 1), ready(room, 2, 2)
    for user_id in (ana, eva):
        catalog.likes.add(other.photo_id, user_id, 1)
        catalog.comments.add(Comment(f"c_{user_id[2:]}", other.photo_id, user_id, "Lovely", 1))
    catalog.follows.change(ana, eva, True, messages.follow_changed(ana, eva, True, 1))
    delete_account(room)
    assert erasure.run_once() == 4
    assert catalog.photos.get(own.photo_id) is None and catalog.tombstones.get(own.photo_id).owner_id == ana
    assert catalog.photos.get(other.photo_id) is not None
    assert catalog.likes.page(other.photo_id, None, 9) == [eva]
    assert [one.author_id for one in catalog.comments.page(other.photo_id, None, 9)] == [eva]
    assert catalog.follows.authors(ana, None, 9) == []
    published = [one.event for one in room.stores.events.consumer(PHOTO_DELETED, "test", "test").poll(10, 0)]
    assert [event.key for event in published] == [own.photo_id]


def test_what_is_erased_has_an_event_for_the_lanes(room, erasure):
    """So that it goes from the second region too: the account, and what the person liked and wrote here."""
    catalog, ana, other = room.stores.catalog, room.user_id(1), ready(room, 2, 2).photo_id
    catalog.users.add(User(ana, "Ana", "PT", "eu", "eu-west", 1))
    catalog.likes.add(other, ana, 1)
    catalog.comments.add(Comment("c_00000000001", other, ana, "Lovely", 1))
    catalog.follows.change(ana, room.user_id(2), True)
    delete_account(room)
    erasure.run_once()
    published = [one.event for one in room.stores.events.consumer(RECORD_CHANGED, "test", "test").poll(10, 0)]
    assert {change_of(event) for event in published} == {
        RecordChange(RecordName("user", ana), ana, ""),
        RecordChange(RecordName("follow", ana, room.user_id(2)), ana, ""),
        RecordChange(RecordName("like", other, ana), ana, ""),
        RecordChange(RecordName("comment", other, "c_00000000001"), ana, ""),
    }
    assert catalog.outbox.pending(9) == []


def test_a_photo_that_becomes_ready_later_is_erased_too(room, erasure):
    """It was being processed when the account was deleted. After a day the account is settled."""
    photo = room.uploading()
    room.change(photo, Status.PROCESSING)
    delete_account(room)
    assert erasure.run_once() == 0
    room.change(photo, Status.READY)
    room.clock_ms += HOUR_MS
    assert erasure.run_once() == 1
    assert room.stores.catalog.photos.get(photo.photo_id) is None
    assert len(room.stores.catalog.erasures.pending(None, 9)) == 1
    room.clock_ms += 25 * HOUR_MS
    assert erasure.run_once() == 0
    assert room.stores.catalog.erasures.pending(None, 9) == []


def test_an_account_whose_closing_was_broken_off_is_closed(room, erasure):
    """By a crash after the first step: name, credentials and all."""
    catalog, ana = room.stores.catalog, room.user_id(1)
    catalog.users.add(User(ana, "Ana", "PT", "eu", "eu-west", 7, "ana"))
    catalog.credentials.replace(ana, [], [Credential("passphrase", "passphrase", "a hash", 7)])
    delete_account(room)
    erasure.run_once()
    assert (catalog.users.get(ana).name, catalog.credentials.of_user(ana)) == ("", [])


def test_many_accounts_are_erased(room, erasure):
    """None waits for another that is not settled."""
    for number in range(1, 121):
        delete_account(room, number)
    photo = ready(room, 1, 120)
    erasure.run_once()
    assert room.stores.catalog.photos.get(photo.photo_id) is None


def test_more_than_a_page_is_erased_over_the_rounds(room, erasure):
    catalog, ana, other = room.stores.catalog, room.user_id(1), room.user_id(2)
    for number in range(1, 131):
        author = room.user_id(1000 + number)
        catalog.follows.change(ana, author, True, messages.follow_changed(ana, author, True, 1))
    delete_account(room)
    assert [erasure.run_once() for _ in range(3)] == [100, 30, 0]
    assert catalog.follows.authors(ana, None, 9) == catalog.follows.authors(other, None, 9) == []
