"""What processors know of each other: totals, and shares that add up."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.autoscale import Limits
from processing.crew import ALL, PRESENT_S, CrewList, Meter, Report, Share, Totals, shares, totals
from processing.crew_member import CrewMember
from processing.dispatcher import Activity
from regions.errors import Unavailable

BUSY = Report(places=8, waiting=100, wants_places=104, in_flight=4, finished_per_s=10.0, work_s=0.1, deaths=1)
IDLE = Report(places=8, waiting=0, wants_places=0, in_flight=0, finished_per_s=0.0, work_s=0.3, deaths=0)
wanted = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 50), min_size=1)


@given(st.integers(0, 100), wanted)
def test_shares_add_up_to_the_places(places, wanted):
    """To one each, if there are more processors than places."""
    divided = shares(places, wanted)
    assert sum(divided.values()) == max(places, len(wanted))
    assert min(divided.values()) >= 1


@given(st.integers(0, 100), wanted)
def test_nobody_has_more_while_another_wants_some(places, wanted):
    """A processor that lacks places has no fewer than anybody else, but for one that can't be divided."""
    divided = shares(places, wanted)
    for name, share in divided.items():
        if share < wanted[name]:
            assert share >= max(divided.values()) - 1


@pytest.mark.parametrize(
    ("wanted", "divided"),
    [
        ({"a": 0}, {"a": 8}),
        ({"a": 50, "b": 50}, {"a": 4, "b": 4}),
        ({"a": 50, "b": 0}, {"a": 7, "b": 1}),
        ({"a": 1, "b": 1}, {"a": 4, "b": 4}),
        ({"a": 50, "b": 2, "c": 50}, {"a": 3, "b": 2, "c": 3}),
    ],
)
def test_eight_places_divided(wanted, divided):
    """By what each could run at once."""
    assert shares(8, wanted) == divided


def test_a_share_fits_when_workers_have_come_or_gone():
    """Until the next report, a second later."""
    assert [Share(4, 8).of(capacity) for capacity in (0, 1, 8, 9)] == [0, 1, 4, 5]
    assert ALL.of(7) == 7


def test_the_totals_of_two_processors():
    """The time of a photo is the mean over all that are finished."""
    other = Report(8, 20, 22, 2, 30.0, 0.2, 2)
    assert totals({"a": BUSY, "b": other}) == Totals(2, 120, 6, 40.0, pytest.approx(0.175), 3)


def test_before_anything_is_finished_the_time_of_a_photo_is_a_guess():
    """That of each processor."""
    assert totals({"a": IDLE, "b": IDLE}).work_s == 0.3


def test_a_processor_that_is_silent_takes_no_part_any_more():
    """After five seconds its places are for the others."""
    crew = CrewList()
    crew.report("a", BUSY, 0.0)
    assert crew.report("b", BUSY, PRESENT_S)[1] == Share(4, 8)
    seen, share = crew.report("b", BUSY, PRESENT_S + 0.1)
    assert (seen.processors, share) == (1, Share(8, 8))


def test_a_meter_reads_the_last_ten_seconds():
    """What came before does not count; while nothing ends, the time of a photo is the last known."""
    meter = Meter()
    assert meter.read(0, 0.0, 100.0) == (0.0, 0.2)
    assert meter.read(20, 10.0, 110.0) == (2.0, 0.5)
    assert meter.read(30, 12.0, 115.0) == (2.0, pytest.approx(0.2))
    assert meter.read(30, 12.0, 130.0) == (0.0, pytest.approx(0.2))


class Actors:
    """The crew's actor, in this process; `away` is whether it does not answer."""

    def __init__(self) -> None:
        self.crew, self.away, self.now_s = CrewList(), False, 0.0

    async def call(self, method, name, report):
        if self.away:
            raise Unavailable("away")
        return self.crew.report(name, report, self.now_s)


def member(name, actors, activity, lag=0, window=1_000) -> CrewMember:
    async def read_lag():
        return lag

    return CrewMember(name, actors, lambda: 8, lambda: activity, read_lag, window, Limits(1, 16))


def test_two_processors_do_not_take_each_place_twice():
    """Each gets half of them, as soon as it has heard of the other."""
    actors = Actors()
    one, other = (member(name, actors, Activity(waiting=50, urgent=50)) for name in "ab")
    for each in (one, other, one):
        asyncio.run(each.run_once())
    assert (one.share, other.share) == (Share(4, 8), Share(4, 8))


def test_the_last_share_goes_on_while_the_crew_is_away():
    """So does the wanted number."""
    actors = Actors()
    one, other = (member(name, actors, Activity(waiting=5_000, urgent=5_000)) for name in "ab")
    for each in (other, one):
        asyncio.run(each.run_once())
    before = one.share, one.wanted_workers
    actors.away = True
    with pytest.raises(Unavailable):
        asyncio.run(one.run_once())
    assert (one.share, one.wanted_workers) == before == (Share(4, 8), 16)


def test_what_is_not_read_yet_counts_too():
    """Of a topic with more than a processor reads ahead, the lag says how many wait."""
    actors = Actors()
    behind = member("a", actors, Activity(waiting=1_000, urgent=1_000, in_flight=8), lag=1_208)
    asyncio.run(behind.run_once())
    assert behind.totals.waiting == 1_200


def test_old_photos_wait_without_a_call_for_workers():
    """Nobody waits for a backfill; it takes what is there."""
    actors = Actors()
    backfill = member("a", actors, Activity(waiting=2_000, in_flight=8))
    asyncio.run(backfill.run_once())
    assert (backfill.wanted_workers, backfill.share) == (1, Share(8, 8))
