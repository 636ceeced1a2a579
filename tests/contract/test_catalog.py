"""What every catalog does. The laws about tombstones, races and the outbox stand in files of their own."""

from dataclasses import replace

import pytest

from regions.records import AuditEntry, Comment, Reason, Replica, Status, User, Variant

CURSORS = ["", "p_", "nonsense", "~~~~", "\x00", "' OR 1=1 --", "ü" * 64, "\ud800", "p_00000000000\n"]
HOSTILE_TEXT = "'; DROP TABLE photos; -- \x00 \u202e ü 🙂 \ud800"


def user(user_id: str, name: str = "Ana") -> User:
    return User(user_id, name, "PT", "eu", "eu-west", 7)


def comment(made, number: int, photo_id: str, text: str = "nice") -> Comment:
    return Comment(made.comment_id(number), photo_id, made.user_id(2), text, 100 + number)


def replica(photo_id: str, region: str, at_ms: int = 1) -> Replica:
    return Replica(photo_id, region, raw=False, variants=True, rule="policy.yaml:24", policy_version="3", at_ms=at_ms)


def entry(photo_id: str, number: int) -> AuditEntry:
    return AuditEntry(photo_id, "rest_raw", "us-east", False, "policy.yaml:12", "3", number)


def test_a_user_is_kept_as_they_were_added(catalog, made):
    """Name and all, whatever stands in it."""
    ana = user(made.user_id(1), HOSTILE_TEXT)
    catalog.users.add(ana)
    assert catalog.users.get(ana.user_id) == ana


def test_an_unknown_user_is_none(catalog, made):
    """Not an error."""
    assert catalog.users.get(made.user_id(1)) is None


def test_every_field_of_a_photo_comes_back(catalog, made):
    """Those that are optional and those that are nested too."""
    photo = replace(
        made.photo(1),
        caption=HOSTILE_TEXT,
        taken_at="2026-02-03T04:05:06",
        camera="Test",
        perceptual_hash="ff00",
        variants=(Variant(150, 150, 112, 4096, "a" * 64), Variant(320, 320, 240, 9999, "b" * 64)),
        reason=Reason("unreadable", "not an image"),
    )
    made.begin(photo)
    assert catalog.photos.get(photo.photo_id) == photo


def test_a_photo_begins_with_its_upload(catalog, made):
    """Both are there at once."""
    photo = made.photo(1)
    upload = made.begin(photo)
    assert (catalog.photos.get(photo.photo_id), catalog.uploads.get(photo.photo_id)) == (photo, upload)


def test_beginning_a_photo_twice_changes_nothing(catalog, made):
    """A repeated call does not throw a photo back that has gone on."""
    photo = made.ready(1)
    made.begin(replace(photo, status=Status.UPLOADING))
    assert catalog.photos.get(photo.photo_id) == photo


def test_the_upload_is_kept_when_the_photo_goes_on(catalog, made):
    """It brought the photo."""
    photo = made.ready(1)
    assert catalog.uploads.get(photo.photo_id).photo_id == photo.photo_id


def test_abandoning_forgets_photo_and_upload(catalog, made):
    """While it is still uploading."""
    photo = made.photo(1)
    made.begin(photo)
    catalog.uploads.discard(photo.photo_id)
    assert catalog.photos.get(photo.photo_id) is None
    assert catalog.uploads.get(photo.photo_id) is None


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.UPLOADING])
def test_abandoning_spares_a_photo_that_has_gone_on(catalog, made, status):
    """In whatever status it is."""
    photo = made.photo(1)
    made.begin(photo)
    catalog.photos.update(replace(photo, status=status), {Status.UPLOADING}, None)
    catalog.uploads.discard(photo.photo_id)
    assert catalog.photos.get(photo.photo_id).status is status
    assert catalog.uploads.get(photo.photo_id) is not None


def test_an_abandoned_photo_can_not_be_completed(catalog, made):
    """A request that completes it at the same moment loses, and no event is written."""
    photo = made.photo(1)
    made.begin(photo)
    catalog.uploads.discard(photo.photo_id)
    assert not catalog.photos.update(replace(photo, status=Status.PROCESSING), {Status.UPLOADING}, made.event(photo))
    assert catalog.outbox.pending(10) == []


