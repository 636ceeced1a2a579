"""Replicators of one lane and its actor: parts that add up, also while some are away."""

import asyncio
from dataclasses import replace

import pytest

from regions.cluster.actor_here import ActorHere
from regions.errors import Unavailable
from regions.events.topics import PHOTO_READY
from regions.status_documents import to_text
from replication import lane_member
from replication.budget import LEASE_S, LaneSettings, settings_text
from replication.lane_actor import LaneActor
from replication.lane_member import LaneMember
from tests.builders.lane_reports import AGAIN, FRESH, lane_report

WAITING = dict.fromkeys(FRESH, 1_000)
WIDE = LaneSettings(width=16, backfill_width=4)


class Steady:
    """A clock that moves when a test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class AwayAtTimes:
    """The lane's actor, which a test may kill, freeze, or replace by one of another version."""

    def __init__(self, clock: Steady) -> None:
        self.clock, self.away, self.of_another_version = clock, False, False
        self.kill()

    def kill(self) -> None:
        self.actor = ActorHere(LaneActor(self.clock))

    async def call(self, method, *arguments, within_s):
        if self.away:
            raise Unavailable("away")
        return None if self.of_another_version else await self.actor.call(method, *arguments)


class Replicator:
    """`report` is what it says; a test may change it."""

    def __init__(self, name, actors, generations, settings=WIDE):
        self.report = lane_report(generations=generations, backlog=WAITING)
        self.settings = settings
        self.member = LaneMember(
            name, actors, self.measure, lambda: self.report.generations, lambda: self.settings,
            lambda limits: None, actors.clock,
        )  # fmt: skip

    async def measure(self):
        return self.report

    def change(self, **changes):
        self.report = replace(self.report, **changes)

    def run_once(self):
        asyncio.run(self.member.run_once())
        return self.member.limits


@pytest.fixture
def actors():
    return AwayAtTimes(Steady())


def by_generation(names, generation) -> dict[str, int]:
    return dict.fromkeys(names, generation)


def test_two_replicators_share_the_width_of_a_lane(actors):
    """Each has the slots of its partitions."""
    one, other = Replicator("a", actors, FRESH[:1]), Replicator("b", actors, [*FRESH[1:], *AGAIN])
    for each in (one, other):
        each.run_once()
    assert [one.run_once().width, other.run_once().width] == [4, 12]
    assert other.member.limits.backfill_width == 4


def test_slots_follow_the_events_that_wait(actors):
    """From a partition that is done to one that is not."""
    one, other = Replicator("a", actors, FRESH[:1]), Replicator("b", actors, FRESH[1:])
    for each in (one, other):
        each.change(backlog=WAITING | dict.fromkeys(FRESH[1:], 0))
        each.run_once()
    assert [one.run_once().width, other.run_once().width] == [16, 1]


def test_a_partition_gives_slots_only_to_its_owner_of_the_newest_generation(actors):
    """The old owner has not heard that it has lost it."""
    old, new = (
        Replicator("old", actors, by_generation(FRESH, 4)),
        Replicator("new", actors, by_generation(FRESH[2:], 5)),
    )
    assert old.run_once().width == 16
    assert new.run_once().width == 8
    assert old.run_once().width == 8
    assert new.run_once().width == 8


def test_a_generation_is_remembered_while_its_owner_may_be_at_work(actors):
    """Who comes back with an older one gets its slots when the newer has been silent for a lease."""
    old, new = Replicator("old", actors, by_generation(FRESH, 4)), Replicator("new", actors, by_generation(FRESH, 5))
    new.run_once()
    actors.clock.now_s += LEASE_S
    assert old.run_once().width == 1
    actors.clock.now_s += 0.1
    assert old.run_once().width == 16


@pytest.mark.parametrize("trouble", ["away", "of_another_version"])
def test_the_last_budget_goes_on_without_the_actor(actors, trouble):
    """For as long as the partitions are the process's own; and a new setting counts nevertheless."""
    one, other = Replicator("a", actors, FRESH[:1]), Replicator("b", actors, FRESH[1:])
    for each in (one, other, one):
        each.run_once()
    setattr(actors, trouble, True)
    actors.clock.now_s += 1_000
    with pytest.raises(Unavailable):
        one.run_once()
    assert one.member.limits.width == 4
    assert not one.member.is_heard
    one.settings = LaneSettings(paused=True)
    one.change(generations={})
    one.member.adjust()
    assert (one.member.limits.width, one.member.limits.paused) == (0, True)


