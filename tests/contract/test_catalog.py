"""What every catalog does. Tombstones, and races with the outbox, have files of their own."""

from dataclasses import fields, replace

import pytest

from regions.clock import now_ms
from regions.errors import BadRequest
from regions.events.messages import follow_changed
from regions.records import AuditEntry, Comment, Fingerprint, Location, Reason, Replica, Status, User, Variant
from regions.stores.catalog import UPLOAD_SHARDS
from tests.builders.samples import all_followers, all_pages
from tests.builders.uploads import expired_uploads

CURSORS = ["", "p_", "nonsense", "~~~~", "\x00", "' OR 1=1 --", "ü" * 64, "\ud800", "p_00000000000\n"]
HOSTILE_TEXT = "'; DROP TABLE photos; -- \x00 \u202e ü 🙂"
HOSTILE_ID = f"{HOSTILE_TEXT} \ud800"
"""Ids come from clients, and may be any text, even half a surrogate pair."""


def user(user_id: str, name: str = "Ana") -> User:
    return User(user_id, name, "PT", "eu", "eu-west", 7)


def comment(sample, number: int, photo_id: str, text: str = "nice") -> Comment:
    return Comment(sample.comment_id(number), photo_id, sample.user_id(2), text, 100 + number)


def replica(photo_id: str, region: str, at_ms: int = 1) -> Replica:
    return Replica(photo_id, region, raw=False, variants=True, rule="policy.yaml:24", policy_version="3", at_ms=at_ms)


def entry(photo_id: str, number: int) -> AuditEntry:
    return AuditEntry(photo_id, "rest_raw", "us-east", False, "policy.yaml:12", "3", number)


def test_a_user_is_stored_unchanged(catalog, sample):
    """Whatever text the name contains."""
    ana = user(sample.user_id(1), HOSTILE_TEXT)
    catalog.users.add(ana)
    assert catalog.users.get(ana.user_id) == ana


def test_an_unknown_user_is_none(catalog, sample):
    """Not an error."""
    assert catalog.users.get(sample.user_id(1)) is None


def test_every_field_of_a_photo_comes_back(catalog, sample):
    """Also the optional and the nested ones."""
    photo = replace(
        sample.photo(1),
        caption=HOSTILE_TEXT,
        taken_at="2026-02-03T04:05:06",
        camera="Test",
        perceptual_hash="ff00",
        variants=(Variant(150, 150, 112, 4096, "a" * 64), Variant(320, 320, 240, 9999, "b" * 64, 2, "avif")),
        reason=Reason("unreadable", "not an image"),
        recipe=2,
        visibility="friends",
        location=Location(38.72, -9.133333, 12.5),
        placeholder="1QcSHQRnh493V4dIh4eXh1h4kJUI",
        worker_deaths=1,
        near_duplicate_of=sample.photo_id(2),
    )
    sample.create(photo)
    assert catalog.photos.get(photo.photo_id) == photo


def test_a_location_needs_no_altitude(catalog, sample):
    """Nor does it lie at sea level then."""
    photo = replace(sample.photo(1), location=Location(-33.9, 18.4))
    sample.create(photo)
    assert catalog.photos.get(photo.photo_id).location == Location(-33.9, 18.4, None)


def test_a_photo_is_created_with_its_upload(catalog, sample):
    """Both are in the catalog afterwards."""
    photo = sample.photo(1)
    upload = sample.create(photo)
    assert (catalog.photos.get(photo.photo_id), catalog.uploads.get(photo.photo_id)) == (photo, upload)


def test_creating_a_photo_twice_changes_nothing(catalog, sample):
    """A repeated call does not reset the status of a photo."""
    photo = sample.create_ready(1)
    sample.create(replace(photo, status=Status.UPLOADING))
    assert catalog.photos.get(photo.photo_id) == photo


def test_the_upload_is_kept_when_the_photo_is_ready(catalog, sample):
    """It is the record of how the photo arrived."""
    photo = sample.create_ready(1)
    assert catalog.uploads.get(photo.photo_id).photo_id == photo.photo_id


