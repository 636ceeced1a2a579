"""The known-bad list on its way to workers: each version once, and never another than the job names."""

import asyncio
import pickle

import pytest

from processing.known_bad import HashList, Publisher, WorkerLists
from processing.moderation import EMPTY, parse
from regions.errors import Unavailable

LISTS = [parse(f"sha256 {number:064x}") for number in range(1, 7)]


class LocalActor:
    """An actor in this process, whose calls are counted; `die` replaces it by a new one."""

    def __init__(self, kind=HashList) -> None:
        self._kind, self.calls = kind, []
        self.die()

    def die(self) -> None:
        self.object = self._kind()

    async def call(self, method, *arguments):
        self.calls.append(method)
        await asyncio.sleep(0)
        return getattr(self.object, method)(*arguments)


class Fetches:
    def __init__(self, actor: HashList) -> None:
        self._actor, self.versions = actor, []

    def __call__(self, region, version):
        self.versions.append(version)
        return self._actor.get(version)


def test_lists_with_the_same_content_have_one_version():
    """And others another; without entries it is that of the empty list."""
    assert parse("sha256 " + "a" * 64).version == parse("sha256 " + "a" * 64).version
    assert len({known_bad.version for known_bad in LISTS}) == len(LISTS)
    assert parse("# nothing yet").version == EMPTY.version


def test_a_list_is_published_once_for_many_photos():
    """Also if they all come at the same moment."""
    actor = LocalActor()

    async def publish_often():
        publisher = Publisher(actor)
        await asyncio.gather(*(publisher.publish(LISTS[0]) for _ in range(50)))
        await publisher.publish(LISTS[0])

    asyncio.run(publish_often())
    assert actor.calls == ["put"]


def test_an_actor_that_was_made_again_gets_the_list_again():
    """The first look finds that, and brings it."""
    actor = LocalActor()

    async def lose_the_actor():
        publisher = Publisher(actor)
        await publisher.publish(LISTS[0])
        actor.die()
        await publisher.run_once()
        await publisher.run_once()

    asyncio.run(lose_the_actor())
    assert actor.object.get(LISTS[0].version) == LISTS[0]
    assert actor.calls == ["put", "keep", "put", "keep"]


def test_the_actor_keeps_the_last_four_lists():
    """Processors may read different ones for a moment; one that is still in use stays."""
    actor = HashList()
    for known_bad in LISTS[:4]:
        actor.put(known_bad)
    assert actor.keep(LISTS[0].version)
    for known_bad in LISTS[4:]:
        actor.put(known_bad)
    assert [actor.get(known_bad.version) is not None for known_bad in LISTS] == [True, False, False, True, True, True]


def test_a_worker_fetches_a_list_once():
    """And keeps the last two."""
    actor = HashList()
    for known_bad in LISTS[:3]:
        actor.put(known_bad)
    fetches = Fetches(actor)
    lists = WorkerLists(fetches)
    for number in (0, 1, 0, 1, 2, 1, 0):
        assert lists.get("eu-west", LISTS[number].version) == LISTS[number]
    assert fetches.versions == [LISTS[number].version for number in (0, 1, 2, 0)]


def test_a_worker_without_the_list_lets_the_photo_wait():
    """It does not take another one instead."""
    lists = WorkerLists(lambda region, version: None)
    with pytest.raises(Unavailable):
        lists.get("eu-west", LISTS[0].version)


def test_each_region_has_lists_of_its_own():
    """Regions may share workers."""
    lists = WorkerLists(lambda region, version: LISTS[0] if region == "eu-west" else None)
    assert lists.get("eu-west", LISTS[0].version) == LISTS[0]
    with pytest.raises(Unavailable):
        lists.get("us-east", LISTS[0].version)


def test_the_empty_list_needs_no_actor():
    """Every worker has it."""
    assert WorkerLists(None).get("eu-west", EMPTY.version) == EMPTY


def test_a_request_is_small_whatever_the_list(room, draw):
    """It has the version of the list only."""
    photo, _ = room.uploaded(draw(1))
    known_bad = parse("\n".join(f"phash {number:064x}" for number in range(7_000)))
    assert len(pickle.dumps(room.request(photo, known_bad))) < 2_000 < 200_000 < len(pickle.dumps(known_bad))
