"""Which photos are deleted, and how old the tombstones are."""

import math

import pytest

from edge.tombstones import KnownTombstones
from regions.errors import BadGateway, NotFound, Unavailable


class Source:
    """A region's tombstones, two on a page, and a clock."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.purged: list[str] = []
        self.now_s = 100.0
        self.unavailable = False

    def fetch(self, region: str, after: int):
        if self.unavailable:
            raise Unavailable("unavailable")
        items = [{"photo_id": id, "position": at} for at, id in enumerate(self.ids, 1) if at > after][:2]
        return {"items": items, "last": items[-1]["position"] if items else after}


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def tombstones(source):
    return KnownTombstones(source.fetch, source.purged.append, lambda: source.now_s)


def test_every_tombstone_is_read_once(source, tombstones):
    """Over several pages, and then only the new ones."""
    source.ids = ["a", "b", "c"]
    assert tombstones.run_once("eu-west") == 3
    source.ids.append("d")
    assert tombstones.run_once("eu-west") == 1
    assert source.purged == ["a", "b", "c", "d"]
    assert all(photo_id in tombstones for photo_id in source.ids)


def test_a_deleted_photo_is_not_found(source, tombstones):
    """404; other photos are not affected."""
    source.ids = ["a"]
    tombstones.run_once("eu-west")
    with pytest.raises(NotFound):
        tombstones.require_not_deleted("a")
    tombstones.require_not_deleted("b")


def test_the_age_is_infinite_until_the_last_tombstone_is_read_and_grows_from_then_on(source, tombstones):
    """Each region has its own; a failure does not reset it."""
    assert tombstones.tombstones_age_s("eu-west") == math.inf
    tombstones.run_once("eu-west")
    source.now_s, source.unavailable = 140.0, True
    with pytest.raises(Unavailable):
        tombstones.run_once("eu-west")
    assert (tombstones.tombstones_age_s("eu-west"), tombstones.tombstones_age_s("us-central")) == (40.0, math.inf)


@pytest.mark.parametrize(
    "document", [None, [], {}, {"items": [{}], "last": 1}, {"items": [], "last": "x"}, {"items": 7, "last": 1}]
)
def test_an_unreadable_document_changes_nothing(source, tombstones, document):
    """502, and nothing is purged."""
    with pytest.raises(BadGateway):
        tombstones.apply(document)
    assert source.purged == []
