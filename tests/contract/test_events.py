"""What every event log does: order, groups, commits, and the assignment of partitions."""

import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import pytest

from regions.errors import Unavailable
from regions.events.messages import Event, Unreadable, to_text
from regions.events.topics import FOLLOW_CHANGED, PHOTO_READY
from regions.stores.partitioner import partition_of
from tests.builders.adapters import PARTITIONS

WITHIN_S = 30
ALL = set(range(PARTITIONS))
# One key for each partition.
KEYS = [
    next(f"p_{n}" for n in range(99) if partition_of(f"p_{n}", PARTITIONS) == partition)
    for partition in range(PARTITIONS)
]

PUBLISHER = """
import pickle, sys
open_events, events = pickle.load(sys.stdin.buffer)
handle = open_events()
handle.publish(events)
handle.close()
"""


def event(number: int, key: str = KEYS[0], topic: str = PHOTO_READY) -> Event:
    return Event(topic, key, f"{topic}:{number}", number, {"photo_id": key, "caption": "Zürich 東京"})


def one_for_each_partition() -> list[Event]:
    return [event(number, key) for number, key in enumerate(KEYS)]


def take(consumer, count: int) -> list:
    """The next `count` deliveries. Fails if they do not arrive."""
    deadline_s, taken = time.monotonic() + WITHIN_S, []
    while len(taken) < count and time.monotonic() < deadline_s:
        taken += consumer.poll(count - len(taken), 1.0)
    assert len(taken) == count
    return taken


def take_events(consumer, count: int) -> list[Event]:
    return [delivery.event for delivery in take(consumer, count)]


def assigned(*consumers) -> list[set[int]]:
    """Waits until every partition belongs to exactly one of the members, and each has some; returns those of each."""
    deadline_s, owned = time.monotonic() + WITHIN_S, [set()]
    while time.monotonic() < deadline_s:
        owned = [consumer.owned() for consumer in consumers]
        if all(owned) and sorted(partition for one in owned for partition in one) == sorted(ALL):
            return owned
    pytest.fail(f"the partitions were not assigned: {owned}")


@pytest.fixture
def join(open_events):
    """Opens consumers, each on a handle of its own, as if it were in another process."""
    with ExitStack() as opened:

        def consumer(group="lane", member="one", topic=PHOTO_READY):
            joined = open_events().consumer(topic, group, member)
            opened.callback(joined.close)
            return joined

        yield consumer


def test_an_event_arrives_as_it_was_published(events, join):
    """All its fields are unchanged."""
    events.publish([event(1)])
    (delivery,) = take(join(), 1)
    assert delivery.event == event(1)
    assert delivery.partition == partition_of(KEYS[0], PARTITIONS)


def test_what_can_not_be_read_is_delivered_as_such(events, join):
    """In its place among the others, and never skipped."""
    newer = replace(event(2), version=99)
    events.publish([event(1), newer, event(3)])
    first, unreadable, last = take_events(join(), 3)
    assert (first, last) == (event(1), event(3))
    assert isinstance(unreadable, Unreadable)
    assert (unreadable.topic, unreadable.text) == (PHOTO_READY, to_text(newer))


def test_an_event_with_fields_of_a_newer_version_arrives_with_them(events, join):
    """They are there when it is published again."""
    newer = replace(event(1), extra={"colour": "blue"})
    events.publish([newer])
    assert take_events(join(), 1) == [newer]


def test_events_of_one_key_arrive_in_the_order_of_publishing(events, join):
    """In one partition, with growing offsets."""
    events.publish([event(number) for number in range(50)])
    events.publish([event(50)])
    deliveries = take(join(), 51)
    assert [delivery.event for delivery in deliveries] == [event(number) for number in range(51)]
    offsets = [delivery.offset for delivery in deliveries]
    assert offsets == sorted(set(offsets))
    assert {delivery.partition for delivery in deliveries} == {0}