def test_discarding_removes_photo_and_upload(catalog, sample):
    """While the photo is still uploading."""
    photo = sample.photo(1)
    sample.create(photo)
    assert catalog.uploads.discard(photo.photo_id) is True
    assert catalog.photos.get(photo.photo_id) is None
    assert catalog.uploads.get(photo.photo_id) is None
    assert catalog.uploads.discard(photo.photo_id) is False


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.UPLOADING])
def test_discarding_does_nothing_to_a_photo_in_another_status(catalog, sample, status):
    """In any status but `uploading`."""
    photo = sample.photo(1)
    sample.create(photo)
    catalog.photos.update(replace(photo, status=status), {Status.UPLOADING}, None)
    assert catalog.uploads.discard(photo.photo_id) is False
    assert catalog.photos.get(photo.photo_id).status is status
    assert catalog.uploads.get(photo.photo_id) is not None


def test_a_discarded_photo_can_not_be_completed(catalog, sample):
    """A request that completes it too late changes nothing and writes no event."""
    photo = sample.photo(1)
    sample.create(photo)
    catalog.uploads.discard(photo.photo_id)
    assert not catalog.photos.update(replace(photo, status=Status.PROCESSING), {Status.UPLOADING}, sample.event(photo))
    assert catalog.outbox.pending(10) == []


def test_expired_uploads_come_oldest_first(catalog, sample):
    """Those that expired before the given time, but not the one that expires exactly then."""
    for number, expires_at_ms in enumerate([3000, 1000, 4000, 2000]):
        sample.create(sample.photo(number), expires_at_ms)
    for shard in range(UPLOAD_SHARDS):
        found = [upload.expires_at_ms for upload in catalog.uploads.expired(4000, 10, shard)]
        assert found == sorted(found)
        assert [upload.expires_at_ms for upload in catalog.uploads.expired(4000, 1, shard)] == found[:1]
    assert [upload.expires_at_ms for upload in expired_uploads(catalog, 4000)] == [1000, 2000, 3000]


def test_a_completed_upload_does_not_expire(catalog, sample):
    """Nor does one whose photo was discarded or deleted."""
    photos = [sample.photo(number) for number in range(3)]
    for photo in photos:
        sample.create(photo, 1000)
    catalog.photos.update(replace(photos[0], status=Status.PROCESSING), {Status.UPLOADING}, None)
    catalog.uploads.discard(photos[1].photo_id)
    catalog.photos.delete(sample.tombstone(photos[2]), None)
    assert expired_uploads(catalog, 9999) == []


def test_the_summaries_of_several_photos_are_those_that_exist(catalog, sample):
    """By id. Unknown, deleted and malformed ids are left out."""
    present, deleted = sample.create_ready(1), sample.create_ready(2)
    catalog.photos.delete(sample.tombstone(deleted), None)
    requested = [present.photo_id, deleted.photo_id, sample.photo_id(3), HOSTILE_ID]
    assert catalog.photos.summaries(requested) == {present.photo_id: present.summary()}
    assert catalog.photos.summaries([]) == {}


def test_every_field_of_a_summary_comes_back(catalog, sample):
    """Whether photos are read by their ids or listed by their owner."""
    photo = replace(sample.create_ready(1), caption=HOSTILE_TEXT, width=4000, height=3000, recipe=2, placeholder="x")
    hidden = replace(photo, visibility="friends")
    summary = hidden.summary()
    assert all(getattr(summary, field.name) != field.default for field in fields(summary)), "set every field above"
    catalog.photos.put_replica_metadata(hidden)
    assert catalog.photos.summaries([photo.photo_id]) == {photo.photo_id: summary}
    catalog.photos.put_replica_metadata(photo)
    assert catalog.photos.by_owner(photo.owner_id, None, 10) == [photo.summary()]


def test_summaries_are_read_for_many_ids(catalog, sample):
    """More than SQLite takes as parameters of one statement."""
    photo = sample.create_ready(1)
    requested = [sample.photo_id(number) for number in range(2000)]
    assert catalog.photos.summaries(requested) == {photo.photo_id: photo.summary()}


