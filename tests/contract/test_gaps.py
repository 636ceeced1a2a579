"""A log that was trimmed before a group had read it: nothing is jumped over in silence."""

from contextlib import ExitStack, closing

import pytest

from regions.errors import Unavailable
from regions.events.gap_records import PREFIX, GapRecord, recorded
from regions.events.gaps import GapRecordingEvents
from regions.events.messages import Event
from regions.events.topics import PHOTO_READY
from regions.stores.events import Gap
from regions.stores.partitioner import partition_of
from regions.stores.sqlite import adapter as sqlite
from tests.builders.adapters import PARTITIONS
from tests.builders.stores import created
from tests.builders.subscriptions import threaded
from tests.builders.trimming import trimmer

WITHIN_S = 30
LANE = "lane-us-central"
KEY = next(f"p_{number}" for number in range(99) if partition_of(f"p_{number}", PARTITIONS) == 0)
OTHER_KEY = next(f"p_{number}" for number in range(99) if partition_of(f"p_{number}", PARTITIONS) == 1)


def event(number: int, key: str = KEY) -> Event:
    return Event(PHOTO_READY, key, f"photo_ready:{number}", number, {})


@pytest.fixture
def trim(events, tmp_path):
    return trimmer(events, tmp_path)


@pytest.fixture
def consumer(open_events):
    with closing(open_events().consumer(PHOTO_READY, LANE, "one")) as joined:
        yield joined


@pytest.fixture
def poll(eventually):
    """Until there is something: the numbers of the events that came."""

    def poll(consumer, until) -> list[int]:
        taken = []
        eventually(lambda: taken.extend(consumer.poll(9, 0.2)) or until(taken), WITHIN_S)
        return [delivery.event.at_ms for delivery in taken]

    return poll


@pytest.fixture
def open_values(tmp_path):
    """Opens the settings in which gaps are recorded."""
    with ExitStack() as opened:

        def settings():
            found = created(sqlite.settings(str(tmp_path / "settings.db"), lambda: 0))
            opened.callback(found.close)
            return found

        yield settings


@pytest.fixture
def values(open_values):
    return open_values().values


@pytest.fixture
def gaps(values):
    return lambda: recorded(values.tree(PREFIX))


def recording(events, values) -> GapRecordingEvents:
    return GapRecordingEvents(events, values, lambda: 77)


def commit(consumer, poll, count: int) -> None:
    poll(consumer, lambda taken: len(taken) == count)
    consumer.commit(0, count - 1)


def test_a_consumer_stands_still_at_a_gap_until_it_is_skipped(events, consumer, trim, poll):
    """Other partitions go on."""
    events.publish([event(number) for number in range(5)])
    commit(consumer, poll, 5)
    events.publish([event(number) for number in range(5, 9)])
    trim(PHOTO_READY, 0, 7)
    late = events.consumer(PHOTO_READY, "late", "one")
    with closing(late):
        assert poll(late, lambda taken: late.gaps()) == []
        events.publish([event(100, OTHER_KEY)])
        assert poll(late, lambda taken: taken) == [100]
        assert late.gaps() == [Gap(0, 0, 7)]
        late.skip(Gap(0, 0, 7))
        assert poll(late, lambda taken: len(taken) == 2) == [7, 8]
        assert late.gaps() == []


def test_a_member_that_comes_back_finds_what_was_trimmed_behind_the_groups_commit(events, open_events, trim, poll):
    """And what was committed is no gap."""
    with closing(events.consumer(PHOTO_READY, LANE, "one")) as first:
        events.publish([event(number) for number in range(5)])
        commit(first, poll, 2 + 3)
    events.publish([event(number) for number in range(5, 9)])
    trim(PHOTO_READY, 0, 4)
    with closing(open_events().consumer(PHOTO_READY, LANE, "two")) as second:
        assert poll(second, lambda taken: len(taken) == 4) == [5, 6, 7, 8]
        assert second.gaps() == []
    trim(PHOTO_READY, 0, 7)
    with closing(open_events().consumer(PHOTO_READY, LANE, "three")) as third:
        assert poll(third, lambda taken: third.gaps()) == []
        assert third.gaps() == [Gap(0, 5, 7)]


