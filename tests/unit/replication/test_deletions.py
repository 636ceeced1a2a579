"""What a lane does about a photo that is deleted before, after or while it is copied."""

import pytest

from regions.events.set_aside import NotYet
from regions.records import Tombstone
from regions.residency.rules import Rules
from regions.stores.objects import RAW, raw_key


def test_a_deletion_removes_the_copy_forever(regions):
    """The destination has the tombstone, without the owner's id, and the home has no record of a replica any more."""
    photo, event = regions.add_photo("eu-west")
    lane = regions.lane("eu-west", "eu-central")
    lane.handle_ready(event)
    regions.confirm_deletion(lane, regions.delete(photo))
    catalog = regions.stores["eu-central"].catalog
    assert "eu-central" not in regions.files_of(photo)
    assert catalog.photos.get(photo.photo_id) is None
    assert catalog.tombstones.get(photo.photo_id) == Tombstone(photo.photo_id, "", event.at_ms)
    assert regions.replicas(photo) == []


def raw_of(regions, photo) -> bytes:
    with regions.stores[photo.home_region].objects.open(RAW, raw_key(photo.photo_id)) as chunks:
        return b"".join(chunks)


@pytest.mark.parametrize("moment", ["before_put", "after_put"])
def test_a_deletion_in_the_middle_of_a_copy_wins(regions, moment):
    """The lane deletes at the destination just before or just after another process puts the first object there.

    What that one has brought is gone when it ends. It does not wait: the deletion's own event asks again.
    """
    photo, event = regions.add_photo("eu-west")
    deletions = []

    def delete_once():
        if not deletions:
            deletions.append(regions.delete(photo))
            with pytest.raises(NotYet):
                regions.lane("eu-west", "eu-central").handle_deleted(deletions[0])

    regions.hook("eu-central", **{moment: delete_once})
    lane = regions.lane("eu-west", "eu-central")
    lane.handle_ready(event)
    assert "eu-central" not in regions.files_of(photo)
    regions.confirm_deletion(lane, deletions[0])
    assert "eu-central" not in regions.files_of(photo)
    assert regions.stores["eu-central"].catalog.photos.get(photo.photo_id) is None
    assert regions.replicas(photo) == []


def test_a_copy_that_fails_because_of_a_deletion_leaves_nothing(regions):
    """The raw is erased at home after variants were copied, so that copying it fails."""
    photo, event = regions.add_photo("eu-west")

    def delete_at_home():
        if regions.stores["eu-west"].catalog.tombstones.get(photo.photo_id) is None:
            regions.delete(photo)
            regions.stores["eu-west"].objects.delete(RAW, raw_key(photo.photo_id))

    regions.hook("eu-central", after_put=delete_at_home)
    regions.lane("eu-west", "eu-central").handle_ready(event)
    assert "eu-central" not in regions.files_of(photo)


def test_a_photo_that_is_deleted_is_not_set_aside_while_something_of_it_may_arrive(regions):
    """Nothing of it would be lost with its home. Only its deletion waits, of which there is always an event."""
    photo, event = regions.add_photo("eu-west")
    lane = regions.lane("eu-west", "eu-central")
    lane.handle_ready(event)
    deletion = regions.delete(photo)
    lane.handle_ready(event)
    assert "eu-central" not in regions.files_of(photo)
    with pytest.raises(NotYet):
        lane.handle_deleted(deletion)
    assert regions.replicas(photo) == [("eu-central", True, True)]
    regions.confirm_deletion(lane, deletion)
    assert regions.replicas(photo) == []


def test_a_copy_that_goes_on_after_its_deletion_was_confirmed_brings_nothing(regions):
    """Its process was suspended with URLs that have run out; the deletion asks no more. Home keeps no record either."""
    photo, event = regions.add_photo("eu-west")

    def delete_and_confirm():
        if regions.stores["eu-west"].catalog.tombstones.get(photo.photo_id) is None:
            regions.confirm_deletion(regions.lane("eu-west", "eu-central"), regions.delete(photo))

    regions.hook("eu-central", before_put=delete_and_confirm)
    regions.lane("eu-west", "eu-central").handle_ready(event)
    assert "eu-central" not in regions.files_of(photo)
    assert regions.stores["eu-central"].catalog.photos.get(photo.photo_id) is None
    assert regions.replicas(photo) == []


def test_the_next_delivery_erases_what_a_killed_process_copied_of_a_deleted_photo(regions):
    """The process stored an object after the deletion was done, and was killed before it checked for the tombstone."""
    photo, event = regions.add_photo("eu-west")
    lane = regions.lane("eu-west", "eu-central")
    lane.handle_deleted(regions.delete(photo))
    chunks = [raw_of(regions, photo)]
    regions.stores["eu-central"].objects.put(RAW, raw_key(photo.photo_id), chunks, photo.sha256, photo.content_type)
    assert regions.files_of(photo)["eu-central"] == {"raw"}
    lane.handle_ready(event)
    assert "eu-central" not in regions.files_of(photo)


def test_a_photo_deleted_before_it_was_copied_gets_a_tombstone_at_the_destination(regions):
    """Even if its `photo_ready` is handled first; no object is put."""
    photo, event = regions.add_photo("eu-west")
    regions.delete(photo)
    puts = []
    regions.hook("eu-central", before_put=lambda: puts.append(1))
    regions.lane("eu-west", "eu-central").handle_ready(event)
    assert puts == []
    assert regions.stores["eu-central"].catalog.tombstones.get(photo.photo_id) is not None


def test_a_deletion_needs_no_statement(regions):
    """Nothing may delay it."""
    photo, event = regions.add_photo("eu-west")
    lane = regions.lane("eu-west", "eu-central")
    lane.handle_ready(event)
    regions.rules["eu-west"] = Rules(None, (), leased=False)
    regions.confirm_deletion(lane, regions.delete(photo))
    assert "eu-central" not in regions.files_of(photo)
