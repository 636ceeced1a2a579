"""What every event log does: order, groups, commits, and the sharing of partitions."""

import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from regions.errors import Unavailable
from regions.events.messages import Event
from regions.events.topics import FOLLOW_CHANGED, PHOTO_READY
from regions.stores.events import PARTITIONS, partition_of

WITHIN_S = 30
ALL = set(range(PARTITIONS))
# One key for each partition.
KEYS = [next(f"p_{n}" for n in range(99) if partition_of(f"p_{n}") == partition) for partition in range(PARTITIONS)]

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
    """The next `count` deliveries; fails where they do not come."""
    deadline_s, taken = time.monotonic() + WITHIN_S, []
    while len(taken) < count and time.monotonic() < deadline_s:
        taken += consumer.poll(count - len(taken), 1.0)
    assert len(taken) == count
    return taken


def take_events(consumer, count: int) -> list[Event]:
    return [delivery.event for delivery in take(consumer, count)]


def share(*consumers) -> list[set[int]]:
    """Waits until the members have all partitions among them, none twice and each some; gives each one's own."""
    deadline_s, owned = time.monotonic() + WITHIN_S, [set()]
    while time.monotonic() < deadline_s:
        owned = [consumer.owned() for consumer in consumers]
        if all(owned) and sorted(partition for one in owned for partition in one) == sorted(ALL):
            return owned
    pytest.fail(f"the partitions were not shared: {owned}")


@pytest.fixture
def join(open_events):
    """Opens consumers, each on a handle of its own as another process would have."""
    opened = []

    def consumer(group="lane", member="one", topic=PHOTO_READY):
        opened.append(open_events().consumer(topic, group, member))
        return opened[-1]

    yield consumer
    for one in opened:
        one.close()


def test_an_event_arrives_as_it_was_published(events, join):
    """With every field."""
    events.publish([event(1)])
    (delivery,) = take(join(), 1)
    assert delivery.event == event(1)
    assert delivery.partition == partition_of(KEYS[0])


def test_events_of_one_key_arrive_in_the_order_of_publishing(events, join):
    """In one partition, with growing offsets."""
    events.publish([event(number) for number in range(50)])
    events.publish([event(50)])
    deliveries = take(join(), 51)
    assert [delivery.event for delivery in deliveries] == [event(number) for number in range(51)]
    offsets = [delivery.offset for delivery in deliveries]
    assert offsets == sorted(set(offsets))
    assert {delivery.partition for delivery in deliveries} == {0}


def test_every_event_is_given_once(events, join):
    """To a group with one member that polls on."""
    events.publish([event(number, f"p_{number}") for number in range(40)])
    consumer = join()
    deliveries = take(consumer, 40)
    assert {delivery.event.event_id for delivery in deliveries} == {event(number).event_id for number in range(40)}
    assert consumer.poll(10, 0.0) == []


def test_a_poll_gives_no_more_than_its_limit(events, join):
    """The rest comes next."""
    events.publish([event(number) for number in range(5)])
    consumer = join()
    first = take(consumer, 1)
    assert len(first + consumer.poll(2, 1.0)) <= 3


def test_a_poll_of_an_empty_topic_ends(join):
    """With nothing."""
    assert join().poll(10, 0.0) == []
    assert join(group="other").poll(10, 0.1) == []


def test_publishing_nothing_is_fine(events, join):
    """And nothing arrives."""
    events.publish([])
    assert join().poll(10, 0.0) == []


def test_every_group_gets_every_event(events, join):
    """Whatever the other has committed."""
    events.publish([event(1)])
    (delivery,) = take(first := join(group="first"), 1)
    first.commit(delivery.partition, delivery.offset)
    assert take_events(join(group="second"), 1) == [event(1)]


def test_a_topic_holds_its_own_events_only(events, join):
    """Though published in one call."""
    events.publish([event(1), event(2, topic=FOLLOW_CHANGED), event(3)])
    assert take_events(join(topic=FOLLOW_CHANGED), 1) == [event(2, topic=FOLLOW_CHANGED)]
    assert take_events(join(), 2) == [event(1), event(3)]


def test_the_same_event_published_twice_arrives_at_least_once(events, join):
    """Whether it arrives twice is the adapter's own affair; consumers are idempotent."""
    events.publish([event(1), event(1)])
    events.publish([event(1), event(2)])
    consumer, seen = join(), []
    while event(2) not in seen:
        seen += take_events(consumer, 1)
    assert {one.event_id for one in seen} == {event(1).event_id, event(2).event_id}