def test_large_events_come_from_every_partition(events, join):
    """Also while others have a backlog of small ones."""
    large = [replace(event(number, KEYS[number % 4]), body={"text": "x" * 400_000}) for number in range(8)]
    small = [event(number, KEYS[number % 2]) for number in range(100, 400)]
    for each in large:
        events.publish([each])
    events.publish(small)
    assert sorted(one.at_ms for one in take_events(join(), 308)) == [*range(8), *range(100, 400)]


def test_every_event_is_delivered_once(events, join):
    """To a group with one member that continues to poll."""
    events.publish([event(number, f"p_{number}") for number in range(40)])
    consumer = join()
    deliveries = take(consumer, 40)
    assert {delivery.event.event_id for delivery in deliveries} == {event(number).event_id for number in range(40)}
    assert consumer.poll(10, 0.0) == []


def test_a_poll_returns_no_more_than_its_limit(events, join):
    """The next poll returns the rest."""
    events.publish([event(number) for number in range(5)])
    consumer = join()
    first = take(consumer, 1)
    assert len(first + consumer.poll(2, 1.0)) <= 3


def test_a_poll_of_an_empty_topic_returns(join):
    """An empty list."""
    assert join().poll(10, 0.0) == []
    assert join(group="other").poll(10, 0.1) == []


def test_publishing_no_events_does_nothing(events, join):
    """Nothing arrives."""
    events.publish([])
    assert join().poll(10, 0.0) == []


def test_every_group_gets_every_event(events, join):
    """Whatever another group has committed."""
    events.publish([event(1)])
    (delivery,) = take(first := join(group="first"), 1)
    first.commit(delivery.partition, delivery.offset)
    assert take_events(join(group="second"), 1) == [event(1)]


def test_a_topic_has_only_its_own_events(events, join):
    """Even if one call published events of several topics."""
    events.publish([event(1), event(2, topic=FOLLOW_CHANGED), event(3)])
    assert take_events(join(topic=FOLLOW_CHANGED), 1) == [event(2, topic=FOLLOW_CHANGED)]
    assert take_events(join(), 2) == [event(1), event(3)]


def test_the_same_event_published_twice_arrives_at_least_once(events, join):
    """An adapter may deliver it once or twice; consumers are idempotent."""
    events.publish([event(1), event(1)])
    events.publish([event(1), event(2)])
    consumer, received = join(), []
    while event(2) not in received:
        received += take_events(consumer, 1)
    assert {one.event_id for one in received} == {event(1).event_id, event(2).event_id}


def test_events_that_were_not_committed_are_delivered_again(events, join):
    """To the next owner of the partition."""
    events.publish([event(number) for number in range(4)])
    first = join()
    deliveries = take(first, 3)
    first.commit(0, deliveries[1].offset)
    first.close()
    assert take_events(join(member="two"), 2) == [event(2), event(3)]


def test_a_commit_never_goes_back(events, join):
    """Committing an older offset after a newer one changes nothing."""
    events.publish([event(number) for number in range(3)])
    first = join()
    deliveries = take(first, 3)
    first.commit(0, deliveries[2].offset)
    first.commit(0, deliveries[0].offset)
    assert events.lag(PHOTO_READY, "lane")[0] == 0


def test_the_lag_is_what_the_group_has_not_committed(events, join):
    """Counted for each partition."""
    events.publish([*one_for_each_partition(), event(9)])
    consumer = join()
    by_partition = {delivery.partition: delivery for delivery in reversed(take(consumer, 5))}
    assert events.lag(PHOTO_READY, "lane") == {0: 2, 1: 1, 2: 1, 3: 1}
    consumer.commit(0, by_partition[0].offset)
    consumer.commit(3, by_partition[3].offset)
    assert events.lag(PHOTO_READY, "lane") == {0: 1, 1: 1, 2: 1, 3: 0}


def test_a_group_without_commits_lags_by_everything(events):
    """By 0 if the topic is empty."""
    assert events.lag(PHOTO_READY, "lane") == dict.fromkeys(ALL, 0)
    events.publish(one_for_each_partition())
    assert events.lag(PHOTO_READY, "lane") == dict.fromkeys(ALL, 1)


