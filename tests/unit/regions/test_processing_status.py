"""What processors say of themselves, and what several say together."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.processing_status import from_text, key_of, present, ready_in_s, total
from regions.status_documents import GONE_AFTER_MS, to_text
from regions.stores.settings import Setting
from tests.builders.statuses import status

ONE = status(
    workers=4,
    wanted_workers=6,
    in_flight=4,
    lag=50,
    arrived_per_s=21.0,
    finished_per_s=20.0,
    failed_per_s=0.5,
    worker_deaths=1,
    waiting={"fresh": 10, "deferred": 2, "backfill": 100},
    oldest_waiting_s={"fresh": 1.5, "deferred": 20.0, "backfill": 600.0},
    step_ms={"fetch": 20.0, "store": 40.0},
)
NOW_MS = ONE.at_ms


def settings(**texts: str) -> dict[str, Setting]:
    return {key_of(process): Setting(text, 1) for process, text in texts.items()}


def test_a_status_comes_back_from_its_text():
    """Every field."""
    assert from_text(to_text(ONE)) == ONE


def test_fields_of_a_newer_version_are_ignored():
    """Processors of two versions report side by side."""
    assert from_text(json.dumps(asdict(ONE) | {"colour": "blue"})) == ONE


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_any_other_text_is_no_status(text):
    """Nothing is raised."""
    assert from_text(text) is None


@pytest.mark.parametrize(
    "change",
    [
        {"workers": -1},
        {"workers": 1.5},
        {"lag": None},
        {"lag": 10**400},
        {"work_s": "1"},
        {"work_s": float("inf")},
        {"work_s": float("nan")},
        {"in_flight": True},
        {"cluster": 1},
        {"cluster": "\ud800"},
        {"waiting": {"\ud800": 1}},
        {"waiting": []},
        {"waiting": {"fresh": 1.5}},
        {"waiting": {str(number): 1 for number in range(10_001)}},
        {"step_ms": {"fetch": "1"}},
    ],
)
def test_a_value_that_can_not_be_is_refused(change):
    """Somebody who can write a setting could otherwise make an origin fail."""
    assert from_text(json.dumps(asdict(ONE) | change)) is None


def test_two_processors_together():
    """Sums, and the oldest. Means count as much as was finished; each gives the lag of the whole region."""
    other = replace(
        ONE,
        at_ms=NOW_MS - 1000,
        cluster="two",
        lag=40,
        finished_per_s=60.0,
        work_s=0.4,
        oldest_waiting_s={"fresh": 3.0},
        step_ms={"fetch": 60.0, "decode": 9.0},
    )
    both = total([ONE, other])
    assert (both.at_ms, both.cluster, both.workers, both.wanted_workers, both.lag) == (NOW_MS, "one, two", 8, 12, 50)
    assert (both.in_flight, both.waiting, both.worker_deaths) == (8, {"fresh": 20, "deferred": 4, "backfill": 200}, 2)
    assert both.oldest_waiting_s == {"fresh": 3.0, "deferred": 20.0, "backfill": 600.0}
    assert both.work_s == pytest.approx(0.35)
    assert both.step_ms == pytest.approx({"fetch": 50.0, "store": 40.0, "decode": 9.0})


def test_workers_that_two_processors_share_count_once():
    """They are at one scheduler."""
    both = total([ONE, replace(ONE, workers=3)])
    assert (both.workers, both.wanted_workers) == (4, 6)


def test_before_anything_is_finished_the_time_of_a_photo_is_a_guess():
    """The mean of the processors' own."""
    assert total([status(work_s=0.2), status(work_s=0.4)]).work_s == pytest.approx(0.3)


def test_a_processor_that_is_silent_is_gone():
    """Its row in the settings may stay if it was killed; and what can't be read counts as none."""
    written = settings(one=to_text(ONE), late=to_text(replace(ONE, at_ms=NOW_MS - GONE_AFTER_MS)), other="nonsense")
    assert present(written, NOW_MS) == {"one": ONE}


def test_a_status_from_the_future_counts_as_gone():
    """Otherwise it would never become old."""
    assert present(settings(one=to_text(ONE)), NOW_MS - GONE_AFTER_MS) == {}


@pytest.mark.parametrize(
    ("change", "expected"),
    [({}, 3), ({"lag": 2000}, 101), ({"lag": 0, "waiting": {}, "in_flight": 0}, 1), ({"workers": 0}, None)],
)
def test_how_long_a_photo_takes(change, expected):
    """The work of all that wait, divided among the workers, and its own."""
    assert ready_in_s(replace(ONE, **change)) == expected
