"""What a lane may do at once, divided among its partitions, and what one process makes of its part."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.events.topics import LANES_IN_A_MINUTE, PHOTO_READY, PHOTO_READY_AGAIN
from replication.budget import (
    LEAST_BYTES_PER_S,
    MOST_AT_ONCE,
    MOST_WIDTH,
    LaneSettings,
    asking,
    divide,
    limits,
    parse_settings,
    partition_name,
    settings_text,
)
from tests.builders.lane_reports import AGAIN, FRESH, PARTITIONS, lane_report

SILENT = lane_report(under_way=5, answered_s=60.0, refused=True)
IDLE = lane_report(answered_s=60.0)
BUSY = lane_report(under_way=5, answered_s=60.0)

widths = st.integers(1, MOST_AT_ONCE) | st.integers(1, MOST_WIDTH)
settings = st.builds(LaneSettings, st.booleans(), st.none() | st.integers(LEAST_BYTES_PER_S, 10**10), widths, widths)
counts = st.fixed_dictionaries(dict.fromkeys((PHOTO_READY, PHOTO_READY_AGAIN), st.integers(1, 20)))


def names_of(partitions) -> list[str]:
    return [partition_name(topic, number) for topic, count in partitions.items() for number in range(count)]


@given(settings, counts, st.data())
def test_the_slots_of_a_topic_add_up_to_its_width(chosen, partitions, data):
    """However many of its partitions are reported."""
    backlog = data.draw(st.dictionaries(st.sampled_from(names_of(partitions)), st.integers(0, 10**6)))
    divided = divide(chosen, partitions, backlog)
    assert sorted(divided) == sorted(names_of(partitions))
    for topic, slots in chosen.slots().items():
        assert sum(count for name, count in divided.items() if name.startswith(f"{topic}:")) == slots


@given(settings, settings, counts, st.data())
def test_the_parts_of_all_processes_are_no_more_than_the_whole(chosen, before, partitions, data):
    """But for one slot of each topic that every process has at least, and 1 MiB/s. Whether the actor has divided them,
    did so by other settings and is away, or never did."""
    names = names_of(partitions)
    backlog = data.draw(st.fixed_dictionaries(dict.fromkeys(names, st.integers(0, 1_000))))
    process_of = {name: data.draw(st.integers(0, 4)) for name in names}
    divided_by = data.draw(st.sampled_from([chosen, before]))
    slots = data.draw(st.sampled_from([divide(divided_by, partitions, backlog), {}]))
    parts = [
        limits(chosen, slots, divided_by, [name for name in names if process_of[name] == process], partitions)
        for process in set(process_of.values())
    ]
    assert sum(part.width for part in parts) <= chosen.width + len(parts)
    assert sum(part.backfill_width for part in parts) <= chosen.backfill_width + len(parts)
    assert all(part.width and part.backfill_width for part in parts)
    if chosen.bytes_per_s is not None:
        part_of_one_slot = chosen.bytes_per_s / sum(chosen.slots().values())
        most = chosen.bytes_per_s + len(parts) * max(LEAST_BYTES_PER_S, 2 * part_of_one_slot)
        assert sum(part.bytes_per_s for part in parts) <= most * 1.000_001


@given(settings, counts)
def test_a_process_that_has_everything_may_do_everything(chosen, partitions):
    """Also before it has heard of any budget. But no more than a process has threads for."""
    for slots in (divide(chosen, partitions, {}), {}):
        mine, whole = limits(chosen, slots, chosen, names_of(partitions), partitions), chosen.slots()
        assert mine.width == min(whole[PHOTO_READY], MOST_AT_ONCE)
        assert mine.backfill_width == min(whole[PHOTO_READY_AGAIN], MOST_AT_ONCE)
        assert mine.bytes_per_s == chosen.bytes_per_s
        assert mine.paused == chosen.paused


def test_slots_go_to_where_events_wait():
    """A partition without events needs none while others have plenty."""
    divided = divide(LaneSettings(width=12), PARTITIONS, dict(zip(FRESH, (1_000, 3, 0, 0), strict=True)))
    assert [divided[name] for name in FRESH] == [9, 3, 0, 0]


def test_what_nobody_reports_keeps_its_part():
    """Who has it may be at work with that, and not be heard for a while."""
    divided = divide(LaneSettings(width=12), PARTITIONS, dict.fromkeys(FRESH[:2], 1_000))
    assert [divided[name] for name in FRESH] == [3, 3, 3, 3]


def test_a_process_without_a_budget_takes_the_even_part_of_its_partitions():
    """So parts add up also where no actor is there to divide."""
    wide = LaneSettings(width=12, backfill_width=4, bytes_per_s=16_000_000)
    mine = limits(wide, {}, wide, [FRESH[0], AGAIN[0]], PARTITIONS)
    assert (mine.width, mine.backfill_width, mine.bytes_per_s) == (3, 1, 4_000_000)


@pytest.mark.parametrize(
    ("narrow", "width", "most_bytes_per_s"),
    [(LaneSettings(width=24), 3, None), (LaneSettings(bytes_per_s=10 * LEAST_BYTES_PER_S), 1, 10 * LEAST_BYTES_PER_S)],
)
def test_slots_that_were_divided_by_wider_settings_are_less_in_the_same_measure(narrow, width, most_bytes_per_s):
    """Eight replicators, whose actor is away since."""
    partitions, wide = dict.fromkeys(PARTITIONS, 96), LaneSettings(width=768)
    names, slots = names_of(partitions), divide(wide, partitions, {})
    parts = [limits(narrow, slots, wide, names[number::8], partitions) for number in range(8)]
    assert [part.width for part in parts] == [width] * 8
    assert most_bytes_per_s is None or sum(part.bytes_per_s or 0 for part in parts) <= most_bytes_per_s


def test_wider_settings_wait_for_the_actor():
    """Nobody has divided by them what there is more."""
    narrow = LaneSettings(width=8)
    assert limits(LaneSettings(), divide(narrow, PARTITIONS, {}), narrow, FRESH[:1], PARTITIONS).width == 2


def test_before_it_knows_how_many_partitions_there_are_it_does_one_at_a_time():
    """Its part may be small."""
    assert limits(LaneSettings(), {}, LaneSettings(), FRESH, {}).width == 1


def test_a_process_that_lost_its_partitions_begins_nothing():
    """Whatever it was given for them. What it has begun ends at a pace that its connection survives."""
    capped = LaneSettings(bytes_per_s=10_000_000)
    mine = limits(capped, dict.fromkeys(FRESH, 4), capped, [], PARTITIONS)
    assert (mine.width, mine.backfill_width) == (0, 0)
    assert mine.bytes_per_s == LEAST_BYTES_PER_S


def test_who_has_only_events_that_were_set_aside_does_one_at_a_time():
    """There may be more replicators than partitions."""
    mine = limits(LaneSettings(), {}, LaneSettings(), [partition_name(LANES_IN_A_MINUTE, 0)], PARTITIONS)
    assert (mine.width, mine.backfill_width) == (1, 1)


def test_few_bytes_a_second_are_not_spread_over_many_photos():
    """Each would go so slowly that the destination gives it up."""
    capped = LaneSettings(bytes_per_s=3 * LEAST_BYTES_PER_S, width=64, backfill_width=2)
    assert capped.slots() == {PHOTO_READY: 3, PHOTO_READY_AGAIN: 2}


def test_of_those_that_find_a_destination_silent_one_asks_it():
    """The others would only wait as long as it does. One that has nothing to ask does not count."""
    reports = {"a": SILENT, "b": BUSY, "c": IDLE}
    turns = [asking(reports, now_s) for now_s in (0.0, 9.0, 10.0, 20.0)]
    assert turns == [{"a"}, {"a"}, {"b"}, {"a"}]


@pytest.mark.parametrize("other", [lane_report(answered_s=1.0), lane_report(under_way=5, answered_s=0.5)])
def test_an_answer_to_one_lets_all_ask(other):
    """The silence of a moment ago may have been between one process and the destination."""
    assert asking({"a": SILENT, "b": other, "c": IDLE}, 0.0) == {"a", "b", "c"}


def test_nobody_waits_for_a_destination_that_nobody_has_found_silent():
    """That has not answered for long only says that it was not asked."""
    assert asking({"a": IDLE, "b": BUSY}, 0.0) == {"a", "b"}


@given(settings)
def test_settings_come_back_from_their_text(chosen):
    assert parse_settings(settings_text(chosen)) == chosen


def test_settings_may_name_only_what_differs():
    """And what only a newer program knows is ignored."""
    assert parse_settings('{"paused": true, "colour": 1}') == LaneSettings(paused=True)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{", "Expecting"),
        ("[]", "no JSON object"),
        ("[" * 100_000, "no JSON"),
        ('{"paused": 1}', "another type"),
        ('{"width": "4"}', "another type"),
        ('{"width": 0}', "width must"),
        ('{"width": 100001}', "width must"),
        ('{"backfill_width": 0}', "backfill_width must"),
        ('{"bytes_per_s": 1}', "bytes_per_s must"),
        (json.dumps({"bytes_per_s": 10**30}), "another type"),
    ],
)
def test_settings_that_can_not_be_are_refused(text, wrong):
    """With what is wrong."""
    with pytest.raises(ValueError, match=wrong):
        parse_settings(text)