def test_an_owner_has_their_ready_photos_newest_first(catalog, sample):
    """Without the photos of other owners, and those in another status."""
    numbers = [2, 1, 3]
    ready = {number: sample.create_ready(number).summary() for number in numbers}
    sample.create(sample.photo(4))
    sample.create_ready(5, owner=9)
    assert catalog.photos.by_owner(sample.user_id(1), None, 10) == [ready[3], ready[2], ready[1]]


def test_a_photo_that_is_not_for_everybody_is_not_among_its_owners_photos(catalog, sample):
    """But it can be found by its id, until it is public again. Pages are filled with others."""
    photos = [sample.create_ready(number) for number in range(4)]
    hidden = replace(photos[2], visibility="friends")
    assert catalog.photos.update(hidden, {Status.READY}, None)
    listed = [photo.summary() for photo in photos]
    assert catalog.photos.by_owner(sample.user_id(1), None, 2) == [listed[3], listed[1]]
    assert catalog.photos.get(hidden.photo_id) == hidden
    assert catalog.photos.summaries([hidden.photo_id]) == {hidden.photo_id: hidden.summary()}
    catalog.photos.put_replica_metadata(photos[2])
    assert catalog.photos.by_owner(sample.user_id(1), None, 9) == listed[::-1]
    catalog.photos.put_replica_metadata(hidden)
    assert catalog.photos.by_owner(sample.user_id(1), None, 9) == [listed[3], listed[1], listed[0]]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_an_owners_photos_are_paged_without_gap_or_repetition(catalog, sample, limit):
    """Each page starts after the last id of the one before."""
    expected = [sample.create_ready(number).photo_id for number in range(5)][::-1]
    owner_id = sample.user_id(1)
    found = all_pages(lambda before: [photo.photo_id for photo in catalog.photos.by_owner(owner_id, before, limit)])
    assert found == expected


def test_an_owners_fingerprints_are_those_of_the_newest_ready_photos(catalog, sample):
    """Newest first, without those that have no perceptual hash, and also of photos that others may not see."""
    ready = [sample.create_ready(number) for number in range(5)]
    hashed = {
        1: {"perceptual_hash": "aa"},
        3: {"perceptual_hash": "bb", "near_duplicate_of": ready[1].photo_id, "visibility": "friends"},
        4: {"perceptual_hash": "cc"},
    }
    for number, changes in hashed.items():
        photo = catalog.photos.get(ready[number].photo_id)
        catalog.photos.update(replace(photo, **changes), {Status.READY}, None)
    sample.create(replace(sample.photo(9), perceptual_hash="dd"))
    newest = [
        Fingerprint(ready[4].photo_id, "cc"),
        Fingerprint(ready[3].photo_id, "bb", ready[1].photo_id),
        Fingerprint(ready[1].photo_id, "aa"),
    ]
    assert catalog.photos.fingerprints(sample.user_id(1), 10) == newest
    assert catalog.photos.fingerprints(sample.user_id(1), 2) == newest[:2]
    assert catalog.photos.fingerprints(sample.user_id(2), 10) == []


def test_a_deleted_photo_has_no_fingerprint(catalog, sample):
    """It goes with everything else."""
    photo = catalog.photos.get(sample.create_ready(1).photo_id)
    catalog.photos.update(replace(photo, perceptual_hash="aa"), {Status.READY}, None)
    catalog.photos.delete(sample.tombstone(photo), None)
    assert catalog.photos.fingerprints(sample.user_id(1), 10) == []


def test_a_photo_that_becomes_ready_after_its_deletion_has_no_fingerprint(catalog, sample):
    """As when it is deleted while it is processed."""
    photo = sample.photo(1)
    sample.create(photo)
    catalog.photos.delete(sample.tombstone(photo), None)
    ready = replace(photo, status=Status.READY, perceptual_hash="aa")
    assert not catalog.photos.update(ready, {Status.UPLOADING}, sample.event(photo))
    assert catalog.photos.fingerprints(sample.user_id(1), 10) == []


def test_a_fingerprint_changes_with_its_photo(catalog, sample):
    """Another hash, or none any more."""
    photo = sample.create_ready(1)
    for changes in ({"perceptual_hash": "aa", "near_duplicate_of": sample.photo_id(0)}, {"perceptual_hash": "bb"}):
        catalog.photos.update(replace(photo, **changes), {Status.READY}, None)
        assert catalog.photos.fingerprints(sample.user_id(1), 10) == [Fingerprint(photo.photo_id, *changes.values())]
    catalog.photos.update(photo, {Status.READY}, None)
    assert catalog.photos.fingerprints(sample.user_id(1), 10) == []


