"""What replicators say of their lanes comes back as it was, and what nobody can read is left out."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.events.topics import PHOTO_DELETED, PHOTO_READY
from regions.status_documents import GONE_AFTER_MS
from regions.stores.settings import Setting
from replication.budget import LaneLimits
from replication.lane_status import LaneStatus, from_text, is_present, present, to_text, total
from tests.builders.lane_reports import lane_work

NOW_MS = 1_800_000_000_000
LIMITS = LaneLimits(paused=False, width=12, backfill_width=2, bytes_per_s=None, asks=True)
STATUS = LaneStatus(NOW_MS, lane_work(oldest_ms={PHOTO_READY: 7}, bytes_per_s=1.5), LIMITS, is_heard=True)


def settings(**statuses: LaneStatus) -> dict[str, Setting]:
    return {process: Setting(to_text({"us-central": status}), 1) for process, status in statuses.items()}


def test_a_status_comes_back_from_its_text():
    """Of each lane; with a limit of bytes, and without."""
    both = {"us-central": STATUS, "eu-central": replace(STATUS, limits=replace(LIMITS, bytes_per_s=1e6))}
    assert from_text(to_text(both)) == both


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_any_other_text_says_nothing(text):
    """Nothing is raised."""
    assert from_text(text) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"at_ms": "1"},
        {"is_heard": 1},
        {"work": {}},
        {"limits": None},
        {"work": asdict(lane_work()) | {"errors": -1}},
        {"work": asdict(lane_work()) | {"silent_s": "1"}},
        {"limits": asdict(LIMITS) | {"bytes_per_s": "1"}},
    ],
)
def test_a_lane_that_can_not_be_is_left_out(change):
    """The others are read."""
    document = {"us-central": asdict(STATUS) | change, "eu-central": asdict(STATUS)}
    assert from_text(json.dumps(document)) == {"eu-central": STATUS}


def test_only_replicators_that_are_there_count():
    """Not those that have been silent for ten seconds."""
    late = replace(STATUS, at_ms=NOW_MS - GONE_AFTER_MS)
    assert present(settings(one=STATUS, two=STATUS, late=late), NOW_MS) == {"us-central": [STATUS, STATUS]}
    assert [is_present(to_text({"us-central": one}), NOW_MS) for one in (STATUS, late)] == [True, False]


def test_two_replicators_together():
    """Sums, the oldest event, and the shortest silence of those that get no answer."""
    work = lane_work(
        under_way=3, set_aside=2, deletions_aside=5, copying=1, oldest_ms={PHOTO_READY: 9, PHOTO_DELETED: 3}, errors=4,
        bytes_per_s=2.0, silent_s=60.0, put_off=4, put_off_ms=8, put_off_because="busy",
    )  # fmt: skip
    later = replace(STATUS, work=replace(STATUS.work, put_off=1, put_off_ms=9, put_off_because="away"))
    both = total([later, LaneStatus(NOW_MS, work, LIMITS, False)])
    assert (both.put_off, both.put_off_ms, both.put_off_because) == (5, 8, "busy")
    assert (both.replicators, both.under_way, both.set_aside, both.copying, both.errors) == (2, 3, 2, 1, 4)
    assert both.deletions_aside == 5
    assert both.oldest_ms == {PHOTO_READY: 7, PHOTO_DELETED: 3}
    assert (both.bytes_per_s, both.silent_s, both.refusing, both.alone) == (3.5, 60.0, 1, 1)
    assert (both.width, both.backfill_width) == (24, 4)
