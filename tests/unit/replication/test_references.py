"""Which references a lane publishes for followers in other regions, and which it fetches for new followers."""

from dataclasses import replace
from itertools import count

import pytest

from darkroom.local import compliance
from regions import ids
from regions.errors import NotFound, Unavailable, Unprocessable
from regions.events.topics import PHOTO_REFERENCED
from tests.builders.statements import POLICY_TEXT, Compliance


def test_a_reference_goes_only_to_regions_where_the_owner_has_followers(regions):
    """It contains the photo's id, the owner's id and the time, and nothing else."""
    photo, event = regions.add_photo("eu-west")
    regions.add_follower(photo, "us-central")
    for destination in ("eu-central", "us-central"):
        regions.lane("eu-west", destination).handle_ready(event)
    assert regions.published("eu-central", PHOTO_REFERENCED) == []
    [sent] = regions.published("us-central", PHOTO_REFERENCED)
    assert sent.body == {"photo_id": photo.photo_id, "owner_id": photo.owner_id, "created_at_ms": photo.created_at_ms}
    assert ("reference", "us-central", True) in regions.audited(photo)


def test_a_corrupt_raw_does_not_keep_the_photo_out_of_feeds(regions):
    """The reference is still published."""
    photo, event = regions.add_photo("eu-west")
    regions.add_follower(photo, "us-central")
    regions.add_follower(photo, "eu-central")
    regions.corrupt(photo)
    with pytest.raises(Unprocessable):
        regions.lane("eu-west", "eu-central").handle_ready(event)
    assert [event.key for event in regions.published("eu-central", PHOTO_REFERENCED)] == [photo.photo_id]


def test_nothing_of_a_photo_that_is_not_for_everybody_crosses(regions):
    """No copy, no metadata and no reference, neither when it becomes ready nor for a new follower."""
    photo, event = regions.add_photo("eu-west")
    home = regions.stores["eu-west"].catalog
    assert home.photos.update(replace(photo, visibility="friends"), {photo.status}, None)
    regions.add_follower(photo, "us-central")
    for destination in ("eu-central", "us-central"):
        regions.lane("eu-west", destination).handle_ready(event)
    regions.lane("us-central", "eu-west").handle_followed(regions.follow("us-central", photo.owner_id))
    assert set(regions.files_of(photo)) == {"eu-west"}
    assert regions.stores["eu-central"].catalog.photos.get(photo.photo_id) is None
    assert regions.published("us-central", PHOTO_REFERENCED) == regions.published("eu-central", PHOTO_REFERENCED) == []
    assert regions.replicas(photo) == []


def forbid_references(regions, region) -> None:
    """A statement by which references may not go to the US is pending for data of that region."""
    denial = "    rules:\n      - {deny: [reference], at: [us-central], because: A test.}\n"
    text = POLICY_TEXT.replace("    rules:\n", denial, 1)
    team = Compliance(private=compliance.private_keys(regions.data / compliance.FOLDER))
    before = regions.rules[region].in_force
    stricter = team.states(text, before.places.values(), previous=before)
    regions.rules[region] = replace(regions.rules[region], pending=(stricter,))


def test_a_forbidden_reference_is_not_published(regions):
    """And the denial is on the audit log."""
    photo, event = regions.add_photo("eu-west")
    regions.add_follower(photo, "us-central")
    forbid_references(regions, "eu-west")
    regions.lane("eu-west", "us-central").handle_ready(event)
    assert regions.published("us-central", PHOTO_REFERENCED) == []
    assert ("reference", "us-central", False) in regions.audited(photo)