def test_an_update_needs_an_expected_status(catalog, sample):
    """Otherwise nothing changes, and there is no event."""
    photo = sample.photo(1)
    sample.create(photo)
    ready = replace(photo, status=Status.READY)
    assert not catalog.photos.update(ready, {Status.PROCESSING, Status.FAILED}, sample.event(photo))
    assert not catalog.photos.update(ready, set(), sample.event(photo))
    assert catalog.photos.get(photo.photo_id) == photo
    assert catalog.outbox.pending(10) == []


def test_an_update_writes_its_event(catalog, sample):
    """The photo is replaced as a whole, and the event is in the outbox."""
    photo = sample.photo(1)
    sample.create(photo)
    changed = replace(photo, status=Status.PROCESSING, caption="new", sha256="c" * 64)
    assert catalog.photos.update(changed, {Status.FAILED, Status.UPLOADING}, sample.event(photo))
    assert catalog.photos.get(photo.photo_id) == changed
    assert catalog.outbox.pending(10) == [sample.event(photo)]


def test_an_update_without_an_event(catalog, sample):
    """The photo changes, and the outbox stays empty."""
    photo = sample.create_ready(1)
    assert catalog.photos.update(replace(photo, caption="new"), {Status.READY}, None)
    assert catalog.photos.get(photo.photo_id).caption == "new"
    assert catalog.outbox.pending(10) == []


def test_an_unknown_photo_can_not_be_updated(catalog, sample):
    """An update never creates a photo."""
    photo = sample.photo(1)
    assert not catalog.photos.update(photo, set(Status), sample.event(photo))
    assert catalog.photos.get(photo.photo_id) is None


def test_replica_metadata_is_stored_and_replaced(catalog, sample):
    """The latest write wins."""
    copy = replace(sample.photo(1), status=Status.READY, home_region="us-east")
    catalog.photos.put_replica_metadata(copy)
    catalog.photos.put_replica_metadata(replace(copy, caption="new"))
    assert catalog.photos.get(copy.photo_id) == replace(copy, caption="new")
    assert catalog.uploads.get(copy.photo_id) is None


def test_likes_are_added_and_removed(catalog, sample):
    """Both are idempotent. Likes are listed highest id first."""
    photo_id = sample.photo_id(1)
    for number in (1, 3, 2, 3):
        catalog.likes.add(photo_id, sample.user_id(number), 5)
    assert catalog.likes.page(photo_id, None, 10) == [sample.user_id(3), sample.user_id(2), sample.user_id(1)]
    for _ in range(2):
        catalog.likes.remove(photo_id, sample.user_id(2))
    assert catalog.likes.page(photo_id, None, 10) == [sample.user_id(3), sample.user_id(1)]
    assert [catalog.likes.has(photo_id, sample.user_id(number)) for number in range(1, 5)] == [True, False, True, False]


def test_each_photo_has_likes_and_comments_of_its_own(catalog, sample):
    """They are not listed for another photo."""
    catalog.likes.add(sample.photo_id(1), sample.user_id(1), 5)
    catalog.comments.add(comment(sample, 1, sample.photo_id(1)))
    assert catalog.likes.page(sample.photo_id(2), None, 10) == []
    assert catalog.comments.page(sample.photo_id(2), None, 10) == []


def test_likes_are_paged_without_gap_or_repetition(catalog, sample):
    """Two at a time."""
    photo_id, user_ids = sample.photo_id(1), [sample.user_id(number) for number in range(5)]
    for user_id in user_ids:
        catalog.likes.add(photo_id, user_id, 5)
    assert all_pages(lambda before: catalog.likes.page(photo_id, before, 2)) == user_ids[::-1]