def test_narrower_settings_count_without_the_actor(actors):
    """Its budget was divided by those of before."""
    one, other = Replicator("a", actors, FRESH[:1]), Replicator("b", actors, FRESH[1:])
    for each in (one, other, one):
        each.run_once()
    actors.away = True
    for each in (one, other):
        each.settings = LaneSettings(width=8, backfill_width=4)
        each.member.adjust()
    assert [each.member.limits.width for each in (one, other)] == [2, 6]


def test_a_partition_that_comes_while_the_actor_is_away_brings_its_even_part(actors):
    """Its old owner gives it up at the same time."""
    one = Replicator("a", actors, FRESH[:1])
    one.run_once()
    actors.away = True
    one.change(generations=by_generation(FRESH[:2], 2))
    one.member.adjust()
    assert one.member.limits.width == 8


def test_a_new_actor_knows_all_after_one_report_of_each(actors):
    """The first that reports gets no more than before: what nobody has reported yet keeps its part."""
    one, other = Replicator("a", actors, FRESH[:1]), Replicator("b", actors, FRESH[1:])
    before = [each.run_once().width for each in (one, other, one)]
    actors.kill()
    assert [each.run_once().width for each in (one, other, one)] == before == [4, 12, 4]


def test_one_replicator_asks_a_silent_destination_for_all(actors):
    """The other hears that within a second; with the first answer, both go on."""
    one, other = Replicator("a", actors, FRESH[:2]), Replicator("b", actors, FRESH[2:])
    one.change(refused=True, under_way=3, answered_s=30.0)
    other.change(under_way=3, answered_s=30.0)
    for each in (one, other):
        each.run_once()
    asked = [each.run_once().asks for each in (one, other)]
    assert sorted(asked) == [False, True]
    one.change(refused=False, answered_s=0.1)
    assert [each.run_once().asks for each in (one, other)] == [True, True]


def test_who_does_not_hear_the_actor_asks_for_itself(actors):
    """It would not hear when the destination answers again."""
    one, other = Replicator("a", actors, FRESH[:2]), Replicator("b", actors, FRESH[2:])
    for each in (one, other):
        each.change(refused=True, under_way=3, answered_s=30.0)
        each.run_once()
    [waiting] = [each for each in (one, other) if not each.run_once().asks]
    actors.away = True
    actors.clock.now_s += LEASE_S + 1
    waiting.member.adjust()
    assert waiting.member.limits.asks


def test_the_actor_answers_nothing_to_what_it_can_not_read(actors):
    """During an update, programs of two versions report to it."""
    actor, report = LaneActor(), to_text(lane_report())
    assert actor.report("a", report, settings_text(WIDE))
    endless = to_text(replace(lane_report(), partitions={PHOTO_READY: 10**9}))
    for unreadable in ("{}", endless):
        assert actor.report("a", unreadable, settings_text(WIDE)) is None
    assert actor.report("a", report, "[]") is None


class FailsOnce:
    """An actor whose method raises something at its first call."""

    def __init__(self) -> None:
        self.actor, self.is_first = LaneActor(), True

    async def call(self, method, *arguments, within_s):
        if self.is_first:
            self.is_first = False
            raise LookupError("the actor's own mistake")
        return getattr(self.actor, method)(*arguments)


def test_a_mistake_of_the_actor_ends_no_round_but_its_own(monkeypatch, caplog):
    """Its replicators report again. An error that nobody expected is logged whole."""
    monkeypatch.setattr(lane_member, "_EVERY_S", 0.0)
    replicator = Replicator("a", AwayAtTimes(Steady()), FRESH)
    replicator.member = LaneMember("a", FailsOnce(), replicator.measure, dict, lambda: WIDE, id)

    async def until_heard() -> None:
        rounds = asyncio.create_task(replicator.member.run_forever())
        while not replicator.member.is_heard and not rounds.done():
            await asyncio.sleep(0)
        rounds.cancel()

    asyncio.run(until_heard())
    assert replicator.member.is_heard
    assert "the actor's own mistake" in caplog.text


class AnswersOthers:
    """What two versions of an actor might answer."""

    async def call(self, method, *arguments, within_s):
        return '{"slots": {"photo_ready:0": -1}, "asks": true}'


def test_a_budget_that_can_not_be_is_not_taken():
    """The last one stays."""
    member = LaneMember(
        "a", AnswersOthers(), Replicator("a", AwayAtTimes(Steady()), FRESH).measure, dict, lambda: WIDE, id
    )
    with pytest.raises(Unavailable, match="version"):
        asyncio.run(member.run_once())