def test_expired_uploads_come_oldest_first(catalog, made):
    """Those that expired before the moment, and not the one that expires at it."""
    for number, expires_at_ms in enumerate([3000, 1000, 4000, 2000]):
        made.begin(made.photo(number), expires_at_ms)
    assert [upload.expires_at_ms for upload in catalog.uploads.expired(4000, 10)] == [1000, 2000, 3000]
    assert [upload.expires_at_ms for upload in catalog.uploads.expired(4000, 2)] == [1000, 2000]


def test_an_upload_that_was_completed_does_not_expire(catalog, made):
    """Nor one that was discarded or deleted."""
    photos = [made.photo(number) for number in range(3)]
    for photo in photos:
        made.begin(photo, 1000)
    catalog.photos.update(replace(photos[0], status=Status.PROCESSING), {Status.UPLOADING}, None)
    catalog.uploads.discard(photos[1].photo_id)
    catalog.photos.delete(made.tombstone(photos[2]), None)
    assert catalog.uploads.expired(9999, 10) == []


def test_photos_gives_those_that_are_there(catalog, made):
    """By id; an unknown one, a deleted one and nonsense are left out."""
    here, deleted = made.ready(1), made.ready(2)
    catalog.photos.delete(made.tombstone(deleted), None)
    asked = [here.photo_id, deleted.photo_id, made.photo_id(3), HOSTILE_TEXT]
    assert catalog.photos.get_many(asked) == {here.photo_id: here}
    assert catalog.photos.get_many([]) == {}


def test_photos_takes_many_ids(catalog, made):
    """More than a database takes as parameters of one statement."""
    photo = made.ready(1)
    assert catalog.photos.get_many([made.photo_id(number) for number in range(2000)]) == {photo.photo_id: photo}


def test_an_owner_has_their_ready_photos_newest_first(catalog, made):
    """Nobody else's, and none in another status."""
    numbers = [2, 1, 3]
    ready = {number: made.ready(number) for number in numbers}
    made.begin(made.photo(4))
    made.ready(5, owner=9)
    assert catalog.photos.by_owner(made.user_id(1), None, 10) == [ready[3], ready[2], ready[1]]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_an_owners_photos_are_paged_without_gap_or_repetition(catalog, made, limit):
    """Each page begins after the last id of the one before."""
    expected = [made.ready(number).photo_id for number in range(5)][::-1]
    assert (
        made.walk(lambda before: [p.photo_id for p in catalog.photos.by_owner(made.user_id(1), before, limit)])
        == expected
    )


def test_a_change_needs_an_expected_status(catalog, made):
    """Else nothing is changed and nothing told."""
    photo = made.photo(1)
    made.begin(photo)
    ready = replace(photo, status=Status.READY)
    assert not catalog.photos.update(ready, {Status.PROCESSING, Status.FAILED}, made.event(photo))
    assert not catalog.photos.update(ready, set(), made.event(photo))
    assert catalog.photos.get(photo.photo_id) == photo
    assert catalog.outbox.pending(10) == []


def test_a_change_takes_its_event_along(catalog, made):
    """The photo is replaced as a whole, and the event waits in the outbox."""
    photo = made.photo(1)
    made.begin(photo)
    changed = replace(photo, status=Status.PROCESSING, caption="new", sha256="c" * 64)
    assert catalog.photos.update(changed, {Status.FAILED, Status.UPLOADING}, made.event(photo))
    assert catalog.photos.get(photo.photo_id) == changed
    assert catalog.outbox.pending(10) == [made.event(photo)]


def test_a_change_may_tell_nothing(catalog, made):
    """Where there is no event."""
    photo = made.ready(1)
    assert catalog.photos.update(replace(photo, caption="new"), {Status.READY}, None)
    assert catalog.photos.get(photo.photo_id).caption == "new"
    assert catalog.outbox.pending(10) == []


def test_an_unknown_photo_can_not_be_changed(catalog, made):
    """A change never makes a photo."""
    photo = made.photo(1)
    assert not catalog.photos.update(photo, set(Status), made.event(photo))
    assert catalog.photos.get(photo.photo_id) is None


