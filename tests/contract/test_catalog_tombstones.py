"""A tombstone wins over everything, in every catalog and in every order of writes."""

from dataclasses import replace
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regions.events.messages import photo_deleted
from regions.records import Comment, Replica, Status, Tombstone
from regions.stores.catalog import TombstoneEntry

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
    assert [entry.tombstone for entry in catalog.tombstones.after({}, 10).entries] == [first]
    assert catalog.outbox.pending(10) == [photo_deleted(photo, 9)]


def test_a_photo_that_was_not_deleted_has_no_tombstone(catalog, sample):
    """Nor has an unknown one."""
    assert catalog.tombstones.get(sample.create_ready(1).photo_id) is None
    assert catalog.tombstones.get("' OR 1=1 --") is None


def read_all(catalog, limit: int, cursors: dict[int, int] | None = None) -> list[TombstoneEntry]:
    """Page after page, as a reader does that has read up to these cursors."""
    cursors, found = dict(cursors or {}), []
    while page := catalog.tombstones.after(cursors, limit).entries:
        assert len(page) <= limit
        found += page
        cursors |= {entry.chain: entry.position for entry in page}
    return found


def delete(catalog, sample, number: int) -> str:
    tombstone = sample.tombstone(sample.photo(number))
    assert catalog.photos.delete(tombstone, None)
    return tombstone.photo_id


def test_tombstones_of_one_process_come_in_the_order_of_arrival(catalog, sample):
    """Not in that of ids or times. They are in one chain, in which positions start at 1 and grow."""
    deletions = [Tombstone(sample.photo_id(number), sample.user_id(1), 10 - number) for number in (3, 1, 2)]
    for tombstone in deletions:
        catalog.photos.delete(tombstone, None)
    found = catalog.tombstones.after({}, 10).entries
    assert [entry.tombstone for entry in found] == deletions
    assert len({entry.chain for entry in found}) == 1
    positions = [entry.position for entry in found]
    assert positions[0] == 1
    assert positions == sorted(set(positions))


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_tombstones_of_several_processes_are_paged_by_a_cursor_for_each_chain(catalog, open_catalog, sample, limit):
    """Without omission or repetition, and each process's in their order; each page within the limit."""
    catalogs = [catalog, open_catalog(), open_catalog()]
    deleted = [delete(catalogs[number % 3], sample, number) for number in range(12)]
    found = [entry.tombstone.photo_id for entry in read_all(open_catalog(), limit)]
    assert sorted(found) == sorted(deleted)
    for process in range(3):
        own = deleted[process::3]
        assert [photo_id for photo_id in found if photo_id in own] == own


def test_a_reader_continues_after_its_cursors(catalog, open_catalog, sample):
    """Whichever process deletes next, also one that had deleted nothing before."""
    another = open_catalog()
    before = {delete(catalog, sample, 1), delete(another, sample, 2)}
    read = read_all(catalog, 10)
    assert {entry.tombstone.photo_id for entry in read} == before
    cursors = {entry.chain: entry.position for entry in read}
    assert catalog.tombstones.after(cursors, 10).entries == []
    after = {delete(open_catalog(), sample, 3), delete(another, sample, 4)}
    assert {entry.tombstone.photo_id for entry in read_all(catalog, 10, cursors)} == after


def test_no_tombstone_is_skipped_while_many_threads_of_many_processes_delete(catalog, open_catalog, sample, threads):
    """By a reader that reads at the same time, with pages too small for what arrives."""
    writers = [open_catalog() for _ in range(3)]
    deletions = [threads.submit(delete, writers[number % 3], sample, number) for number in range(60)]
    cursors, found = {}, []
    while not all(deletion.done() for deletion in deletions):
        page = catalog.tombstones.after(cursors, 3).entries
        found += page
        cursors |= {entry.chain: entry.position for entry in page}
    found += read_all(catalog, 3, cursors)
    assert sorted(entry.tombstone.photo_id for entry in found) == sorted(deletion.result() for deletion in deletions)
    assert len({(entry.chain, entry.position) for entry in found}) == len(found)


def test_a_tombstone_is_listed_before_the_deletion_returns(catalog, open_catalog, sample):
    """For a reader in another process too."""
    reader, cursors = open_catalog(), {}
    for number in range(10):
        photo_id = delete(catalog, sample, number)
        [entry] = reader.tombstones.after(cursors, 10).entries
        assert entry.tombstone.photo_id == photo_id
        cursors = {entry.chain: entry.position}


@pytest.mark.parametrize("position", [-1, -(1 << 80), 2, 1 << 62, 1 << 80])
def test_a_cursor_that_can_not_be_from_this_store_counts_as_0(catalog, sample, position):
    """As after the store was replaced. It is better to read a tombstone twice than not at all."""
    delete(catalog, sample, 1)
    [entry] = catalog.tombstones.after({}, 10).entries
    assert catalog.tombstones.after({entry.chain: position}, 10).entries == [entry]
    assert catalog.tombstones.after({entry.chain: entry.position, 1023: position, -1: 1}, 10).entries == []


@given(before=st.lists(st.sampled_from(sorted(WRITES))), after=st.lists(st.sampled_from(sorted(WRITES))))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_tombstone_wins_over_all_writes_before_and_after_it(catalog, sample, before, after):
    """For any sequence of writes."""
    photo = sample.photo(next(fresh_numbers))
    for name in [*before, "delete", *after]:
        WRITES[name](catalog, sample, photo)
    assert is_gone(catalog, photo)
    assert catalog.tombstones.get(photo.photo_id) == sample.tombstone(photo)
