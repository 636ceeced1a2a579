"""A tombstone wins over everything, in every catalog and in every order of writes."""

from dataclasses import replace
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regions.events.messages import photo_deleted
from regions.records import Comment, Replica, Status, Tombstone

WRITES = {
    "begin_photo": lambda catalog, made, photo: made.begin(photo),
    "abandon_photo": lambda catalog, made, photo: catalog.uploads.discard(photo.photo_id),
    "change_photo": lambda catalog, made, photo: catalog.photos.update(
        replace(photo, status=Status.READY), set(Status), made.event(photo)
    ),
    "keep_copy": lambda catalog, made, photo: catalog.photos.put_replica_metadata(replace(photo, status=Status.READY)),
    "like": lambda catalog, made, photo: catalog.likes.add(photo.photo_id, made.user_id(2), 1),
    "add_comment": lambda catalog, made, photo: catalog.comments.add(
        Comment(made.comment_id(1), photo.photo_id, made.user_id(2), "nice", 1)
    ),
    "record_replica": lambda catalog, made, photo: catalog.replicas.put(
        Replica(photo.photo_id, "us-east", True, True, "policy.yaml:24", "3", 1)
    ),
    "delete": lambda catalog, made, photo: catalog.photos.delete(made.tombstone(photo), photo_deleted(photo, 9)),
}
"""Everything that can be written about one photo."""

fresh_numbers = count(100)


def nothing_is_known_of(catalog, photo) -> bool:
    return (
        catalog.photos.get(photo.photo_id) is None
        and catalog.photos.get_many([photo.photo_id]) == {}
        and catalog.photos.by_owner(photo.owner_id, None, 10) == []
        and catalog.uploads.get(photo.photo_id) is None
        and catalog.likes.page(photo.photo_id, None, 10) == []
        and catalog.comments.page(photo.photo_id, None, 10) == []
    )


def test_burying_deletes_all_about_the_photo(catalog, made):
    """Metadata, upload, likes and comments; and another photo keeps its own."""
    photo, other = made.ready(1), made.ready(2, owner=9)
    for name in ("like", "add_comment"):
        WRITES[name](catalog, made, photo)
        WRITES[name](catalog, made, other)
    assert catalog.photos.delete(made.tombstone(photo), None)
    assert nothing_is_known_of(catalog, photo)
    assert catalog.photos.get(other.photo_id) == other
    assert (
        len(catalog.likes.page(other.photo_id, None, 10)) == len(catalog.comments.page(other.photo_id, None, 10)) == 1
    )


def test_replicas_are_remembered_behind_a_tombstone(catalog, made):
    """Until each is erased: else nobody would know where to erase."""
    photo = made.ready(1)
    WRITES["record_replica"](catalog, made, photo)
    catalog.photos.delete(made.tombstone(photo), None)
    assert [replica.region for replica in catalog.replicas.of_photo(photo.photo_id)] == ["us-east"]
    catalog.replicas.remove(photo.photo_id, "us-east")
    assert catalog.replicas.of_photo(photo.photo_id) == []


@pytest.mark.parametrize("name", WRITES)
def test_a_write_behind_a_tombstone_does_nothing(catalog, made, name):
    """Whichever it is; and it tells nothing."""
    photo = made.ready(1)
    catalog.photos.delete(made.tombstone(photo), None)
    WRITES[name](catalog, made, photo)
    assert nothing_is_known_of(catalog, photo)
    assert catalog.replicas.of_photo(photo.photo_id) == []
    assert catalog.outbox.pending(10) == []


def test_a_change_behind_a_tombstone_says_that_it_failed(catalog, made):
    """So that the process that rendered the photo removes its objects."""
    photo = made.ready(1)
    catalog.photos.delete(made.tombstone(photo), None)
    assert catalog.photos.update(photo, set(Status), made.event(photo)) is False


@pytest.mark.parametrize("status", Status)
def test_a_photo_can_be_buried_in_any_status(catalog, made, status):
    """With its event in the outbox."""
    photo = replace(made.photo(1), status=status)
    catalog.photos.put_replica_metadata(photo)
    assert catalog.photos.delete(made.tombstone(photo), photo_deleted(photo, 9))
    assert nothing_is_known_of(catalog, photo)
    assert catalog.outbox.pending(10) == [photo_deleted(photo, 9)]


def test_a_photo_that_never_was_here_can_be_buried(catalog, made):
    """Its tombstone may come from another region before any copy does."""
    photo = made.photo(1)
    assert catalog.photos.delete(made.tombstone(photo), None)
    catalog.photos.put_replica_metadata(photo)
    assert catalog.photos.get(photo.photo_id) is None


def test_burying_twice_is_once(catalog, made):
    """The second returns False, leaves the first tombstone and tells nothing."""
    photo = made.ready(1)
    first = made.tombstone(photo)
    assert catalog.photos.delete(first, photo_deleted(photo, 9))
    assert not catalog.photos.delete(replace(first, deleted_at_ms=1000), photo_deleted(photo, 1000))
    assert catalog.tombstones.get(photo.photo_id) == first
    assert [entry.tombstone for entry in catalog.tombstones.after(0, 10)] == [first]
    assert catalog.outbox.pending(10) == [photo_deleted(photo, 9)]


def test_a_living_photo_has_no_tombstone(catalog, made):
    """Nor has an unknown one."""
    assert catalog.tombstones.get(made.ready(1).photo_id) is None
    assert catalog.tombstones.get("' OR 1=1 --") is None


def test_tombstones_come_in_the_order_of_arrival(catalog, made):
    """Not in that of ids or times; positions begin at 1 and grow."""
    deletions = [Tombstone(made.photo_id(number), made.user_id(1), 10 - number) for number in (3, 1, 2)]
    for tombstone in deletions:
        catalog.photos.delete(tombstone, None)
    found = catalog.tombstones.after(0, 10)
    assert [entry.tombstone for entry in found] == deletions
    positions = [entry.position for entry in found]
    assert positions[0] == 1
    assert positions == sorted(set(positions))


def test_tombstones_are_read_on_from_a_position(catalog, made):
    """A page at a time, without gap or repetition, and nothing after the last."""
    for number in range(5):
        catalog.photos.delete(made.tombstone(made.photo(number)), None)
    found, position = [], 0
    while page := catalog.tombstones.after(position, 2):
        found += [entry.tombstone.photo_id for entry in page]
        position = page[-1].position
    assert found == [made.photo_id(number) for number in range(5)]


@pytest.mark.parametrize("position", [-1, -(1 << 80), 1 << 62, 1 << 80])
def test_a_strange_position_is_harmless(catalog, made, position):
    """Below the first it means all, beyond the last none."""
    catalog.photos.delete(made.tombstone(made.photo(1)), None)
    assert len(catalog.tombstones.after(position, 10)) == (1 if position < 0 else 0)


@given(before=st.lists(st.sampled_from(sorted(WRITES))), after=st.lists(st.sampled_from(sorted(WRITES))))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_before_and_after_a_burial_is_gone(catalog, made, before, after):
    """The law, for any sequence of writes."""
    photo = made.photo(next(fresh_numbers))
    for name in [*before, "delete", *after]:
        WRITES[name](catalog, made, photo)
    assert nothing_is_known_of(catalog, photo)
    assert catalog.tombstones.get(photo.photo_id) == made.tombstone(photo)
