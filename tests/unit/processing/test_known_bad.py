"""The known-bad list on its way to workers: each version once, and never another than the job names."""

import asyncio
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

from processing.known_bad import HashList, Publisher, WorkerLists
from processing.moderation import EMPTY, parse
from regions.errors import Unavailable
from regions.stores.settings import Setting
from tests.builders.local_actor import CountedActor

LISTS = [parse(f"sha256 {number:064x}") for number in range(1, 7)]


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


class CountedSetting:
    """The setting with the list, which counts how often it is read."""

    def __init__(self, text: str) -> None:
        self.text, self.reads = text, 0
        self.hangs = lambda: None

    def read(self, name):
        self.reads += 1
        self.hangs()
        return Setting(self.text, 1)


class APublisher:
    """A publisher with a clock that stands still, and its actor."""

    def __init__(self, text: str, threads) -> None:
        self.settings, self.actor, self.now_s = CountedSetting(text), CountedActor(HashList()), 0.0
        self.publisher = Publisher(self.actor, self.settings.read, threads, lambda: self.now_s)


@pytest.fixture
def published():
    with ThreadPoolExecutor(2) as threads:
        yield lambda text: APublisher(text, threads)


def test_a_list_is_read_and_published_once_for_many_photos(published):
    """Also if they all come at the same moment."""
    one = published("sha256 " + "1" * 64)

    async def ask_often():
        versions = await asyncio.gather(*(one.publisher.version() for _ in range(50)))
        return {*versions, await one.publisher.version()}

    assert asyncio.run(ask_often()) == {parse(one.settings.text).version}
    assert (one.settings.reads, one.actor.calls) == (1, ["put"])


def test_a_changed_list_counts_from_the_next_second_on(published):
    """It is published before the first photo is judged by it."""
    one = published("")

    async def change():
        first = await one.publisher.version()
        one.settings.text = "sha256 " + "1" * 64
        assert await one.publisher.version() == first
        one.now_s = 1.0
        return await one.publisher.version()

    assert one.actor.object.get(asyncio.run(change())) == parse(one.settings.text)


def test_settings_that_hang_are_not_asked_again_at_once(published):
    """Otherwise each photo would wait for them, in its turn."""
    one = published("# nothing yet")

    async def scenario():
        await one.publisher.version()
        one.settings.hangs = lambda: setattr(one, "now_s", one.now_s + 3.0)
        for _ in range(4):
            one.now_s += 0.3
            await one.publisher.version()

    asyncio.run(scenario())
    assert one.settings.reads == 2


def test_photos_wait_while_a_changed_list_is_unreadable(published):
    """Also those that came before the change."""
    one = published("")

    async def change():
        await one.publisher.version()
        one.settings.text, one.now_s = "sha256 oops", 1.0
        with pytest.raises(Unavailable, match="line 1"):
            await one.publisher.version()

    asyncio.run(change())


def test_an_actor_that_was_made_again_gets_the_list_again(published):
    """The first look finds that, and brings it."""
    one = published("sha256 " + "1" * 64)

    async def lose_the_actor():
        await one.publisher.version()
        one.actor.object = HashList()
        await one.publisher.run_once()
        await one.publisher.run_once()

    asyncio.run(lose_the_actor())
    known_bad = parse(one.settings.text)
    assert one.actor.object.get(known_bad.version) == known_bad
    assert one.actor.calls == ["put", "keep", "put", "keep"]


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