def test_comments_come_newest_first_and_in_pages(catalog, sample):
    """With their text unchanged."""
    photo_id = sample.photo_id(1)
    comments = [comment(sample, number, photo_id, f"{number} {HOSTILE_TEXT}") for number in range(5)]
    for each in comments:
        catalog.comments.add(each)
    assert catalog.comments.page(photo_id, None, 3) == comments[:1:-1]
    assert catalog.comments.page(photo_id, comments[2].comment_id, 10) == comments[1::-1]


def test_what_a_user_liked_is_listed_by_user(catalog, sample):
    """Highest photo first, in pages, without what was taken back or deleted."""
    ana, bob = sample.user_id(1), sample.user_id(2)
    photos = [sample.create_ready(number) for number in range(6)]
    for photo in photos:
        catalog.likes.add(photo.photo_id, ana, 1)
    catalog.likes.add(photos[0].photo_id, bob, 1)
    catalog.likes.remove(photos[1].photo_id, ana)
    catalog.photos.delete(sample.tombstone(photos[2]), None)
    expected = [photos[number].photo_id for number in (5, 4, 3, 0)]
    assert catalog.likes.by_user(ana, None, 10) == expected
    assert catalog.likes.by_user(ana, None, 3) == expected[:3]
    assert catalog.likes.by_user(ana, expected[2], 3) == expected[3:]
    assert catalog.likes.by_user(bob, None, 10) == [photos[0].photo_id]


def test_what_a_user_wrote_is_listed_by_author(catalog, sample):
    """Newest first, in pages, without what was removed or whose photo was deleted."""
    photos = [sample.create_ready(number) for number in range(3)]
    comments = [comment(sample, number, photos[number % 3].photo_id) for number in range(6)]
    for each in comments:
        catalog.comments.add(each)
    catalog.comments.remove(comments[0].photo_id, comments[0].comment_id)
    catalog.photos.delete(sample.tombstone(photos[2]), None)
    expected = [comments[number] for number in (4, 3, 1)]
    author_id = comments[0].author_id
    assert catalog.comments.by_author(author_id, None, 10) == expected
    assert catalog.comments.by_author(author_id, None, 2) == expected[:2]
    assert catalog.comments.by_author(author_id, expected[1].comment_id, 10) == expected[2:]
    assert catalog.comments.by_author(sample.user_id(9), None, 10) == []


def test_a_comment_that_was_removed_is_gone(catalog, sample):
    """Removing it twice has the effect of once, and other comments stay."""
    photo_id = sample.photo_id(1)
    first, second = comment(sample, 1, photo_id), comment(sample, 2, photo_id)
    catalog.comments.add(first)
    catalog.comments.add(second)
    assert catalog.comments.get(photo_id, first.comment_id) == first
    for _ in range(2):
        catalog.comments.remove(photo_id, first.comment_id)
    assert catalog.comments.get(photo_id, first.comment_id) is None
    assert catalog.comments.page(photo_id, None, 10) == [second]


def test_a_comment_that_is_added_twice_is_listed_once(catalog, sample):
    """As after a retry."""
    for _ in range(2):
        catalog.comments.add(comment(sample, 1, sample.photo_id(1)))
    assert len(catalog.comments.page(sample.photo_id(1), None, 10)) == 1


def test_a_follow_is_seen_from_both_sides(catalog, sample):
    """The list of authors, and the list of followers."""
    ana, bob, eve = (sample.user_id(number) for number in range(3))
    for follower_id, author_id in [(ana, bob), (ana, eve), (bob, eve)]:
        catalog.follows.change(follower_id, author_id, True, sample.follow(follower_id, author_id))
    assert catalog.follows.authors(ana, None, 10) == [eve, bob]
    assert all_followers(catalog, eve) == [ana, bob]
    assert catalog.follows.followed_among(ana, [bob, ana, HOSTILE_ID]) == {bob}
    assert catalog.follows.followed_among(ana, []) == set()


def test_a_follow_ends_on_both_sides(catalog, sample):
    """Ending it twice does no harm."""
    ana, bob = sample.user_id(1), sample.user_id(2)
    catalog.follows.change(ana, bob, True, sample.follow(ana, bob))
    for _ in range(2):
        catalog.follows.change(ana, bob, False, sample.follow(ana, bob, following=False))
    assert catalog.follows.authors(ana, None, 10) == []
    assert all_followers(catalog, bob) == []
    assert catalog.follows.followed_among(ana, {bob}) == set()


