"""Which photos are buried, and since when we have not heard."""

import math

import pytest

from edge.tombstones import KnownTombstones
from regions.errors import BadGateway, NotFound, Unavailable


class Told:
    """A region's tombstones, two at a time, and a clock."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.purged: list[str] = []
        self.now_s = 100.0
        self.away = False

    def ask(self, region: str, after: int):
        if self.away:
            raise Unavailable("away")
        items = [{"photo_id": id, "position": at} for at, id in enumerate(self.ids, 1) if at > after][:2]
        return {"items": items, "last": items[-1]["position"] if items else after}


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def tombstones(told):
    return KnownTombstones(told.ask, told.purged.append, lambda: told.now_s)


def test_all_are_read_and_each_once(told, tombstones):
    """Over several pages, and then only what is new."""
    told.ids = ["a", "b", "c"]
    assert tombstones.run_once("eu-west") == 3
    told.ids.append("d")
    assert tombstones.run_once("eu-west") == 1
    assert told.purged == ["a", "b", "c", "d"]
    assert all(photo_id in tombstones for photo_id in told.ids)


def test_a_buried_photo_is_refused(told, tombstones):
    """404; others are not."""
    told.ids = ["a"]
    tombstones.run_once("eu-west")
    with pytest.raises(NotFound):
        tombstones.refuse("a")
    tombstones.refuse("b")


def test_silence_is_endless_until_the_last_tombstone_was_read_and_grows_then(told, tombstones):
    """Each region for itself; a failure does not reset it."""
    assert tombstones.tombstone_age_s("eu-west") == math.inf
    tombstones.run_once("eu-west")
    told.now_s, told.away = 140.0, True
    with pytest.raises(Unavailable):
        tombstones.run_once("eu-west")
    assert (tombstones.tombstone_age_s("eu-west"), tombstones.tombstone_age_s("us-central")) == (40.0, math.inf)


@pytest.mark.parametrize(
    "document", [None, [], {}, {"items": [{}], "last": 1}, {"items": [], "last": "x"}, {"items": 7, "last": 1}]
)
def test_what_are_no_tombstones_change_nothing(told, tombstones, document):
    """502, and nothing is purged."""
    with pytest.raises(BadGateway):
        tombstones.learn(document)
    assert told.purged == []
