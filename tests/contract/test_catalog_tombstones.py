"""A tombstone wins over everything, in every catalog and in every order of writes."""

from dataclasses import replace
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regions.events.messages import photo_deleted
from regions.records import Comment, Replica, Status, Tombstone

WRITES = {
    "create": lambda catalog, sample, photo: sample.create(photo),
    "discard": lambda catalog, sample, photo: catalog.uploads.discard(photo.photo_id),
    "update": lambda catalog, sample, photo: catalog.photos.update(
        replace(photo, status=Status.READY), set(Status), sample.event(photo)
    ),
    "put_replica_metadata": lambda catalog, sample, photo: catalog.photos.put_replica_metadata(
        replace(photo, status=Status.READY)
    ),
    "like": lambda catalog, sample, photo: catalog.likes.add(photo.photo_id, sample.user_id(2), 1),
    "comment": lambda catalog, sample, photo: catalog.comments.add(
        Comment(sample.comment_id(1), photo.photo_id, sample.user_id(2), "nice", 1)
    ),
    "put_replica": lambda catalog, sample, photo: catalog.replicas.put(
        Replica(photo.photo_id, "us-east", True, True, "policy.yaml:24", "3", 1)
    ),
    "delete": lambda catalog, sample, photo: catalog.photos.delete(sample.tombstone(photo), photo_deleted(photo, 9)),
}
"""Everything that can be written about one photo."""

fresh_numbers = count(100)


def is_gone(catalog, photo) -> bool:
    return (
        catalog.photos.get(photo.photo_id) is None
        and catalog.photos.summaries([photo.photo_id]) == {}
        and catalog.photos.by_owner(photo.owner_id, None, 10) == []
        and catalog.uploads.get(photo.photo_id) is None
        and catalog.likes.page(photo.photo_id, None, 10) == []
        and catalog.comments.page(photo.photo_id, None, 10) == []
    )


def test_deleting_removes_everything_about_the_photo(catalog, sample):
    """Metadata, upload, likes and comments. Another photo keeps its own."""
    photo, other = sample.create_ready(1), sample.create_ready(2, owner=9)
    for name in ("like", "comment"):
        WRITES[name](catalog, sample, photo)
        WRITES[name](catalog, sample, other)
    assert catalog.photos.delete(sample.tombstone(photo), None)
    assert is_gone(catalog, photo)
    assert catalog.photos.get(other.photo_id) == other
    assert len(catalog.likes.page(other.photo_id, None, 10)) == 1
    assert len(catalog.comments.page(other.photo_id, None, 10)) == 1


def test_replicas_are_still_known_after_the_deletion(catalog, sample):
    """Until each is erased: otherwise it would not be known where to erase."""
    photo = sample.create_ready(1)
    WRITES["put_replica"](catalog, sample, photo)
    catalog.photos.delete(sample.tombstone(photo), None)
    assert [replica.region for replica in catalog.replicas.of_photo(photo.photo_id)] == ["us-east"]
    catalog.replicas.remove(photo.photo_id, "us-east")
    assert catalog.replicas.of_photo(photo.photo_id) == []


@pytest.mark.parametrize("name", WRITES)
def test_a_write_after_the_tombstone_does_nothing(catalog, sample, name):
    """Whichever write it is; and it leaves no event."""
    photo = sample.create_ready(1)
    catalog.photos.delete(sample.tombstone(photo), None)
    WRITES[name](catalog, sample, photo)
    assert is_gone(catalog, photo)
    assert catalog.replicas.of_photo(photo.photo_id) == []
    assert catalog.outbox.pending(10) == []


def test_an_update_after_the_tombstone_returns_false(catalog, sample):
    """So that the process that rendered the photo removes the objects that it stored."""
    photo = sample.create_ready(1)
    catalog.photos.delete(sample.tombstone(photo), None)
    assert catalog.photos.update(photo, set(Status), sample.event(photo)) is False


@pytest.mark.parametrize("status", Status)
def test_a_photo_can_be_deleted_in_any_status(catalog, sample, status):
    """With its event in the outbox."""
    photo = replace(sample.photo(1), status=status)
    catalog.photos.put_replica_metadata(photo)
    assert catalog.photos.delete(sample.tombstone(photo), photo_deleted(photo, 9))
    assert is_gone(catalog, photo)
    assert catalog.outbox.pending(10) == [photo_deleted(photo, 9)]


def test_an_unknown_photo_can_be_deleted(catalog, sample):
    """Its tombstone may arrive from another region before any copy does."""
    photo = sample.photo(1)
    assert catalog.photos.delete(sample.tombstone(photo), None)
    catalog.photos.put_replica_metadata(photo)
    assert catalog.photos.get(photo.photo_id) is None


def test_the_second_deletion_changes_nothing(catalog, sample):
    """It returns False, keeps the first tombstone and leaves no event."""
    photo = sample.create_ready(1)
    first = sample.tombstone(photo)
    assert catalog.photos.delete(first, photo_deleted(photo, 9))
    assert not catalog.photos.delete(replace(first, deleted_at_ms=1000), photo_deleted(photo, 1000))
    assert catalog.tombstones.get(photo.photo_id) == first
    assert [entry.tombstone for entry in catalog.tombstones.after(0, 10)] == [first]
    assert catalog.outbox.pending(10) == [photo_deleted(photo, 9)]


def test_a_photo_that_was_not_deleted_has_no_tombstone(catalog, sample):
    """Nor has an unknown one."""
    assert catalog.tombstones.get(sample.create_ready(1).photo_id) is None
    assert catalog.tombstones.get("' OR 1=1 --") is None


def test_tombstones_come_in_the_order_of_arrival(catalog, sample):
    """Not in that of ids or times. Positions start at 1 and grow."""
    deletions = [Tombstone(sample.photo_id(number), sample.user_id(1), 10 - number) for number in (3, 1, 2)]
    for tombstone in deletions:
        catalog.photos.delete(tombstone, None)
    found = catalog.tombstones.after(0, 10)
    assert [entry.tombstone for entry in found] == deletions
    positions = [entry.position for entry in found]
    assert positions[0] == 1
    assert positions == sorted(set(positions))


def test_tombstones_are_paged_by_position(catalog, sample):
    """Without gap or repetition, and with nothing after the last."""
    for number in range(5):
        catalog.photos.delete(sample.tombstone(sample.photo(number)), None)
    found, position = [], 0
    while page := catalog.tombstones.after(position, 2):
        found += [entry.tombstone.photo_id for entry in page]
        position = page[-1].position
    assert found == [sample.photo_id(number) for number in range(5)]


@pytest.mark.parametrize("position", [-1, -(1 << 80), 1 << 62, 1 << 80])
def test_a_strange_position_is_harmless(catalog, sample, position):
    """A position below the first returns all tombstones, one beyond the last returns none."""
    catalog.photos.delete(sample.tombstone(sample.photo(1)), None)
    assert len(catalog.tombstones.after(position, 10)) == (1 if position < 0 else 0)


@given(before=st.lists(st.sampled_from(sorted(WRITES))), after=st.lists(st.sampled_from(sorted(WRITES))))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_tombstone_wins_over_all_writes_before_and_after_it(catalog, sample, before, after):
    """For any sequence of writes."""
    photo = sample.photo(next(fresh_numbers))
    for name in [*before, "delete", *after]:
        WRITES[name](catalog, sample, photo)
    assert is_gone(catalog, photo)
    assert catalog.tombstones.get(photo.photo_id) == sample.tombstone(photo)
