"""What processors know of each other: what they do together, and shares that add up."""

import asyncio

import pytest

from processing.autoscale import Limits
from processing.crew import ALL, PRESENT_S, CrewList, Share
from processing.crew_member import Crew, CrewMember
from regions.errors import Unavailable
from tests.builders.statuses import status

BUSY = status(waiting={"fresh": 100}, in_flight=4, lag=104)


def test_a_share_fits_when_workers_have_come_or_gone():
    """Until the next report, a second later."""
    assert [Share(4, 8).of(capacity) for capacity in (0, 1, 8, 9)] == [0, 1, 4, 5]
    assert ALL.of(7) == 7


def test_a_processor_that_is_silent_takes_no_part_any_more():
    """After five seconds its slots are for the others."""
    crew = CrewList()
    crew.report("a", BUSY, 0.0)
    both, share = crew.report("b", BUSY, PRESENT_S)
    assert (both.in_flight, both.waiting, share) == (8, {"fresh": 200}, Share(4, 8))
    one, share = crew.report("b", BUSY, PRESENT_S + 0.1)
    assert (one, share) == (BUSY, Share(8, 8))


class Actors:
    """The crew's actor, in this process; `away` is whether it does not answer, `knows_less` whether it is older."""

    def __init__(self) -> None:
        self.crew, self.away, self.knows_less = Crew(), False, False

    async def call(self, method, name, text):
        if self.away:
            raise Unavailable("away")
        return None if self.knows_less else self.crew.report(name, text)


def member(name, actors, **does) -> CrewMember:
    """Of a processor that does so; `lag` photos of its region are not done."""
    lag = does.pop("lag", 0)

    async def read_lag():
        return lag

    def measure(lag, wanted_workers):
        return status(lag=lag, wanted_workers=wanted_workers, **does)

    return CrewMember(name, actors, measure, read_lag, Limits(1, 16))


def test_two_processors_do_not_take_each_place_twice():
    """Each gets half of them, as soon as it has heard of the other."""
    actors = Actors()
    one, other = (member(name, actors, waiting={"fresh": 50}) for name in "ab")
    for each in (one, other, one):
        asyncio.run(each.run_once())
    assert (one.share, other.share) == (Share(4, 8), Share(4, 8))


@pytest.mark.parametrize("trouble", ["away", "knows_less"])
def test_the_last_share_goes_on_without_the_crew(trouble):
    """So does the wanted number. During an update, the crew may be of another version for a while."""
    actors = Actors()
    one, other = (member(name, actors, waiting={"fresh": 5_000}) for name in "ab")
    for each in (other, one):
        asyncio.run(each.run_once())
    before = one.share, one.wanted_workers
    setattr(actors, trouble, True)
    with pytest.raises(Unavailable):
        asyncio.run(one.run_once())
    assert (one.share, one.wanted_workers) == before == (Share(4, 8), 16)


def test_what_is_not_read_yet_counts_too():
    """Of a topic with more than a processor reads ahead, the lag says how many wait."""
    behind = member("a", Actors(), waiting={"fresh": 10}, in_flight=8, lag=308)
    asyncio.run(behind.run_once())
    assert (behind.status().lag, behind.wanted_workers) == (308, 4)


def test_old_photos_call_for_workers_too():
    """Only as many as for those that are read ahead; they take what is there."""
    backfill = member("a", Actors(), waiting={"backfill": 200}, in_flight=8, lag=0)
    asyncio.run(backfill.run_once())
    assert (backfill.wanted_workers, backfill.share) == (3, Share(8, 8))