def test_a_follow_is_idempotent_except_for_its_event(catalog, sample):
    """Following twice gives one follow and two events."""
    ana, bob = sample.user_id(1), sample.user_id(2)
    events = [sample.follow(ana, bob, at_ms=at_ms) for at_ms in (1, 2)]
    for event in events:
        catalog.follows.change(ana, bob, True, event)
    assert catalog.follows.authors(ana, None, 10) == [bob]
    assert catalog.outbox.pending(10) == events


def test_follows_are_paged_without_gap_or_repetition(catalog, sample):
    """On both sides."""
    user_ids = [sample.user_id(number) for number in range(5)]
    for user_id in user_ids[1:]:
        catalog.follows.change(user_ids[0], user_id, True, sample.follow(user_ids[0], user_id))
        catalog.follows.change(user_id, user_ids[0], True, sample.follow(user_id, user_ids[0]))
    assert all_pages(lambda before: catalog.follows.authors(user_ids[0], before, 3)) == user_ids[:0:-1]
    assert all_followers(catalog, user_ids[0], limit=3) == user_ids[1:]


@pytest.mark.parametrize("followers", [0, 1, 2, 3, 4])
def test_a_walk_over_followers_ends(catalog, sample, followers):
    """Also when the last page is full."""
    author_id, user_ids = sample.user_id(9), [sample.user_id(number) for number in range(followers)]
    for user_id in user_ids:
        catalog.follows.change(user_id, author_id, True, sample.follow(user_id, author_id))
    assert all_followers(catalog, author_id, limit=2) == user_ids


def test_a_follow_may_start_again_after_it_ended(catalog, sample):
    """It is listed once."""
    ana, bob = sample.user_id(1), sample.user_id(2)
    for following in (False, True, False, True):
        catalog.follows.change(ana, bob, following, sample.follow(ana, bob, following))
    assert catalog.follows.authors(ana, None, 10) == [bob]
    assert all_followers(catalog, bob) == [ana]


def test_one_pair_followed_and_unfollowed_by_many_at_once_is_the_same_on_both_sides(catalog, sample, threads):
    """Which of them was the last does not matter."""
    ana, bob = sample.user_id(1), sample.user_id(2)

    def change(number):
        catalog.follows.change(ana, bob, number % 2 == 0, sample.follow(ana, bob, number % 2 == 0, number))

    list(threads.map(change, range(40)))
    assert all_followers(catalog, bob) == ([ana] if catalog.follows.authors(ana, None, 10) else [])
    assert len(catalog.outbox.pending(100)) == 40


def test_half_a_surrogate_pair_is_no_cursor_of_followers(catalog, sample):
    """No page has returned it."""
    with pytest.raises(BadRequest):
        catalog.follows.local_followers(sample.user_id(1), "\ud800", 9)


def test_any_text_may_follow_and_be_followed(catalog):
    """And is found by the same text."""
    catalog.follows.change(HOSTILE_TEXT, HOSTILE_TEXT, True, follow_changed(HOSTILE_TEXT, HOSTILE_TEXT, True, 1))
    assert all_followers(catalog, HOSTILE_TEXT, limit=1) == [HOSTILE_TEXT]


def test_follower_regions_are_recorded_once(catalog, sample):
    """Separately for each author."""
    for region in ("us-east", "eu-north", "us-east"):
        catalog.follows.add_follower_region(sample.user_id(1), region)
    assert catalog.follows.follower_regions(sample.user_id(1)) == {"us-east", "eu-north"}
    assert catalog.follows.follower_regions(sample.user_id(2)) == set()


def test_there_is_one_replica_for_each_photo_and_region(catalog, sample):
    """The latest write wins. Removing it twice does no harm."""
    photo_id = sample.photo_id(1)
    for written in [replica(photo_id, "us-east"), replica(photo_id, "eu-north"), replica(photo_id, "us-east", 2)]:
        catalog.replicas.put(written)
    found = {one.region: one for one in catalog.replicas.of_photo(photo_id)}
    assert found == {"us-east": replica(photo_id, "us-east", 2), "eu-north": replica(photo_id, "eu-north")}
    for _ in range(2):
        catalog.replicas.remove(photo_id, "us-east")
    assert catalog.replicas.of_photo(photo_id) == [replica(photo_id, "eu-north")]