def test_what_was_not_committed_is_delivered_again(events, join):
    """To whoever has the partition next."""
    events.publish([event(number) for number in range(4)])
    first = join()
    deliveries = take(first, 3)
    first.commit(0, deliveries[1].offset)
    first.close()
    assert take_events(join(member="two"), 2) == [event(2), event(3)]


def test_a_commit_never_goes_back(events, join):
    """An older offset after a newer one changes nothing."""
    events.publish([event(number) for number in range(3)])
    first = join()
    deliveries = take(first, 3)
    first.commit(0, deliveries[2].offset)
    first.commit(0, deliveries[0].offset)
    assert events.lag(PHOTO_READY, "lane")[0] == 0


def test_the_lag_is_what_the_group_has_not_committed(events, join):
    """By partition."""
    events.publish([*one_for_each_partition(), event(9)])
    consumer = join()
    by_partition = {delivery.partition: delivery for delivery in reversed(take(consumer, 5))}
    assert events.lag(PHOTO_READY, "lane") == {0: 2, 1: 1, 2: 1, 3: 1}
    consumer.commit(0, by_partition[0].offset)
    consumer.commit(3, by_partition[3].offset)
    assert events.lag(PHOTO_READY, "lane") == {0: 1, 1: 1, 2: 1, 3: 0}


def test_a_group_that_was_never_there_lags_by_everything(events):
    """And by nothing where there is nothing."""
    assert events.lag(PHOTO_READY, "lane") == dict.fromkeys(ALL, 0)
    events.publish(one_for_each_partition())
    assert events.lag(PHOTO_READY, "lane") == dict.fromkeys(ALL, 1)


def test_members_share_the_partitions(events, join):
    """Each has some, none is in two hands, and each gives its own partitions' events."""
    one, two = join(member="one"), join(member="two")
    owned = share(one, two)
    assert all(owned)
    events.publish(one_for_each_partition())
    for consumer, mine in zip((one, two), owned, strict=True):
        assert {delivery.partition for delivery in take(consumer, len(mine))} == mine


def test_members_of_one_name_are_two_members(join):
    """So that a process that starts again is not taken for the one before."""
    assert all(share(join(member="same"), join(member="same")))


def test_a_member_that_leaves_gives_its_partitions_to_the_others(events, join):
    """With what it had not committed."""
    one, two = join(member="one"), join(member="two")
    theirs = share(one, two)[0]
    events.publish(one_for_each_partition())
    take(one, len(theirs))
    take(two, PARTITIONS - len(theirs))
    one.close()
    assert share(two) == [ALL]
    assert {delivery.partition for delivery in take(two, len(theirs))} == theirs


def test_a_commit_for_a_partition_that_is_no_longer_ours_does_nothing(events, join):
    """The new owner's word counts."""
    events.publish(one_for_each_partition())
    one = join(member="one")
    deliveries = {delivery.partition: delivery for delivery in take(one, PARTITIONS)}
    mine = share(one, join(member="two"))[0]
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
    """With what was published after it began."""
    consumer = join()
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(consumer.poll, 10, WITHIN_S)
        events.publish([event(1)])
        assert [delivery.event for delivery in waiting.result()] == [event(1)]


def test_a_waiting_poll_is_woken_by_another_process(open_events, join):
    """As a processor is by an origin."""
    consumer = join()
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(consumer.poll, 10, WITHIN_S)
        told = pickle.dumps((open_events.another_process, [event(1)]))
        subprocess.run([sys.executable, "-c", PUBLISHER], input=told, check=True, timeout=WITHIN_S)
        assert [delivery.event for delivery in waiting.result()] == [event(1)]


def test_many_publish_at_once_and_nothing_is_lost(open_events, events, join):
    """Threads of one handle and other handles; each publisher's events of one key stay in order."""
    handles = [events, events, open_events(), open_events()]

    def publish(number: int) -> None:
        for count in range(10):
            handles[number].publish([event(100 * number + count, f"p_{number}")])

    with ThreadPoolExecutor(len(handles)) as threads:
        list(threads.map(publish, range(len(handles))))
    seen = take_events(join(), 40)
    for number in range(len(handles)):
        assert [one.at_ms % 100 for one in seen if one.key == f"p_{number}"] == list(range(10))


def test_a_closed_log_says_that_it_does_not_answer(events):
    """Unavailable, as for any store that is away."""
    events.close()
    with pytest.raises(Unavailable):
        events.publish([event(1)])
