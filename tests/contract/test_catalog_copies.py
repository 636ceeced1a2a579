"""Copies of other regions' records, in every catalog: the highest version stays, and a photo's tombstone wins."""

from dataclasses import replace
from itertools import permutations

import pytest

from regions.records import Tombstone
from regions.stores.catalog import RecordCopy
from tests.builders.samples import all_copies


@pytest.fixture
def like(sample) -> RecordCopy:
    return RecordCopy("eu-west", "like", sample.photo_id(1), sample.user_id(2), 5, '{"at": "sea"}')


@pytest.fixture
def user(sample) -> RecordCopy:
    return RecordCopy("eu-west", "user", sample.user_id(1), "", 5, "{}")


def test_a_copy_is_kept_as_it_came(catalog, open_catalog, like, user):
    """For every process to see."""
    assert catalog.copies.put([like, user]) == [None, None]
    assert all_copies(open_catalog(), "eu-west", "like") == [like]
    assert all_copies(open_catalog(), "eu-west", "user") == [user]


@pytest.mark.parametrize("order", list(permutations([5, 6, 7])))
def test_the_highest_version_stays(catalog, user, order):
    """In whatever order the versions come; who comes too late hears of it."""
    highest = 0
    for version in order:
        highest = max(highest, version)
        kept = catalog.copies.put([replace(user, version=version, document=str(version))])
        assert kept == [None if version == highest else highest]
    assert all_copies(catalog, "eu-west", "user") == [replace(user, version=7, document="7")]


def test_a_copy_may_come_twice(catalog, like):
    assert [catalog.copies.put([like]) for _ in range(2)] == [[None], [None]]


@pytest.mark.parametrize("documents", [("a", "b"), ("b", "a"), ("a", None), (None, "a")])
def test_of_two_with_one_version_either_stays(catalog, user, documents):
    """And who has not put that one hears of it, so that nobody believes in vain to be the last."""
    copies = [replace(user, document=document) for document in documents]
    answers = [catalog.copies.put([copy]) for copy in copies]
    answers = [catalog.copies.put([copy]) for copy in copies]
    [kept] = all_copies(catalog, "eu-west", "user")
    assert kept in copies
    assert answers == [[None] if copy == kept else [5] for copy in copies]


def test_a_record_that_is_gone_stays_so_for_older_versions(catalog, user):
    """And may be there again in a newer one, as a like may."""
    gone = replace(user, version=6, document=None)
    assert catalog.copies.put([gone]) == [None]
    assert catalog.copies.put([user]) == [6]
    assert all_copies(catalog, "eu-west", "user") == [gone]
    back = replace(user, version=7)
    assert catalog.copies.put([back]) == [None]
    assert all_copies(catalog, "eu-west", "user") == [back]


def test_many_versions_at_once_leave_the_highest(catalog, open_catalog, like, threads):
    """Of threads that share a handle, and others. In one call, too."""
    handles = [catalog, open_catalog()]

    def put(number: int) -> None:
        first, second = 37 * number % 100, 53 * number % 100
        copies = [replace(like, version=one + 1, document=str(one + 1)) for one in (first, second)]
        handles[number % 2].copies.put(copies)

    list(threads.map(put, range(100)))
    assert all_copies(catalog, "eu-west", "like") == [replace(like, version=100, document="100")]


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_a_walk_has_every_record_of_a_home_and_kind(catalog, sample, like, limit):
    """Several of one photo, too, and nothing of another home or kind. Gone ones are listed as gone."""
    ours = [
        replace(like, about=sample.photo_id(photo), part=sample.user_id(user), document=None if user == 3 else "{}")
        for photo in range(4)
        for user in range(4)
    ]
    others = [replace(one, home="us-central", about=sample.photo_id(99)) for one in ours[:4]]
    others += [replace(one, kind="comment", part=sample.comment_id(number)) for number, one in enumerate(ours)]
    catalog.copies.put([*ours, *others])
    assert all_copies(catalog, "eu-west", "like", limit) == sorted(ours, key=lambda one: (one.about, one.part))
    assert all_copies(catalog, "asia", "like", limit) == []


def test_nothing_about_a_deleted_photo_is_kept(catalog, sample, like, user):
    """Neither what came before the tombstone nor what comes after it, however high its version."""
    other = replace(like, about=sample.photo_id(2))
    comment = replace(like, kind="comment", part=sample.comment_id(3))
    catalog.copies.put([like, comment, other, user])
    catalog.photos.delete(Tombstone(like.about, "", 1), None)
    assert catalog.copies.put([replace(like, version=9), replace(comment, version=9, document=None)]) == [None, None]
    assert all_copies(catalog, "eu-west", "like") == [other]
    assert all_copies(catalog, "eu-west", "comment") == []
    assert all_copies(catalog, "eu-west", "user") == [user]


def test_a_deletion_and_a_copy_at_once_leave_nothing(catalog, sample, like, threads):
    """Whichever comes first."""
    copies = [replace(like, about=sample.photo_id(number)) for number in range(16)]
    put = [threads.submit(catalog.copies.put, [copy]) for copy in copies]
    deleted = [threads.submit(catalog.photos.delete, Tombstone(copy.about, "", 1), None) for copy in copies]
    assert all(one.result() == [None] for one in put) and all(one.result() for one in deleted)
    assert all_copies(catalog, "eu-west", "like") == []


def test_nothing_is_put_for_nothing(catalog):
    assert catalog.copies.put([]) == []
