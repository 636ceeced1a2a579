"""Feed fan-out: the pure choice, and feeds on real stores."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.background import fanout
from processing.background.fanout import Fanout, ToFollower, ToFollowers, choose
from regions import ids
from regions.events import messages, topics
from regions.ids import Snowflake, compose, to_public
from regions.records import Photo, Status, Tombstone

HERE, ELSEWHERE = 3, 4
_T0_MS = 1_780_000_000_000
REGIONS = st.integers(0, ids.MAX_REGIONS - 1)


def user_of(region: int, sequence: int = 0) -> str:
    return to_public(ids.USER, compose(Snowflake(_T0_MS, region, 0, sequence)))


def test_a_photo_goes_to_the_followers_who_live_here():
    """Whether it is a photo of this region or a reference to one of another region."""
    reference = messages.photo_referenced("p_1", "u_1", 0, 0)
    assert choose(reference, HERE) == ToFollowers("p_1", "u_1")
    assert choose(replace(reference, topic=topics.PHOTO_READY), HERE) == ToFollowers("p_1", "u_1")


def test_a_reference_may_be_for_one_follower():
    """It goes into that feed and is not fanned out to all followers again."""
    reference = messages.photo_referenced("p_1", "u_1", 0, 0, "u_2")
    assert choose(reference, HERE) == ToFollower("u_1", "u_2", "p_1")


@given(REGIONS, REGIONS, REGIONS, st.booleans())
def test_a_new_follow_brings_the_latest_photos_only_if_both_users_live_here(author, follower, here, following):
    """Photos of authors in other regions arrive as references; the end of a follow brings nothing."""
    event = messages.follow_changed(user_of(follower), user_of(author), following, 0)
    chosen = choose(event, here)
    assert (chosen is not None) == (following and author == follower == here)
    assert chosen in (None, ToFollower(user_of(author), user_of(follower)))


@pytest.mark.parametrize("topic", [topics.PHOTO_DELETED, topics.PHOTOS_UPLOADED])
def test_other_events_are_ignored(topic):
    """They are for other consumer groups."""
    assert choose(replace(messages.photo_referenced("p_1", "u_1", 0, 0), topic=topic), HERE) is None


@pytest.fixture
def fan(room):
    return Fanout(room.stores.catalog, room.stores.feeds, HERE)


@pytest.fixture
def follow(room):
    def set_following(follower_id: str, author_id: str, following: bool = True):
        event = messages.follow_changed(follower_id, author_id, following, room.clock_ms)
        room.stores.catalog.follows.change(follower_id, author_id, following, event)
        return event

    return set_following


def ready(room, sequence: int) -> Photo:
    photo = room.uploading(sequence)
    room.change(photo, Status.READY)
    return photo


def feed(room, user_id: str) -> list[str]:
    room.stores.feeds.mark_complete(user_id)
    return room.stores.feeds.page(user_id, None, 100)


def test_a_reference_for_one_follower_goes_only_into_that_feed(room, fan, follow):
    """And only if that user still follows the author."""
    photo, ben, cleo, dan = ready(room, 1), room.user_id(2), room.user_id(3), room.user_id(4)
    for follower_id in (ben, cleo):
        follow(follower_id, photo.owner_id)
    for follower_id in (ben, dan):
        fan.handle(messages.photo_referenced(photo.photo_id, photo.owner_id, 0, 0, follower_id))
    assert [feed(room, user_id) for user_id in (ben, cleo, dan)] == [[photo.photo_id], [], []]


def test_a_ready_photo_goes_into_the_feeds_of_its_owners_followers(room, fan, follow):
    """And into no other feed; once, however often the event is delivered."""
    photo, ben, cleo, dan = ready(room, 1), room.user_id(2), room.user_id(3), room.user_id(4)
    for follower_id in (ben, cleo):
        follow(follower_id, photo.owner_id)
    for _ in range(2):
        fan.handle(messages.photo_ready(photo, room.clock_ms))
    assert [feed(room, user_id) for user_id in (ben, cleo, dan)] == [[photo.photo_id], [photo.photo_id], []]


def test_a_reference_goes_into_the_feeds_of_all_followers(room, fan, follow):
    """The author lives elsewhere; only the id of the photo is known here."""
    author_id, photo_id = room.user_id(1, ELSEWHERE), room.photo_id(1, ELSEWHERE)
    follow(room.user_id(2), author_id)
    fan.handle(messages.photo_referenced(photo_id, author_id, _T0_MS, _T0_MS))
    assert feed(room, room.user_id(2)) == [photo_id]


def test_followers_are_read_in_pages(room, fan, follow, monkeypatch):
    """No follower is left out between two pages."""
    monkeypatch.setattr(fanout, "PAGE", 2)
    photo, followers = ready(room, 1), [room.user_id(sequence) for sequence in range(2, 7)]
    for follower_id in followers:
        follow(follower_id, photo.owner_id)
    fan.handle(messages.photo_ready(photo, room.clock_ms))
    assert all(feed(room, follower_id) == [photo.photo_id] for follower_id in followers)


def test_a_photo_that_is_not_for_everybody_goes_into_no_feed(room, fan, follow):
    """Neither when it becomes ready, nor as one of the latest photos of a new follower, nor by a reference."""
    photo = room.uploading(1, visibility="friends")
    room.change(photo, Status.READY)
    event = follow(room.user_id(2), photo.owner_id)
    fan.handle(event)
    fan.handle(messages.photo_ready(photo, room.clock_ms))
    fan.handle(messages.photo_referenced(photo.photo_id, photo.owner_id, 0, 0, room.user_id(2)))
    assert feed(room, room.user_id(2)) == []


@pytest.mark.parametrize("region", [HERE, ELSEWHERE])
def test_a_deleted_photo_is_not_fanned_out(room, fan, follow, region):
    """The tombstone wins over the event, whichever of them is older."""
    author_id, photo_id = room.user_id(1, region), room.photo_id(1, region)
    follow(room.user_id(2), author_id)
    room.stores.catalog.photos.delete(Tombstone(photo_id, author_id, _T0_MS), None)
    fan.handle(messages.photo_referenced(photo_id, author_id, _T0_MS, _T0_MS))
    assert feed(room, room.user_id(2)) == []


def test_a_new_follower_gets_the_latest_photos(room, fan, follow, monkeypatch):
    """Newest first, and at most `BACKFILL` of them."""
    monkeypatch.setattr(fanout, "BACKFILL", 3)
    photos = [ready(room, sequence) for sequence in range(1, 6)]
    fan.handle(follow(room.user_id(2), photos[0].owner_id))
    assert feed(room, room.user_id(2)) == [photo.photo_id for photo in reversed(photos[2:])]


def test_a_follower_who_unfollowed_meanwhile_gets_nothing(room, fan, follow):
    """The event is older than the unfollow."""
    photo = ready(room, 1)
    event = follow(room.user_id(2), photo.owner_id)
    follow(room.user_id(2), photo.owner_id, following=False)
    fan.handle(event)
    assert feed(room, room.user_id(2)) == []


def test_a_photo_that_was_processed_again_is_not_fanned_out_again():
    """It is in the feeds already, and a backfill of a region would write all of them."""
    photo = Photo("p_1", "u_1", "eu", "eu-west", Status.READY, "", 1, None, 0, recipe=2)
    again = messages.photo_ready_again(photo, 0)
    assert choose(again, HERE) is None
    assert choose(replace(again, topic=topics.PHOTO_READY), HERE) is None