def test_a_new_follower_elsewhere_gets_references_to_the_latest_photos(regions):
    """In the event log of the follower's region; each decision is on the audit log of the photo's home."""
    photo, _ = regions.add_record("eu-west")
    other, _ = regions.add_record("eu-west", photo.owner_id)
    regions.lane("us-central", "eu-west").handle_followed(regions.follow("us-central", photo.owner_id))
    assert regions.stores["eu-west"].catalog.follows.follower_regions(photo.owner_id) == {"us-central"}
    referenced = [event.key for event in regions.published("us-central", PHOTO_REFERENCED)]
    assert referenced == [photo.photo_id, other.photo_id]
    assert regions.audited(photo) == regions.audited(other) == {("reference", "us-central", True)}


def test_the_followers_region_is_recorded_before_photos_are_listed(regions, monkeypatch):
    """So the opposite lane publishes a reference to a photo that becomes ready between the two."""
    catalog, seen = regions.stores["eu-west"].catalog, []
    by_owner, author_id = catalog.photos.by_owner, regions.new_id(ids.USER, "eu-west")

    def watched(*arguments):
        seen.append(catalog.follows.follower_regions(author_id))
        return by_owner(*arguments)

    monkeypatch.setattr(catalog.photos, "by_owner", watched)
    regions.lane("us-central", "eu-west").handle_followed(regions.follow("us-central", author_id))
    assert seen == [{"us-central"}]


def test_a_new_follower_gets_at_most_a_hundred_references(regions):
    """Those to the newest photos."""
    owner_id = regions.new_id(ids.USER, "eu-west")
    photos = [regions.add_record("eu-west", owner_id)[0] for _ in range(102)]
    regions.lane("us-central", "eu-west").handle_followed(regions.follow("us-central", owner_id))
    referenced = [event.key for event in regions.published("us-central", PHOTO_REFERENCED)]
    assert referenced == [photo.photo_id for photo in photos[2:]]


def test_a_new_follower_gets_no_references_to_photos_of_the_future(regions):
    """An author's home that sends such is not honest: they would stay at the head of the feed."""
    photo, _ = regions.add_record("eu-west")
    regions.numbers = count(86_400_000)
    regions.add_record("eu-west", photo.owner_id)
    regions.lane("us-central", "eu-west").handle_followed(regions.follow("us-central", photo.owner_id))
    assert [event.key for event in regions.published("us-central", PHOTO_REFERENCED)] == [photo.photo_id]


def test_a_new_follower_gets_no_forbidden_references(regions):
    """The policy of the author's home decides."""
    photo, _ = regions.add_record("eu-west")
    forbid_references(regions, "eu-west")
    regions.lane("us-central", "eu-west").handle_followed(regions.follow("us-central", photo.owner_id))
    assert regions.published("us-central", PHOTO_REFERENCED) == []
    assert regions.audited(photo) == {("reference", "us-central", False)}


def test_without_a_lease_a_new_follower_waits_for_references(regions):
    """The follower's region is recorded already, so references to new photos are published meanwhile."""
    photo, _ = regions.add_record("eu-west")
    regions.lose_lease("eu-west")
    with pytest.raises(Unavailable):
        regions.lane("us-central", "eu-west").handle_followed(regions.follow("us-central", photo.owner_id))
    assert regions.published("us-central", PHOTO_REFERENCED) == []
    assert regions.stores["eu-west"].catalog.follows.follower_regions(photo.owner_id) == {"us-central"}


@pytest.mark.parametrize(("destination", "following"), [("eu-central", True), ("eu-west", False)])
def test_a_lane_ignores_other_follows(regions, destination, following):
    """Those of authors whose home is not the destination, and those that end."""
    photo, _ = regions.add_record("eu-west")
    regions.lane("us-central", destination).handle_followed(regions.follow("us-central", photo.owner_id, following))
    for region in ("eu-west", destination):
        assert regions.stores[region].catalog.follows.follower_regions(photo.owner_id) == set()
    assert regions.published("us-central", PHOTO_REFERENCED) == []


def test_a_follow_of_an_invalid_user_id_is_an_error(regions):
    """So its event goes to the dead letters."""
    with pytest.raises(NotFound):
        regions.lane("us-central", "eu-west").handle_followed(regions.follow("us-central", "nobody"))