def test_a_gap_that_was_skipped_is_not_found_again(events, open_events, consumer, trim, poll):
    """Although no event behind it was committed, and even if there is none."""
    events.publish([event(number) for number in range(5)])
    trim(PHOTO_READY, 0, 5)
    poll(consumer, lambda taken: consumer.gaps())
    consumer.skip(Gap(0, 0, 5))
    consumer.close()
    events.publish([event(5)])
    with closing(open_events().consumer(PHOTO_READY, LANE, "two")) as second:
        assert poll(second, lambda taken: taken) == [5]
        assert second.gaps() == []


def test_events_that_were_delivered_before_a_gap_are_not_committed_by_skipping_it(
    events, open_events, consumer, trim, poll
):
    """Who dies with them in hand leaves a gap that begins with them."""
    events.publish([event(number) for number in range(3)])
    poll(consumer, lambda taken: len(taken) == 3)
    trim(PHOTO_READY, 0, 3)
    events.publish([event(number) for number in range(3, 6)])
    trim(PHOTO_READY, 0, 5)
    if not consumer.gaps():
        # Kafka's consumer may have fetched them in time.
        poll(consumer, lambda taken: consumer.gaps() or taken)
    for gap in consumer.gaps():
        assert gap == Gap(0, 3, 5)
        consumer.skip(gap)
    consumer.close()
    with closing(open_events().consumer(PHOTO_READY, LANE, "two")) as second:
        poll(second, lambda taken: second.gaps())
        assert second.gaps() == [Gap(0, 0, 5)]


def test_skipping_what_is_no_gap_changes_nothing(events, consumer, poll):
    events.publish([event(number) for number in range(3)])
    consumer.skip(Gap(0, 0, 2))
    assert poll(consumer, lambda taken: len(taken) == 3) == [0, 1, 2]


def test_what_a_subscription_missed_is_in_the_settings_before_it_goes_on(
    events, open_events, values, gaps, trim, eventually
):
    """By group and topic; a further gap makes the record larger."""
    handled = []
    log = recording(open_events(), values)

    def handle(one: Event) -> None:
        assert gaps()
        handled.append(one.at_ms)

    def run_until(count: int) -> None:
        with closing(threaded(log, PHOTO_READY, LANE, "one", handle, 4)) as subscription:
            eventually(lambda: not subscription.run_once(0.2) and len(handled) == count, WITHIN_S)

    events.publish([event(number) for number in range(5)])
    trim(PHOTO_READY, 0, 3)
    run_until(2)
    assert (handled, gaps()) == ([3, 4], [GapRecord(LANE, PHOTO_READY, {0: (0, 3)}, 77)])
    events.publish([event(number) for number in range(5, 9)])
    trim(PHOTO_READY, 0, 8)
    run_until(3)
    assert (handled, gaps()) == ([3, 4, 8], [GapRecord(LANE, PHOTO_READY, {0: (0, 8)}, 77)])
    assert sum(events.lag(PHOTO_READY, LANE).values()) == 0


def test_while_a_gap_can_not_be_recorded_nothing_behind_it_is_read(
    events, open_events, open_values, gaps, trim, poll, eventually
):
    """As long as the settings are away."""
    events.publish([event(number) for number in range(5)])
    trim(PHOTO_READY, 0, 3)
    settings = open_values()
    settings.close()
    with closing(recording(open_events(), settings.values).consumer(PHOTO_READY, LANE, "one")) as consumer:
        eventually(lambda: is_unavailable(consumer), WITHIN_S)
        assert is_unavailable(consumer)
    assert gaps() == []
    with closing(recording(open_events(), open_values().values).consumer(PHOTO_READY, LANE, "two")) as consumer:
        assert poll(consumer, lambda taken: len(taken) == 2) == [3, 4]
    assert [one.ranges for one in gaps()] == [{0: (0, 3)}]


def is_unavailable(consumer) -> bool:
    try:
        assert consumer.poll(9, 0.2) == []
    except Unavailable:
        return True
    return False