def test_a_copy_is_kept_and_replaced(catalog, made):
    """The last one told stays."""
    copy = replace(made.photo(1), status=Status.READY, home_region="us-east")
    catalog.photos.put_replica_metadata(copy)
    catalog.photos.put_replica_metadata(replace(copy, caption="new"))
    assert catalog.photos.get(copy.photo_id) == replace(copy, caption="new")
    assert catalog.uploads.get(copy.photo_id) is None


def test_likes_are_told_once_and_taken_back(catalog, made):
    """Both are idempotent, and likes come highest id first."""
    photo_id = made.photo_id(1)
    for number in (1, 3, 2, 3):
        catalog.likes.add(photo_id, made.user_id(number), 5)
    assert catalog.likes.page(photo_id, None, 10) == [made.user_id(3), made.user_id(2), made.user_id(1)]
    for _ in range(2):
        catalog.likes.remove(photo_id, made.user_id(2))
    assert catalog.likes.page(photo_id, None, 10) == [made.user_id(3), made.user_id(1)]


def test_likes_of_one_photo_are_not_anothers(catalog, made):
    """Nor are its comments."""
    catalog.likes.add(made.photo_id(1), made.user_id(1), 5)
    catalog.comments.add(comment(made, 1, made.photo_id(1)))
    assert catalog.likes.page(made.photo_id(2), None, 10) == []
    assert catalog.comments.page(made.photo_id(2), None, 10) == []


def test_likes_are_paged_without_gap_or_repetition(catalog, made):
    """Two at a time."""
    photo_id, user_ids = made.photo_id(1), [made.user_id(number) for number in range(5)]
    for user_id in user_ids:
        catalog.likes.add(photo_id, user_id, 5)
    assert made.walk(lambda before: catalog.likes.page(photo_id, before, 2)) == user_ids[::-1]


def test_comments_come_newest_first_and_in_pages(catalog, made):
    """With their text as it was written."""
    photo_id = made.photo_id(1)
    comments = [comment(made, number, photo_id, f"{number} {HOSTILE_TEXT}") for number in range(5)]
    for each in comments:
        catalog.comments.add(each)
    assert catalog.comments.page(photo_id, None, 3) == comments[:1:-1]
    assert catalog.comments.page(photo_id, comments[2].comment_id, 10) == comments[1::-1]


def test_a_comment_told_twice_is_one(catalog, made):
    """A retry repeats nothing."""
    for _ in range(2):
        catalog.comments.add(comment(made, 1, made.photo_id(1)))
    assert len(catalog.comments.page(made.photo_id(1), None, 10)) == 1


def test_a_follow_is_seen_from_both_sides(catalog, made):
    """Whom I follow, and who follows them."""
    ana, bob, eve = (made.user_id(number) for number in range(3))
    for follower_id, author_id in [(ana, bob), (ana, eve), (bob, eve)]:
        catalog.follows.change(follower_id, author_id, True, made.follow(follower_id, author_id))
    assert catalog.follows.authors(ana, None, 10) == [eve, bob]
    assert catalog.follows.local_followers(eve, None, 10) == [bob, ana]
    assert catalog.follows.followed_among(ana, [bob, ana, HOSTILE_TEXT]) == {bob}
    assert catalog.follows.followed_among(ana, []) == set()


def test_a_follow_ends_on_both_sides(catalog, made):
    """And ends only once."""
    ana, bob = made.user_id(1), made.user_id(2)
    catalog.follows.change(ana, bob, True, made.follow(ana, bob))
    for _ in range(2):
        catalog.follows.change(ana, bob, False, made.follow(ana, bob, following=False))
    assert catalog.follows.authors(ana, None, 10) == []
    assert catalog.follows.local_followers(bob, None, 10) == []
    assert catalog.follows.followed_among(ana, {bob}) == set()


def test_a_follow_is_idempotent_but_for_its_event(catalog, made):
    """Told twice it is one follow and two events."""
    ana, bob = made.user_id(1), made.user_id(2)
    events = [made.follow(ana, bob, at_ms=at_ms) for at_ms in (1, 2)]
    for event in events:
        catalog.follows.change(ana, bob, True, event)
    assert catalog.follows.authors(ana, None, 10) == [bob]
    assert catalog.outbox.pending(10) == events


