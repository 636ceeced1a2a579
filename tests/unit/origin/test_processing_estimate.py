"""The estimate of when a photo is ready, as clients get it."""

import pytest

from origin.processing_estimate import ProcessingEstimate
from regions.errors import Unavailable
from regions.processing_status import PREFIX
from regions.status_documents import to_text
from regions.stores.settings import Setting
from tests.builders.statuses import status


def reported(at_ms: int, **changes: float) -> str:
    return to_text(status(at_ms=at_ms, workers=1, lag=99, **changes))


class Counted:
    """Settings that count how often they are read, and may be away."""

    def __init__(self, text: str) -> None:
        self.text, self.reads, self.is_away = text, 0, False

    def tree(self, prefix: str) -> dict[str, Setting]:
        assert prefix == PREFIX
        self.reads += 1
        if self.is_away:
            raise Unavailable("away")
        return {f"{prefix}one": Setting(self.text, 1)}


def test_a_photo_that_is_processed_says_when_it_is_ready(api, ana):
    """About: 99 photos wait for one worker that takes 0.2 s for each. When it is ready, it no longer says so."""
    photo_id = api.uploaded(ana)
    api.context.stores.settings.values.write(f"{PREFIX}one", reported(api.context.clock_ms()))
    assert api.request("GET", f"/v1/photos/{photo_id}", user=ana).json["ready_in_s"] == 20
    assert "ready_in_s" not in api.request("GET", f"/v1/photos/{api.ready(ana)}", user=ana).json


def test_without_a_processor_there_is_no_estimate(api, ana):
    """Nobody knows."""
    assert "ready_in_s" not in api.request("GET", f"/v1/photos/{api.uploaded(ana)}", user=ana).json


def test_an_estimate_of_more_than_an_hour_is_none(monotonic):
    """Nobody can rely on it."""
    for work_s, expected in ((36.0, 3600), (36.1, None)):
        counted = Counted(reported(1000, work_s=work_s))
        assert ProcessingEstimate(counted, lambda: 1000, lambda: monotonic["s"]).ready_in_s() == expected


@pytest.fixture
def monotonic():
    return {"s": 0.0}


def test_the_settings_are_read_at_most_once_in_two_seconds(monotonic):
    """However many ask."""
    counted = Counted(reported(1000))
    estimate = ProcessingEstimate(counted, lambda: 1000, lambda: monotonic["s"])
    assert [estimate.ready_in_s() for _ in range(100)] == [20] * 100
    assert counted.reads == 1
    monotonic["s"] = 2.0
    estimate.ready_in_s()
    assert counted.reads == 2


def test_settings_that_are_away_fail_no_request(monotonic):
    """There is no estimate then."""
    counted = Counted(reported(1000))
    counted.is_away = True
    assert ProcessingEstimate(counted, lambda: 1000, lambda: monotonic["s"]).ready_in_s() is None
