"""A topic with a delay is read in order, and each event is handed over when it is due and not earlier."""

import pytest

from regions.events.due import DelayedEvents, DueConsumer
from regions.events.messages import Event, Unreadable, dead_letter
from regions.events.set_aside import A_MINUTE, after_failure, from_dead_letter, parse, to_event
from regions.events.topics import LANES_IN_A_MINUTE, PHOTO_READY
from regions.stores.events import Delivery
from regions.stores.partitioner import partition_of
from regions.stores.sqlite import adapter as sqlite

LANE, OTHER = "lane-us-central", "lane-ap-south"
KEYS = [
    next(f"p_{number}" for number in range(99) if partition_of(f"p_{number}", sqlite.PARTITIONS) == partition)
    for partition in range(sqlite.PARTITIONS)
]


def original(number: int, key: str = KEYS[0]) -> Event:
    return Event(PHOTO_READY, key, f"photo_ready:{number}", number, {})


class Scripted:
    """A consumer that returns these polls one after another, and then nothing; records what it was asked."""

    def __init__(self, *polls: list[Delivery]) -> None:
        self.polls, self.partitions, self.asked, self.committed = list(polls), {0, 1}, [], []

    def poll(self, limit: int, timeout_s: float) -> list[Delivery]:
        self.asked.append((limit, timeout_s))
        return self.polls.pop(0)[:limit] if self.polls else []

    def commit(self, partition: int, offset: int) -> None:
        self.committed.append((partition, offset))

    def owned(self) -> set[int]:
        return self.partitions

    def generation(self) -> int:
        return 1

    def close(self) -> None:
        self.partitions = set()


@pytest.fixture
def waiting(clock):
    """An event that fails now, and is due in a minute."""

    def make(number: int, key: str = KEYS[0], group: str = LANE) -> Event:
        return after_failure(original(number, key), group, "error", None, clock.now_ms())

    return make


@pytest.fixture
def consumer(events, clock):
    opened = DelayedEvents(events, clock.now_ms).consumer(LANES_IN_A_MINUTE, LANE, "one")
    yield opened
    opened.close()


@pytest.fixture
def scripted(clock):
    """A reader of such a consumer, and the pauses that it made."""

    def make(consumer: Scripted) -> tuple[DueConsumer, list[float]]:
        pauses: list[float] = []
        return DueConsumer(consumer, LANE, clock.now_ms, pauses.append), pauses

    return make


def numbers(deliveries: list[Delivery]) -> list[int]:
    return [parse(delivery.event).event.at_ms for delivery in deliveries]


def test_an_event_is_handed_over_when_it_is_due(events, consumer, clock, waiting):
    """Not a millisecond earlier."""
    events.publish([waiting(1)])
    clock.advance(A_MINUTE.ms - 1)
    assert consumer.poll(9, 0.0) == []
    clock.advance(1)
    assert numbers(consumer.poll(9, 0.0)) == [1]


def test_events_of_a_partition_keep_their_order(events, consumer, clock, waiting):
    """Those of others overtake them. As many are handed over as there is room for, the longest due first."""
    events.publish([waiting(1, KEYS[1])])
    clock.advance(10)
    events.publish([waiting(2), waiting(3, KEYS[2])])
    clock.advance(10)
    events.publish([waiting(4)])
    clock.advance(A_MINUTE.ms)
    assert numbers(consumer.poll(1, 0.0)) == [1]
    taken = numbers(consumer.poll(9, 0.0))
    assert sorted(taken) == [2, 3, 4]
    assert taken[-1] == 4


def test_an_event_of_another_lane_is_handed_over_at_once(events, consumer, waiting):
    """So that it is committed. But not before an own event that is in front of it."""
    events.publish([waiting(1, group=OTHER), waiting(2), waiting(3, group=OTHER)])
    assert numbers(consumer.poll(9, 0.0)) == [1]
    assert consumer.poll(9, 0.0) == []


def test_what_can_not_be_read_is_handed_over_at_once(events, consumer, waiting):
    """To become a dead letter, whatever it is."""
    no_event = Event(LANES_IN_A_MINUTE, KEYS[0], "id", 1, {})
    events.publish([no_event])
    [delivery] = consumer.poll(9, 0.0)
    assert delivery.event == no_event
    reader = DueConsumer(Scripted([Delivery(Unreadable("", "", "", "{", "no"), 0, 1)]), LANE, lambda: 0)
    assert len(reader.poll(9, 0.0)) == 1


def test_it_waits_no_longer_than_until_the_first_is_due(scripted, clock, waiting):
    """Even if there is more time."""
    source = Scripted([Delivery(waiting(1), 0, 1)])
    reader, _ = scripted(source)
    assert reader.poll(9, 5.0) == []
    clock.advance(A_MINUTE.ms - 2_000)
    assert reader.poll(9, 5.0) == []
    assert [timeout_s for _, timeout_s in source.asked] == [5.0, 2.0]


def test_a_bounded_number_of_events_is_read_ahead(scripted, clock, waiting):
    """Then it only waits, until some are due."""
    source = Scripted([Delivery(waiting(number), 0, number) for number in range(1_000)])
    reader, pauses = scripted(source)
    for _ in range(2):
        assert reader.poll(9, 3.0) == []
    assert (source.asked, pauses) == ([(1_000, 3.0)], [3.0])
    clock.advance(A_MINUTE.ms)
    assert numbers(reader.poll(1_000, 3.0)) == list(range(1_000))
    assert reader.poll(9, 3.0) == []
    assert source.asked == [(1_000, 3.0)] * 2


def test_what_waits_in_a_lost_partition_is_dropped(scripted, clock, waiting):
    """Its new owner tries it: if both did, and both failed, there would be two of it from then on."""
    source = Scripted([Delivery(waiting(1), 0, 1), Delivery(waiting(2, KEYS[1]), 1, 1)])
    reader, _ = scripted(source)
    assert reader.poll(9, 0.0) == []
    source.partitions = {1}
    clock.advance(A_MINUTE.ms)
    assert numbers(reader.poll(9, 0.0)) == [2]


def test_a_partition_that_is_delivered_again_replaces_what_waits(scripted, clock, waiting):
    """As when it was lost and assigned again between two polls."""
    first = [Delivery(waiting(number), 0, number) for number in (1, 2)]
    reader, _ = scripted(Scripted(first, first))
    for _ in range(2):
        assert reader.poll(9, 0.0) == []
    clock.advance(A_MINUTE.ms)
    assert numbers(reader.poll(9, 0.0)) == [1, 2]


def test_a_dead_letter_that_is_an_event_again_is_due_at_once(events, consumer, clock):
    """It need not wait for a minute."""
    letter = dead_letter(original(1), LANE, "error", clock.now_ms())
    events.publish([to_event(from_dead_letter(letter, LANE, clock.now_ms()), clock.now_ms())])
    assert numbers(consumer.poll(9, 0.0)) == [1]


def test_who_has_left_owns_nothing_and_gets_nothing(events, consumer, clock, waiting):
    """What waited goes to others."""
    events.publish([waiting(1)])
    assert consumer.poll(9, 0.0) == []
    consumer.close()
    clock.advance(A_MINUTE.ms)
    assert (consumer.owned(), consumer.poll(9, 0.0)) == (set(), [])
