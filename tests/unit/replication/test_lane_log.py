"""What a lane's process knows of its event log: its partitions, and since when events wait."""

from contextlib import closing

import pytest

from regions.events.messages import Event, dead_letter
from regions.events.set_aside import A_MINUTE, after_failure
from regions.events.topics import LANES_IN_A_MINUTE, PHOTO_DELETED, PHOTO_READY, lane_group
from replication.budget import LEASE_S, partition_name
from replication.lane_log import LaneLog, Unfinished
from tests.builders import embedded

LANE, OTHER = lane_group("us-central"), lane_group("eu-central")
clock, events = embedded.clock, embedded.events


class Steady:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def steady():
    return Steady()


@pytest.fixture
def log(events, steady):
    return LaneLog(events, LANE, steady)


def event(number: int, topic: str = PHOTO_READY, key: str = "p_1") -> Event:
    return Event(topic, key, f"{topic}:{number}", number, {})


def test_its_partitions_are_those_of_its_consumers(log, events):
    """With the generation in which each got them, until it leaves."""
    before = events.consumer(PHOTO_READY, LANE, "before")
    before.owned()
    before.close()
    with closing(log.consumer(PHOTO_READY, LANE, "one")), closing(log.consumer(PHOTO_DELETED, LANE, "one")):
        generations = log.generations()
        assert generations[partition_name(PHOTO_READY, 0)] == 2
        assert generations[partition_name(PHOTO_DELETED, 0)] == 1
    assert log.generations() == {}


def test_partitions_go_to_another_member_with_a_higher_generation(log, events):
    """What is left of them has the generation that it had."""
    with closing(log.consumer(PHOTO_READY, LANE, "one")) as mine:
        alone = log.generations()
        with closing(events.consumer(PHOTO_READY, LANE, "two")) as theirs:
            lost = theirs.owned()
            mine.owned()
            left = log.generations()
            assert set(alone) - set(left) == {partition_name(PHOTO_READY, number) for number in lost} != set()
            assert left.items() <= alone.items()
            assert theirs.generation() > max(left.values())


def test_partitions_that_nobody_confirms_are_not_ours(log, steady):
    """While the event log does not answer, others may get them."""
    with closing(log.consumer(PHOTO_READY, LANE, "one")) as consumer:
        steady.now_s += LEASE_S + 1
        assert log.generations() == {}
        consumer.owned()
        assert log.generations()


def test_the_oldest_event_is_that_which_is_not_committed(log):
    """Of each topic; when all are done there is none."""
    log.publish([event(number) for number in (5, 6, 7)])
    log.publish([event(2, PHOTO_DELETED)])
    with (
        closing(log.consumer(PHOTO_READY, LANE, "one")) as ready,
        closing(log.consumer(PHOTO_DELETED, LANE, "one")) as deleted,
    ):
        _, second, third = ready.poll(9, 0.0)
        deleted.poll(9, 0.0)
        assert log.unfinished() == Unfinished(4, 0, 0, {PHOTO_READY: 5, PHOTO_DELETED: 2}, {})
        ready.commit(second.partition, second.offset)
        assert log.unfinished() == Unfinished(2, 0, 0, {PHOTO_READY: 7, PHOTO_DELETED: 2}, {})
        ready.commit(third.partition, third.offset)
        assert log.unfinished() == Unfinished(1, 0, 0, {PHOTO_DELETED: 2}, {})
    assert log.unfinished() == Unfinished(0, 0, 0, {}, {})


def test_an_event_that_was_set_aside_is_as_old_as_at_first(log):
    """A deletion is counted apart. Those of other lanes, and what is no event of any, are not ours to wait for."""
    log.publish(
        [
            after_failure(event(5), LANE, "error", None, 1_000),
            after_failure(event(3, PHOTO_DELETED), LANE, "not yet", A_MINUTE, 1_000),
            after_failure(event(4, key="p_2"), OTHER, "error", None, 1_000),
            dead_letter(event(1), LANE, "error", 1_000),
            Event(LANES_IN_A_MINUTE, "p_3", "nonsense", 1, {}),
        ]
    )
    with closing(log.consumer(LANES_IN_A_MINUTE, LANE, "one")) as consumer:
        assert len(consumer.poll(9, 0.0)) == 4
        assert log.unfinished() == Unfinished(0, 1, 1, {}, {PHOTO_READY: 5, PHOTO_DELETED: 3})


def test_events_that_come_again_are_counted_once(log, clock):
    """Their partition was lost and came back before they were done."""
    log.publish([event(5), event(6)])
    with closing(log.consumer(PHOTO_READY, LANE, "one")) as consumer:
        consumer.poll(9, 0.0)
        clock.advance(60_000)
        with closing(log.consumer(PHOTO_READY, LANE, "two")):
            consumer.owned()
        clock.advance(60_000)
        consumer.owned()
        assert len(consumer.poll(9, 0.0)) == 2
        assert log.unfinished().under_way == 2