def test_follows_are_paged_without_gap_or_repetition(catalog, made):
    """On both sides."""
    user_ids = [made.user_id(number) for number in range(5)]
    for user_id in user_ids[1:]:
        catalog.follows.change(user_ids[0], user_id, True, made.follow(user_ids[0], user_id))
        catalog.follows.change(user_id, user_ids[0], True, made.follow(user_id, user_ids[0]))
    assert made.walk(lambda before: catalog.follows.authors(user_ids[0], before, 3)) == user_ids[:0:-1]
    assert made.walk(lambda before: catalog.follows.local_followers(user_ids[0], before, 3)) == user_ids[:0:-1]


def test_follower_regions_are_noted_once(catalog, made):
    """For each author apart."""
    for region in ("us-east", "eu-north", "us-east"):
        catalog.follows.add_follower_region(made.user_id(1), region)
    assert catalog.follows.follower_regions(made.user_id(1)) == {"us-east", "eu-north"}
    assert catalog.follows.follower_regions(made.user_id(2)) == set()


def test_there_is_one_replica_for_each_photo_and_region(catalog, made):
    """The last one told stays, and it can be forgotten more than once."""
    photo_id = made.photo_id(1)
    for told in [replica(photo_id, "us-east"), replica(photo_id, "eu-north"), replica(photo_id, "us-east", 2)]:
        catalog.replicas.put(told)
    found = {each.region: each for each in catalog.replicas.of_photo(photo_id)}
    assert found == {"us-east": replica(photo_id, "us-east", 2), "eu-north": replica(photo_id, "eu-north")}
    for _ in range(2):
        catalog.replicas.remove(photo_id, "us-east")
    assert catalog.replicas.of_photo(photo_id) == [replica(photo_id, "eu-north")]


def test_the_audit_gives_the_newest_entries_oldest_first(catalog, made):
    """In the order in which they were appended, whatever their times."""
    mine, theirs = made.photo_id(1), made.photo_id(2)
    catalog.audit.append([entry(mine, 5), entry(theirs, 1), entry(mine, 3)])
    catalog.audit.append(iter([entry(mine, 4)]))
    assert catalog.audit.latest(mine, 2) == [entry(mine, 3), entry(mine, 4)]
    assert catalog.audit.latest(mine, 10) == [entry(mine, 5), entry(mine, 3), entry(mine, 4)]


@pytest.mark.parametrize("before", CURSORS)
def test_a_malformed_cursor_is_harmless(catalog, made, before):
    """It begins the list somewhere, and raises nothing."""
    photo, ana, bob = made.ready(1), made.user_id(1), made.user_id(2)
    catalog.likes.add(photo.photo_id, ana, 1)
    catalog.comments.add(comment(made, 1, photo.photo_id))
    catalog.follows.change(ana, bob, True, made.follow(ana, bob))
    assert catalog.photos.by_owner(ana, before, 9) in ([], [photo])
    assert catalog.likes.page(photo.photo_id, before, 9) in ([], [ana])
    assert catalog.comments.page(photo.photo_id, before, 9) in ([], [comment(made, 1, photo.photo_id)])
    assert catalog.follows.authors(ana, before, 9) in ([], [bob])
    assert catalog.follows.local_followers(bob, before, 9) in ([], [ana])


def test_what_was_written_is_there_for_another_process(catalog, open_catalog, made):
    """At once, and after the writer has closed."""
    photo = made.ready(1)
    assert open_catalog().photos.get(photo.photo_id) == photo
    catalog.close()
    assert open_catalog().photos.get(photo.photo_id) == photo


def test_threads_share_one_catalog(catalog, made, threads):
    """Each of many writes at once is kept."""
    user_ids = [made.user_id(number) for number in range(40)]
    list(threads.map(lambda user_id: catalog.likes.add(made.photo_id(1), user_id, 1), user_ids))
    assert catalog.likes.page(made.photo_id(1), None, 100) == user_ids[::-1]


def test_a_catalog_may_be_closed_twice(catalog):
    """Idempotent."""
    catalog.close()
    catalog.close()
