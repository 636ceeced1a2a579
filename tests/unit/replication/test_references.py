"""Which references a lane brings to followers in other regions, and which it fetches for new ones."""

from dataclasses import replace

import pytest

from regions import ids
from regions.errors import NotFound, Unavailable, Unprocessable
from regions.events import messages
from regions.events.topics import PHOTO_REFERENCED
from regions.stores.settings import POLICY


def test_a_reference_goes_where_the_owner_has_followers_and_nowhere_else(regions):
    """It says the photo, the owner and the time, and no more."""
    photo, event = regions.add_photo("eu-west")
    regions.stores["eu-west"].catalog.follows.add_follower_region(photo.owner_id, "us-central")
    for destination in ("eu-central", "us-central"):
        regions.lane("eu-west", destination).ready(event)
    assert regions.told("eu-central", PHOTO_REFERENCED) == []
    [told] = regions.told("us-central", PHOTO_REFERENCED)
    assert told.body == {"photo_id": photo.photo_id, "owner_id": photo.owner_id, "created_at_ms": photo.created_at_ms}
    assert ("reference", "us-central", True) in regions.audited(photo)


def test_a_spoiled_original_does_not_keep_the_photo_from_feeds(regions):
    """The reference goes all the same."""
    photo, event = regions.add_photo("eu-west")
    regions.stores["eu-west"].catalog.follows.add_follower_region(photo.owner_id, "us-central")
    regions.stores["eu-west"].catalog.follows.add_follower_region(photo.owner_id, "eu-central")
    regions.spoil(photo)
    with pytest.raises(Unprocessable):
        regions.lane("eu-west", "eu-central").ready(event)
    assert [told.key for told in regions.told("eu-central", PHOTO_REFERENCED)] == [photo.photo_id]


def forbid_references(regions, region) -> None:
    """To followers outside the Union, in that region's policy."""
    settings = regions.stores[region].settings
    text = settings.values.read(POLICY).value
    assert settings.values.write(POLICY, text.replace("[reference]\n        at: [anywhere]",
                                               "[reference]\n        at: [jurisdiction:EU]"))  # fmt: skip
    assert settings.values.read(POLICY).value != text


def test_a_forbidden_reference_does_not_go(regions):
    """And the refusal is on the audit log."""
    photo, event = regions.add_photo("eu-west")
    regions.stores["eu-west"].catalog.follows.add_follower_region(photo.owner_id, "us-central")
    forbid_references(regions, "eu-west")
    regions.lane("eu-west", "us-central").ready(event)
    assert regions.told("us-central", PHOTO_REFERENCED) == []
    assert ("reference", "us-central", False) in regions.audited(photo)


def follow(regions, author_id: str, following: bool = True) -> messages.Event:
    """Somebody in us-central follows, or leaves, the author."""
    return messages.follow_changed(regions.new_id(ids.USER, "us-central"), author_id, following, 1)


def test_a_new_follower_elsewhere_brings_references_to_the_latest_photos(regions):
    """They lie in the follower's event log, each with its decision on the log of the photo's home."""
    photo, _ = regions.add_record("eu-west")
    other, _ = regions.add_record("eu-west", photo.owner_id)
    regions.lane("us-central", "eu-west").followed(follow(regions, photo.owner_id))
    assert regions.stores["eu-west"].catalog.follows.follower_regions(photo.owner_id) == {"us-central"}
    assert [told.key for told in regions.told("us-central", PHOTO_REFERENCED)] == [photo.photo_id, other.photo_id]
    assert regions.audited(photo) == regions.audited(other) == {("reference", "us-central", True)}


class WatchedPhotos:
    """The photos of a real catalog; records, whenever they are listed, in which regions their owner has followers."""

    def __init__(self, catalog):
        self._catalog, self.noted = catalog, []

    def __getattr__(self, name):
        return getattr(self._catalog.photos, name)

    def by_owner(self, owner_id, before, limit):
        self.noted.append(self._catalog.follows.follower_regions(owner_id))
        return self._catalog.photos.by_owner(owner_id, before, limit)


def test_the_region_is_noted_before_photos_are_looked_for(regions):
    """So that a photo that becomes ready between the two is told of by the lane that comes the other way."""
    stores = regions.stores["eu-west"]
    watching = WatchedPhotos(stores.catalog)
    regions.stores["eu-west"] = replace(stores, catalog=replace(stores.catalog, photos=watching))
    regions.lane("us-central", "eu-west").followed(follow(regions, regions.new_id(ids.USER, "eu-west")))
    assert watching.noted == [{"us-central"}]


def test_a_hundred_references_come_back_and_no_more(regions):
    """The newest ones."""
    owner_id = regions.new_id(ids.USER, "eu-west")
    photos = [regions.add_record("eu-west", owner_id)[0] for _ in range(102)]
    regions.lane("us-central", "eu-west").followed(follow(regions, owner_id))
    told = [event.key for event in regions.told("us-central", PHOTO_REFERENCED)]
    assert told == [photo.photo_id for photo in photos[2:]]


def test_forbidden_references_do_not_come_back(regions):
    """The policy at the author's home decides."""
    photo, _ = regions.add_record("eu-west")
    forbid_references(regions, "eu-west")
    regions.lane("us-central", "eu-west").followed(follow(regions, photo.owner_id))
    assert regions.told("us-central", PHOTO_REFERENCED) == []
    assert regions.audited(photo) == {("reference", "us-central", False)}


def test_without_a_policy_no_reference_comes_back_and_the_event_waits(regions):
    """The region is noted already, so that new photos are told of."""
    photo, _ = regions.add_record("eu-west")
    regions.stores["eu-west"].settings.values.delete(POLICY)
    with pytest.raises(Unavailable):
        regions.lane("us-central", "eu-west").followed(follow(regions, photo.owner_id))
    assert regions.told("us-central", PHOTO_REFERENCED) == []
    assert regions.stores["eu-west"].catalog.follows.follower_regions(photo.owner_id) == {"us-central"}


@pytest.mark.parametrize(("destination", "following"), [("eu-central", True), ("eu-west", False)])
def test_a_lane_does_nothing_about_other_follows(regions, destination, following):
    """Those of authors who live elsewhere, and those that end."""
    photo, _ = regions.add_record("eu-west")
    regions.lane("us-central", destination).followed(follow(regions, photo.owner_id, following))
    for region in ("eu-west", destination):
        assert regions.stores[region].catalog.follows.follower_regions(photo.owner_id) == set()
    assert regions.told("us-central", PHOTO_REFERENCED) == []


def test_a_follow_of_what_is_no_user_is_refused(regions):
    """So that it is set aside."""
    with pytest.raises(NotFound):
        regions.lane("us-central", "eu-west").followed(follow(regions, "nobody"))
