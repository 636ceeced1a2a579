"""Which original of its owner a photo looks like: what the actor knows, and what processors ask it."""

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.moderation import DISTANCE_BITS
from processing.near_duplicates import NEWEST, Answer, Fingerprints, NearDuplicates, Question
from regions.records import Fingerprint, Photo, Status
from tests.builders.local_actor import CountedActor

ANA, BEN = "u_ana", "u_ben"
SUNSET = "f0" * 32


def differing(bits: int) -> str:
    """A hash so many bits from that of the sunset."""
    return f"{int(SUNSET, 16) ^ ((1 << bits) - 1):064x}"


def asked(actor: Fingerprints, *questions: tuple[str, str, str]) -> list[str | None]:
    return [answer.near_duplicate_of for answer in actor.find([Question(*question) for question in questions])]


@pytest.fixture
def actor():
    """It knows that two owners have nothing yet."""
    fingerprints = Fingerprints()
    fingerprints.teach([(ANA, []), (BEN, [])])
    return fingerprints


@pytest.mark.parametrize(("bits", "original"), [(0, "p_1"), (DISTANCE_BITS, "p_1"), (DISTANCE_BITS + 1, None)])
def test_a_photo_that_looks_the_same_is_a_near_duplicate(actor, bits, original):
    """Up to the distance at which moderation recognises a photo too."""
    assert asked(actor, (ANA, "p_1", SUNSET), (ANA, "p_2", differing(bits))) == [None, original]


def test_another_owners_photo_does_not_count(actor):
    """Two people may have been at the same place."""
    assert asked(actor, (ANA, "p_1", SUNSET), (BEN, "p_2", SUNSET)) == [None, None]


def test_the_most_similar_photo_is_named(actor):
    """And of equal ones the oldest."""
    photos = [("p_1", differing(99)), ("p_2", differing(40)), ("p_3", differing(0)), ("p_4", differing(20))]
    assert asked(actor, *((ANA, *photo) for photo in photos)) == [None, None, None, "p_2"]


def test_a_near_duplicate_is_not_named(actor):
    """Otherwise each could name the next, and the last would not look like the first."""
    photos = [("p_1", differing(0)), ("p_2", differing(30)), ("p_3", differing(20)), ("p_4", differing(50))]
    assert asked(actor, *((ANA, *photo) for photo in photos)) == [None, "p_1", "p_1", None]


@given(st.lists(st.sampled_from([f"p_{number}" for number in range(6)]), max_size=30))
def test_the_answer_about_a_photo_never_changes(photo_ids):
    """Events are delivered again, in any order. Of equal photos exactly one has no original."""
    actor = Fingerprints()
    actor.teach([(ANA, [])])
    answers = {}
    for photo_id in photo_ids:
        [answer] = asked(actor, (ANA, photo_id, SUNSET))
        assert answers.setdefault(photo_id, answer) == answer
    assert list(answers.values()).count(None) == min(1, len(answers))


def test_no_two_photos_are_near_duplicates_of_each_other_after_the_actor_has_died():
    """Only the second was recorded before everything died, so the first is asked about again."""
    actor = Fingerprints()
    actor.teach([(ANA, [Fingerprint("p_2", SUNSET, near_duplicate_of="p_1")])])
    assert asked(actor, (ANA, "p_1", SUNSET)) == [None]


def test_an_owner_whom_the_actor_does_not_know_must_be_taught(actor):
    """It says so, and answers about the others."""
    assert actor.find([Question("u_new", "p_1", SUNSET), Question(ANA, "p_2", SUNSET)]) == [None, Answer(None)]


def test_teaching_an_owner_again_loses_nothing(actor):
    """Two processors may do it at the same time, and one of them with an older list."""
    asked(actor, (ANA, "p_1", SUNSET))
    actor.teach([(ANA, [])])
    assert asked(actor, (ANA, "p_2", SUNSET)) == ["p_1"]


def test_hashes_of_older_versions_are_left_out():
    """They were shorter, so nothing can be compared with them."""
    actor = Fingerprints()
    actor.teach([(ANA, [Fingerprint("p_1", "f0" * 8)])])
    assert asked(actor, (ANA, "p_2", SUNSET)) == [None]