def test_members_share_the_partitions(events, join):
    """Each has some, no partition has two owners, and each member receives the events of its own partitions."""
    one, two = join(member="one"), join(member="two")
    owned = assigned(one, two)
    assert all(owned)
    events.publish(one_for_each_partition())
    for consumer, mine in zip((one, two), owned, strict=True):
        assert {delivery.partition for delivery in take(consumer, len(mine))} == mine


def test_two_members_with_the_same_name_are_two_members(join):
    """So that a restarted process is not confused with the one before it."""
    assert all(assigned(join(member="same"), join(member="same")))


def test_the_partitions_of_a_member_that_leaves_go_to_the_others(events, join):
    """With the events that it had not committed."""
    one, two = join(member="one"), join(member="two")
    theirs = assigned(one, two)[0]
    events.publish(one_for_each_partition())
    take(one, len(theirs))
    take(two, PARTITIONS - len(theirs))
    one.close()
    assert assigned(two) == [ALL]
    assert {delivery.partition for delivery in take(two, len(theirs))} == theirs


def test_a_commit_for_a_partition_that_is_no_longer_ours_does_nothing(events, join):
    """Only the new owner can commit."""
    events.publish(one_for_each_partition())
    one = join(member="one")
    deliveries = {delivery.partition: delivery for delivery in take(one, PARTITIONS)}
    mine = assigned(one, join(member="two"))[0]
    for partition, delivery in deliveries.items():
        one.commit(partition, delivery.offset)
    assert events.lag(PHOTO_READY, "lane") == {partition: int(partition not in mine) for partition in ALL}


def test_a_member_that_left_commits_nothing_and_may_leave_again(events, join):
    """Closing is idempotent."""
    events.publish([event(1)])
    consumer = join()
    (delivery,) = take(consumer, 1)
    consumer.close()
    consumer.close()
    consumer.commit(delivery.partition, delivery.offset)
    assert events.lag(PHOTO_READY, "lane")[0] == 1


def test_a_waiting_poll_is_woken_by_another_handle(events, join):
    """It returns an event that was published after it started."""
    consumer = join()
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(consumer.poll, 10, WITHIN_S)
        events.publish([event(1)])
        assert [delivery.event for delivery in waiting.result()] == [event(1)]


def test_a_waiting_poll_is_woken_by_another_process(open_events, join):
    """As an origin wakes a processor."""
    consumer = join()
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(consumer.poll, 10, WITHIN_S)
        sent = pickle.dumps((open_events.another_process, [event(1)]))
        subprocess.run([sys.executable, "-c", PUBLISHER], input=sent, check=True, timeout=WITHIN_S)
        assert [delivery.event for delivery in waiting.result()] == [event(1)]


def test_many_publish_at_once_and_nothing_is_lost(open_events, events, join):
    """Threads that share a handle, and other handles. Each publisher's events of one key stay in order."""
    handles = [events, events, open_events(), open_events()]

    def publish(number: int) -> None:
        for count in range(10):
            handles[number].publish([event(100 * number + count, f"p_{number}")])

    with ThreadPoolExecutor(len(handles)) as threads:
        list(threads.map(publish, range(len(handles))))
    received = take_events(join(), 40)
    for number in range(len(handles)):
        assert [one.at_ms % 100 for one in received if one.key == f"p_{number}"] == list(range(10))


def test_a_closed_log_is_unavailable(events):
    """As is any store that does not respond."""
    events.close()
    with pytest.raises(Unavailable):
        events.publish([event(1)])


def test_the_later_owner_of_a_partition_has_the_higher_generation(join):
    """So that somebody else can tell which of two members has it, although the first has not heard of the second."""
    first = join()
    assert assigned(first) == [ALL]
    alone = first.generation()
    second = join(member="two")
    assigned(first, second)
    assert second.generation() > alone
    shared = second.generation()
    second.close()
    assert assigned(first) == [ALL]
    assert first.generation() > shared
