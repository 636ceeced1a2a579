"""What only the SQLite event log does: members expire by a clock that may step, and old events are trimmed."""

import os
import sqlite3
from functools import partial

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from regions.events.messages import Event
from regions.events.topics import DEAD_LETTERS, PHOTO_READY
from regions.stores.partitioner import partition_of
from regions.stores.sqlite import adapter as sqlite
from regions.stores.sqlite.database import Database
from regions.stores.sqlite.membership import TTL_MS, assign
from regions.stores.sqlite.notifier import Notifier
from tests.builders.stores import created
from tests.builders.trimming import trim_sqlite

ALL = set(range(sqlite.PARTITIONS))
WITHIN_S = 30
DAY_MS = 24 * 3600 * 1000


def event(number: int, key: str = "p_1", topic: str = PHOTO_READY) -> Event:
    return Event(topic, key, f"{topic}:{number}", number, {})


@pytest.fixture
def open_events(tmp_path, clock):
    """Opens handles on one file, as processes would."""
    opened = []

    def handle():
        opened.append(created(sqlite.events(str(tmp_path / "events.db"), clock.now_ms)))
        return opened[-1]

    yield handle
    for one in opened:
        one.close()


@pytest.fixture
def events(open_events):
    return open_events()


@pytest.fixture
def count_stored(tmp_path, events):
    """How many events the file has."""

    def count() -> int:
        connection = sqlite3.connect(tmp_path / "events.db")
        (rows,) = connection.execute("SELECT count(*) FROM log").fetchone()
        connection.close()
        return rows

    return count


def commit_all(events, group="lane", topic=PHOTO_READY) -> list[int]:
    """Reads and commits all that is new to the group, with a new member. Returns the numbers of the events."""
    consumer, numbers = events.consumer(topic, group, "one"), []
    while deliveries := consumer.poll(50, 0.0):
        numbers += [delivery.event.at_ms for delivery in deliveries]
        for delivery in deliveries:
            consumer.commit(delivery.partition, delivery.offset)
    consumer.close()
    return numbers


@given(st.lists(st.text(min_size=1), min_size=1, max_size=6, unique=True).map(sorted), st.integers(1, 20))
def test_living_members_share_all_partitions_evenly(alive, partitions):
    """Each partition belongs to one member, and no member has two more than another."""
    shares = [assign(name, alive, partitions) for name in alive]
    assert sorted(partition for share in shares for partition in share) == list(range(partitions))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert assign("", alive, partitions) is None


def test_a_dead_members_partitions_go_to_the_others(open_events, clock):
    """When its last heartbeat is as old as the TTL, and not before."""
    dead, alive = open_events().consumer(PHOTO_READY, "lane", "dead"), open_events().consumer(PHOTO_READY, "lane", "b")
    assert dead.owned() | alive.owned() == ALL
    assert len(alive.owned()) == 2
    clock.at_ms += TTL_MS - 1
    assert len(alive.owned()) == 2
    clock.at_ms += 1
    assert alive.owned() == ALL