def test_a_photo_is_compared_with_the_newest_of_its_owner(actor):
    """With so many and no more."""
    looks = [f"{random.Random(number).getrandbits(256):064x}" for number in range(NEWEST + 1)]
    assert set(asked(actor, *((ANA, f"p_{number:04}", look) for number, look in enumerate(looks)))) == {None}
    assert asked(actor, (ANA, "p_9998", looks[1])) == ["p_0001"]
    assert asked(actor, (ANA, "p_9999", looks[0])) == [None]


def test_the_actor_forgets_who_was_not_asked_about_for_the_longest():
    """It has room for so many photos, of all owners."""
    actor = Fingerprints(most_photos=3)
    actor.teach([(ANA, []), (BEN, [])])
    asked(actor, (ANA, "p_1", SUNSET), (BEN, "p_2", SUNSET), (ANA, "p_3", differing(100)), (ANA, "p_4", differing(50)))
    assert actor.find([Question(BEN, "p_5", SUNSET)]) == [None]
    assert asked(actor, (ANA, "p_6", SUNSET)) == ["p_1"]


class Catalog:
    """The part of the catalog that is asked, with the photos of one owner."""

    def __init__(self, *photo_ids: str) -> None:
        self.photo_ids, self.loaded = list(photo_ids), 0
        self.status = Status.READY

    def get(self, photo_id):
        if photo_id not in self.photo_ids:
            return None
        return Photo(photo_id, ANA, "eu", "eu-west", self.status, "", 1, None, 1)

    def fingerprints(self, owner_id, limit):
        self.loaded += 1
        return [Fingerprint(photo_id, SUNSET) for photo_id in self.photo_ids]


def found(actor, catalog, *photo_ids: str) -> list[str | None]:
    async def find_all():
        duplicates = NearDuplicates(actor, catalog, threads)
        return await asyncio.gather(*(duplicates.find(ANA, photo_id, SUNSET) for photo_id in photo_ids))

    with ThreadPoolExecutor(2) as threads:
        return asyncio.run(find_all())


def test_photos_that_end_together_are_asked_about_together():
    """Their owner is loaded once, and the number of calls does not grow with theirs."""
    actor, catalog = CountedActor(Fingerprints()), Catalog("p_000")
    answers = found(actor, catalog, *(f"p_{number}" for number in range(100, 200)))
    assert set(answers) == {"p_000"}
    assert catalog.loaded == 1
    assert len(actor.calls) < 10


def test_photos_of_many_owners_are_asked_about_together():
    """The number of calls does not grow with their owners, whom the actor must be taught."""

    async def find_all():
        duplicates = NearDuplicates(actor, Catalog(), threads)
        await asyncio.gather(*(duplicates.find(f"u_{number}", f"p_{number}", SUNSET) for number in range(1_000)))

    actor = CountedActor(Fingerprints())
    with ThreadPoolExecutor(2) as threads:
        asyncio.run(find_all())
    assert len(actor.calls) < 50


def test_a_photo_that_was_deleted_is_not_named():
    """The next one like it is the first again."""
    actor, catalog = CountedActor(Fingerprints()), Catalog("p_1")
    assert found(actor, catalog, "p_2") == ["p_1"]
    catalog.photo_ids[:] = []
    assert found(actor, catalog, "p_3") == [None]


def test_many_deleted_photos_that_look_the_same_keep_nobody_waiting():
    """Each would be named in turn."""
    actor, catalog = CountedActor(Fingerprints()), Catalog(*(f"p_{number:02}" for number in range(30)))
    assert found(actor, catalog, "p_30") == ["p_00"]
    catalog.photo_ids[:] = []
    assert found(actor, catalog, "p_31") == [None]


@pytest.mark.parametrize("status", Status)
def test_a_photo_is_named_unless_it_has_failed(status):
    """It may have been listed, and then have failed; one that is still processed may well become ready."""
    actor, catalog = CountedActor(Fingerprints()), Catalog("p_1")
    catalog.status = status
    has_failed = status in (Status.FAILED, Status.REJECTED)
    assert found(actor, catalog, "p_2") == [None if has_failed else "p_1"]
