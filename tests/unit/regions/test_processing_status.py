"""What processors say of themselves, and what several say together."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.processing_status import GONE_AFTER_MS, PREFIX, ProcessingStatus, from_text, ready_in_s, to_text, together
from regions.stores.settings import Setting

NOW_MS = 1_800_000_000_000
ONE = ProcessingStatus(
    at_ms=NOW_MS, workers=4, wanted_workers=6, fresh=10, deferred=2, backfill=100, in_flight=4, lag=50, finished=900,
    failed=3, worker_deaths=1, finished_per_s=20.0, work_s=0.2,
)  # fmt: skip


def tree(*texts: str) -> dict[str, Setting]:
    """The settings, one for each text."""
    return {f"{PREFIX}{number}": Setting(text, 1) for number, text in enumerate(texts)}


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


@pytest.mark.parametrize("change", [{"workers": -1}, {"workers": 1.5}, {"lag": None}, {"work_s": "1"}, {"fresh": True},
               {"lag": 10**400}, {"work_s": float("inf")}, {"work_s": float("nan")}])  # fmt: skip
def test_a_value_that_can_not_be_is_refused(change):
    """Somebody who can write a setting could otherwise make an origin fail."""
    assert from_text(json.dumps(asdict(ONE) | change)) is None


def test_two_processors_together():
    """Sums; but each gives the lag of the whole region, and the mean of its own work."""
    other = replace(ONE, at_ms=NOW_MS - 1000, workers=2, lag=40, work_s=0.4)
    both = together(tree(to_text(ONE), to_text(other), "nonsense"), NOW_MS)
    assert (both.workers, both.fresh, both.finished, both.lag) == (6, 20, 1800, 50)
    assert (both.at_ms, both.work_s) == (NOW_MS, pytest.approx(0.3))


def test_a_processor_that_is_silent_is_gone():
    """Its row in the settings may stay if it was killed."""
    assert together(tree(to_text(ONE)), NOW_MS + GONE_AFTER_MS) is None


def test_a_status_from_the_future_counts_as_gone():
    """Otherwise it would never become old."""
    assert together(tree(to_text(ONE)), NOW_MS - GONE_AFTER_MS) is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [({}, 3), ({"lag": 2000}, 101), ({"lag": 0, "fresh": 0, "in_flight": 0}, 1), ({"workers": 0}, None)],
)
def test_how_long_a_photo_takes(change, expected):
    """The work of all that wait, divided among the workers, and its own."""
    assert ready_in_s(replace(ONE, **change)) == expected