def test_members_that_keep_polling_stay_alive(open_events, clock):
    """One write keeps all members of a process alive."""
    events, other = open_events(), open_events()
    members = [events.consumer(PHOTO_READY, "lane", "a"), events.consumer(PHOTO_READY, "lane", "b")]
    members.append(other.consumer(PHOTO_READY, "lane", "c"))
    for _ in range(3 * TTL_MS // 1000):
        clock.at_ms += 1_000
        shares = [member.owned() for member in members]
    assert sorted(partition for share in shares for partition in share) == sorted(ALL)
    assert all(shares)


def test_a_member_that_stops_polling_dies_although_its_process_lives(events, clock):
    """The heartbeats of other members don't keep it alive."""
    stuck, alive = events.consumer(PHOTO_READY, "lane", "stuck"), events.consumer(PHOTO_READY, "lane", "b")
    for _ in range(2 + 2 * TTL_MS // 1000):
        clock.at_ms += 1_000
        alive.owned()
    assert alive.owned() == ALL
    stuck.commit(0, 0)
    assert events.lag(PHOTO_READY, "lane")[0] == 0


def test_a_member_that_was_silent_for_too_long_joins_again(events, clock):
    """Events that it had not committed are delivered to it again."""
    events.publish([event(1)])
    consumer = events.consumer(PHOTO_READY, "lane", "one")
    assert len(consumer.poll(10, 0.0)) == 1
    clock.at_ms += 2 * TTL_MS
    assert [delivery.event for delivery in consumer.poll(10, 0.0)] == [event(1)]


@pytest.mark.parametrize("step_ms", [-3_600_000, 3_600_000])
def test_after_a_clock_step_every_partition_has_an_owner(open_events, clock, step_ms):
    """Dead members still lose their partitions, and living ones continue."""
    open_events().consumer(PHOTO_READY, "lane", "dead")
    alive = open_events().consumer(PHOTO_READY, "lane", "alive")
    clock.at_ms += step_ms
    alive.poll(1, 0.0)
    clock.at_ms += TTL_MS
    alive.poll(1, 0.0)
    assert alive.owned() == ALL


@pytest.fixture
def notifier(events, tmp_path):
    """The notifier of another process, which has seen all earlier changes."""
    file = Database(str(tmp_path / "events.db"))
    opened = Notifier(file)
    opened.wait(0, WITHIN_S)
    yield opened
    opened.close()
    file.close()


def test_the_notifier_wakes_waiters_when_another_process_publishes_or_joins(notifier, events):
    """And when one leaves."""
    consumers = []
    for change in (
        lambda: events.publish([event(1)]),
        lambda: consumers.append(events.consumer(PHOTO_READY, "lane", "one")),
        lambda: consumers[0].close(),
    ):
        seen = notifier.changes
        change()
        notifier.wait(seen, WITHIN_S)
        assert notifier.changes == seen + 1


def test_the_notifier_ignores_commits_and_heartbeats(notifier, events, clock):
    """They change nothing that a waiting consumer has to react to."""
    consumer = events.consumer(PHOTO_READY, "lane", "one")
    notifier.wait(1, WITHIN_S)
    seen = notifier.changes
    for offset in range(5):
        clock.at_ms += 1_000
        consumer.owned()
        consumer.commit(0, offset)
    events.publish([event(1)])
    notifier.wait(seen, WITHIN_S)
    assert notifier.changes == seen + 1


def test_old_events_that_all_groups_committed_are_trimmed(events, clock, count_stored):
    """By publishers: up to two for each event that they add."""
    events.publish([event(number) for number in range(10)])
    commit_all(events)
    clock.at_ms += 8 * DAY_MS
    events.publish([event(number) for number in range(10, 14)])
    assert count_stored() == 10 + 4 - 8
    events.publish([event(14)])
    assert count_stored() == 5
    assert commit_all(events) == [10, 11, 12, 13, 14]


def test_recent_events_are_kept(events, clock, count_stored):
    """Although every group has committed them: a new group may need them."""
    events.publish([event(number) for number in range(10)])
    commit_all(events)
    clock.at_ms += 6 * DAY_MS
    events.publish([event(10)])
    assert count_stored() == 11
    assert commit_all(events, "new") == list(range(11))


def test_events_that_a_group_has_not_committed_are_kept(events, clock, count_stored):
    """However old they are, and even if other groups have."""
    events.publish([event(number) for number in range(10)])
    events.consumer(PHOTO_READY, "slow", "one").close()
    commit_all(events)
    clock.at_ms += 100 * DAY_MS
    events.publish([event(10)])
    assert count_stored() == 11
    assert commit_all(events, "slow") == list(range(11))


def test_events_of_a_topic_without_groups_are_kept(events, clock, count_stored):
    """Such as the dead letters."""
    events.publish([event(number, topic=DEAD_LETTERS) for number in range(10)])
    clock.at_ms += 100 * DAY_MS
    events.publish([event(10, topic=DEAD_LETTERS)])
    assert count_stored() == 11


def test_dead_letters_are_kept_although_somebody_has_read_them(events, clock, count_stored):
    """Who reads them handles those of one group only."""
    events.publish([event(number, topic=DEAD_LETTERS) for number in range(10)])
    commit_all(events, "retry-lane-us-central", DEAD_LETTERS)
    clock.at_ms += 100 * DAY_MS
    events.publish([event(10, topic=DEAD_LETTERS)])
    assert count_stored() == 11


def test_a_new_group_starts_behind_a_gap_at_the_oldest_event_in_the_log(events, clock):
    """Events that were trimmed don't count as lag."""
    events.publish([event(number) for number in range(10)])
    commit_all(events)
    clock.at_ms += 8 * DAY_MS
    events.publish([event(number) for number in range(10, 20)])
    assert sum(events.lag(PHOTO_READY, "new").values()) == 10
    first = events.consumer(PHOTO_READY, "new", "one")
    assert first.poll(9, 0.0) == []
    (gap,) = first.gaps()
    assert (gap.first, gap.end) == (0, 10)
    first.skip(gap)
    first.close()
    assert commit_all(events, "new") == list(range(10, 20))
    assert sum(events.lag(PHOTO_READY, "new").values()) == 0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(1, 5)),
        st.tuples(st.just("join"), st.just(0)),
        *(st.tuples(st.just(what), st.integers(0, 3)) for what in ("poll", "commit", "close", "die", "trim")),
        st.tuples(st.just("advance"), st.sampled_from([500, 1_500, TTL_MS, -TTL_MS])),
    ),
    min_size=6,
    max_size=30,
)


