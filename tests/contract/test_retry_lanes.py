"""Dead letters of lanes become events again, on every event log: each once, wherever a run was stopped."""

from collections import Counter
from contextlib import closing

import pytest

from darkroom.operate import retry_lanes
from darkroom.operate.retry_lanes import retry
from regions.errors import Unavailable
from regions.events.messages import Event, Unreadable, dead_letter
from regions.events.set_aside import parse
from regions.events.topics import DEAD_LETTERS, LANES_IN_A_MINUTE, PHOTO_DELETED, PHOTO_READY, lane_group

WITHIN_S = 30
LANE, OTHER = lane_group("us-central"), lane_group("ap-south")
NOW_MS = 1_800_000_000_000


def letter(number: int, group: str = LANE, error: str = "NotFound('there is no raw/p_1')") -> Event:
    event = Event(PHOTO_READY, f"p_{number}", f"photo_ready:{number}", number, {})
    return dead_letter(event, group, error, number)


@pytest.fixture
def published(events):
    """The numbers of the events that are set aside for a lane, with how often each is there."""

    def read(group: str) -> Counter[int]:
        left, found = sum(events.lag(LANES_IN_A_MINUTE, "test").values()), []
        with closing(events.consumer(LANES_IN_A_MINUTE, "test", "test")) as consumer:
            while len(found) < left:
                found += [parse(delivery.event) for delivery in consumer.poll(99, WITHIN_S)]
        return Counter(one.event.at_ms for one in found if one.group == group)

    return read


def run(events, lane=LANE, dry_run=False) -> dict[str, int]:
    return retry(events, lane, dry_run, lambda: NOW_MS).counts


def test_each_letter_of_a_lane_becomes_an_event_once(events, published):
    """And none of any other group. A second call finds only new ones."""
    events.publish([letter(1), letter(2, OTHER), letter(3, "fanout"), letter(4, error="ValueError()")])
    assert run(events) == {"NotFound": 1, "ValueError": 1}
    events.publish([letter(5)])
    assert run(events) == {"NotFound": 1}
    assert run(events) == {}
    assert published(LANE) == {1: 1, 4: 1, 5: 1}


def test_letters_of_another_lane_stay_for_its_own_call(events, published):
    """Each lane has read as far as its own calls did."""
    events.publish([letter(1), letter(2, OTHER)])
    run(events)
    assert run(events, OTHER) == {"NotFound": 1}
    assert published(OTHER) == {2: 1}


def test_a_dry_run_changes_nothing(events, published):
    """It finds what the next call publishes."""
    events.publish([letter(number) for number in range(7)])
    assert run(events, dry_run=True) == run(events) == {"NotFound": 7}
    assert published(LANE) == Counter(range(7))


def test_a_run_that_was_stopped_goes_on(events, published, monkeypatch):
    """At most one page is published twice."""
    monkeypatch.setattr(retry_lanes, "PAGE", 2)
    events.publish([letter(number, error="ValueError()") for number in range(20)])
    publish, pages = events.publish, iter(range(4))

    def fail_at_last(page) -> None:
        publish(page)
        if next(pages, None) is None:
            raise Unavailable("down")

    with monkeypatch.context() as patched, pytest.raises(Unavailable):
        patched.setattr(events, "publish", fail_at_last)
        run(events)
    run(events)
    times = published(LANE)
    assert set(times) == set(range(20))
    assert times.total() <= 22


def test_what_can_not_be_read_is_counted_and_stays(events, published):
    """It stops nothing."""
    unreadable = dead_letter(Unreadable(PHOTO_DELETED, "", "unreadable:1", "{", "not an event"), LANE, "no", 1)
    events.publish([letter(1), unreadable, Event(DEAD_LETTERS, "p_9", "no letter", 1, {}), letter(2)])
    found = retry(events, LANE, False, lambda: NOW_MS)
    assert (found.counts, found.unreadable) == ({"NotFound": 2}, 1)
    assert published(LANE) == {1: 1, 2: 1}