def test_a_replica_counts_the_objects_that_are_missing(catalog, sample):
    """Until a later write has all of them. Each region has a count of its own, which goes with its replica."""
    photo_id = sample.create_ready(1).photo_id
    partly = replace(replica(photo_id, "us-east"), missing=3)
    catalog.replicas.put(partly)
    catalog.replicas.put(replica(photo_id, "eu-north"))
    assert {one.region: one.missing for one in catalog.replicas.of_photo(photo_id)} == {"us-east": 3, "eu-north": 0}
    catalog.replicas.put(replace(partly, missing=0, at_ms=2))
    assert {one.missing for one in catalog.replicas.of_photo(photo_id)} == {0}
    catalog.replicas.put(partly)
    catalog.replicas.remove(photo_id, "us-east")
    catalog.replicas.put(replica(photo_id, "us-east"))
    assert {one.missing for one in catalog.replicas.of_photo(photo_id)} == {0}


def test_the_audit_gives_the_newest_entries_oldest_first(catalog, sample):
    """In the order in which they were appended, not in that of their times."""
    mine, theirs = sample.photo_id(1), sample.photo_id(2)
    catalog.audit.append([entry(mine, 5), entry(theirs, 1), entry(mine, 3)])
    catalog.audit.append(iter([entry(mine, 4)]))
    assert catalog.audit.latest(mine, 2) == [entry(mine, 3), entry(mine, 4)]
    assert catalog.audit.latest(mine, 10) == [entry(mine, 5), entry(mine, 3), entry(mine, 4)]


@pytest.mark.parametrize("before", CURSORS)
def test_a_malformed_cursor_is_harmless(catalog, sample, before):
    """The page may start anywhere, but nothing is raised."""
    photo, ana, bob = sample.create_ready(1), sample.user_id(1), sample.user_id(2)
    catalog.likes.add(photo.photo_id, ana, 1)
    catalog.comments.add(comment(sample, 1, photo.photo_id))
    catalog.follows.change(ana, bob, True, sample.follow(ana, bob))
    assert catalog.photos.by_owner(ana, before, 9) in ([], [photo.summary()])
    assert catalog.likes.page(photo.photo_id, before, 9) in ([], [ana])
    assert catalog.comments.page(photo.photo_id, before, 9) in ([], [comment(sample, 1, photo.photo_id)])
    assert catalog.follows.authors(ana, before, 9) in ([], [bob])


def test_another_handle_reads_what_was_written(catalog, open_catalog, sample):
    """Immediately, and after the writer has closed."""
    photo = sample.create_ready(1)
    assert open_catalog().photos.get(photo.photo_id) == photo
    catalog.close()
    assert open_catalog().photos.get(photo.photo_id) == photo


def test_threads_share_one_catalog(catalog, sample, threads):
    """No write is lost when many are made at once."""
    user_ids = [sample.user_id(number) for number in range(40)]
    list(threads.map(lambda user_id: catalog.likes.add(sample.photo_id(1), user_id, 1), user_ids))
    assert catalog.likes.page(sample.photo_id(1), None, 100) == user_ids[::-1]


def test_a_catalog_may_be_closed_twice(catalog):
    """Idempotent."""
    catalog.close()
    catalog.close()


def test_what_the_first_of_equal_requests_has_made_is_kept(catalog):
    """For a day; another request is another one."""
    at_ms = now_ms()
    assert catalog.requests.first("a", "p_1", at_ms) == "p_1"
    assert catalog.requests.first("a", "p_2", at_ms) == "p_1"
    assert catalog.requests.first("b", "p_3 ü'; --", at_ms + 1) == "p_3 ü'; --"


def test_of_many_equal_requests_at_once_one_is_the_first(open_catalog, threads):
    """All hear what it has made."""
    opened = [open_catalog() for _ in range(4)]
    made = list(threads.map(lambda number: opened[number % 4].requests.first("a", f"p_{number}", now_ms()), range(8)))
    assert len(set(made)) == 1
