"""What a lane does about a photo that is deleted, before, after and in the middle of its copying."""

import pytest

from regions.errors import NotFound
from regions.records import Tombstone
from regions.stores.objects import RAW, raw_key
from regions.stores.settings import POLICY


def test_a_deletion_takes_the_copy_away_for_ever(regions):
    """Its tombstone is there, without the owner's name, and the home knows no replica any more."""
    photo, event = regions.add_photo("eu-west")
    lane = regions.lane("eu-west", "eu-central")
    lane.ready(event)
    lane.deleted(regions.delete(photo))
    catalog = regions.stores["eu-central"].catalog
    assert "eu-central" not in regions.files_of(photo)
    assert catalog.photos.get(photo.photo_id) is None
    assert catalog.tombstones.get(photo.photo_id) == Tombstone(photo.photo_id, "", event.at_ms)
    assert regions.replicas(photo) == []


def raw_of(regions, photo) -> bytes:
    with regions.stores[photo.home_region].objects.open(RAW, raw_key(photo.photo_id)) as chunks:
        return b"".join(chunks)


@pytest.mark.parametrize("instant", ["before_put", "after_put"])
def test_a_deletion_in_the_middle_of_a_copy_wins(regions, instant):
    """The lane deletes at the destination while the copier is before, or just after, putting each object."""
    photo, event = regions.add_photo("eu-west")
    deletions = []

    def delete_once():
        if not deletions:
            deletions.append(regions.delete(photo))
            regions.lane("eu-west", "eu-central").deleted(deletions[0])

    regions.hook("eu-central", **{instant: delete_once})
    regions.lane("eu-west", "eu-central").ready(event)
    assert deletions
    assert "eu-central" not in regions.files_of(photo)
    assert regions.stores["eu-central"].catalog.photos.get(photo.photo_id) is None
    assert regions.replicas(photo) == []


def test_a_copy_that_fails_on_a_photo_deleted_meanwhile_leaves_nothing(regions):
    """The original goes from the home in the middle, so that the copy fails, after variants have come."""
    photo, event = regions.add_photo("eu-west")

    def delete_at_home():
        if regions.stores["eu-west"].catalog.tombstones.get(photo.photo_id) is None:
            regions.delete(photo)
            regions.stores["eu-west"].objects.delete(RAW, raw_key(photo.photo_id))

    regions.hook("eu-central", after_put=delete_at_home)
    with pytest.raises(NotFound):
        regions.lane("eu-west", "eu-central").ready(event)
    assert "eu-central" not in regions.files_of(photo)


def test_what_a_killed_copier_left_of_a_deleted_photo_goes_when_its_event_comes_again(regions):
    """It put its bytes when the deletion was through, and was killed before it looked for the tombstone."""
    photo, event = regions.add_photo("eu-west")
    lane = regions.lane("eu-west", "eu-central")
    lane.deleted(regions.delete(photo))
    chunks = [raw_of(regions, photo)]
    regions.stores["eu-central"].objects.put(RAW, raw_key(photo.photo_id), chunks, photo.sha256, photo.content_type)
    assert regions.files_of(photo)["eu-central"] == {"raw"}
    lane.ready(event)
    assert "eu-central" not in regions.files_of(photo)


def test_a_photo_deleted_before_it_was_copied_is_buried_there_as_well(regions):
    """Whichever of its events comes first; nothing is put."""
    photo, event = regions.add_photo("eu-west")
    regions.delete(photo)
    puts = []
    regions.hook("eu-central", before_put=lambda: puts.append(1))
    regions.lane("eu-west", "eu-central").ready(event)
    assert puts == []
    assert regions.stores["eu-central"].catalog.tombstones.get(photo.photo_id) is not None


def test_a_deletion_needs_no_policy(regions):
    """Nothing may hold it up."""
    photo, event = regions.add_photo("eu-west")
    lane = regions.lane("eu-west", "eu-central")
    lane.ready(event)
    regions.stores["eu-west"].settings.values.delete(POLICY)
    lane.deleted(regions.delete(photo))
    assert "eu-central" not in regions.files_of(photo)