class World:
    """One group, and members that join, work and leave in the steps that Hypothesis draws; and the log is trimmed."""

    def __init__(self, events, clock, trim) -> None:
        self.events, self.clock, self._trim = events, clock, trim
        self.members, self.done, self.missed = [], set(), set()
        self.published: dict[int, list[int]] = {partition: [] for partition in ALL}

    def numbers(self) -> set[int]:
        return {number for numbers in self.published.values() for number in numbers}

    def publish(self, count) -> None:
        published = [event(len(self.numbers()) + n, f"p_{n % 2}") for n in range(count)]
        self.events.publish(published)
        for one in published:
            self.published[partition_of(one.key, sqlite.PARTITIONS)].append(one.at_ms)

    def trim(self, kept) -> None:
        """All but so many events of each partition."""
        for partition, numbers in self.published.items():
            self._trim(PHOTO_READY, partition, len(numbers) - kept)

    def skip_gaps(self, consumer) -> None:
        for gap in consumer.gaps():
            self.missed |= set(self.published[gap.partition][gap.first : gap.end])
            consumer.skip(gap)

    def join(self, _) -> None:
        self.members.append((self.events.consumer(PHOTO_READY, "group", "m"), []))

    def poll(self, which) -> None:
        if self.members:
            consumer, taken = self.members[which % len(self.members)]
            self.skip_gaps(consumer)
            taken += consumer.poll(2, 0.0)

    def commit(self, which) -> None:
        if self.members:
            consumer, taken = self.members[which % len(self.members)]
            for delivery in taken:
                consumer.commit(delivery.partition, delivery.offset)
            self.done |= {delivery.event.at_ms for delivery in taken}
            taken.clear()

    def close(self, which) -> None:
        if self.members:
            self.members.pop(which % len(self.members))[0].close()

    def die(self, which) -> None:
        if self.members:
            self.members.pop(which % len(self.members))

    def advance(self, ms) -> None:
        self.clock.at_ms += ms


@hypothesis_settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_no_event_is_skipped_in_silence_when_members_join_leave_and_die(tmp_path, clock, steps):
    """Every event was either committed as done, or is delivered to the last member, or was in a gap."""
    path = tmp_path / f"{os.urandom(8).hex()}.db"
    events = created(sqlite.events(str(path), clock.now_ms))
    world = World(events, clock, partial(trim_sqlite, path))
    for what, argument in steps:
        getattr(world, what)(argument)
    clock.at_ms += 3 * TTL_MS
    last, delivered = events.consumer(PHOTO_READY, "group", "last"), set()
    while (deliveries := last.poll(50, 0.0)) or last.gaps():
        world.skip_gaps(last)
        delivered |= {delivery.event.at_ms for delivery in deliveries}
    assert delivered | world.done | world.missed == world.numbers()
    events.close()


def test_the_file_keeps_the_partitions_that_it_was_created_with(tmp_path, clock):
    """A program that was started with another number reads the real one, so that all agree where a key belongs."""
    first = created(sqlite.events(str(tmp_path / "events.db"), clock.now_ms, partitions=7))
    later = created(sqlite.events(str(tmp_path / "events.db"), clock.now_ms, partitions=2))
    assert set(later.lag(PHOTO_READY, "lane")) == set(range(7))
    assert later.consumer(PHOTO_READY, "lane", "one").owned() == set(range(7))
    first.close()
    later.close()
