"""A processor's status is in the settings while it runs, and no longer."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest

from regions.errors import Unavailable
from regions.processing_status import PREFIX, from_text, is_status_present, key_of
from regions.status_documents import GONE_AFTER_MS, to_text
from regions.status_reporter import StatusReporter
from tests.builders import embedded
from tests.builders.statuses import status

NOW_MS = 1_800_000_000_000
STATUS = status(at_ms=NOW_MS)

clock, settings = embedded.clock, embedded.settings


class Away:
    """Settings that can't be reached."""

    calls = 0

    def _fail(self, *arguments):
        self.calls += 1
        raise Unavailable("no settings")

    tree = write = delete = _fail


def report_while(values, check) -> None:
    async def run() -> None:
        reporter = StatusReporter(
            values, PREFIX, "one", lambda: to_text(STATUS), lambda text: is_status_present(text, NOW_MS)
        )
        task = asyncio.create_task(reporter.run_forever())
        for _ in range(500):
            await asyncio.sleep(0.01)
            if check():
                break
        assert check()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_a_status_is_there_until_the_processor_ends(settings):
    """Then it is deleted, so that nobody counts on it for ten seconds more."""

    def is_there() -> bool:
        setting = settings.values.read(key_of("one"))
        return setting is not None and from_text(setting.value) == STATUS

    report_while(settings.values, is_there)
    assert not settings.values.tree(PREFIX)


@pytest.mark.parametrize(("age_ms", "stays"), [(GONE_AFTER_MS - 1, True), (GONE_AFTER_MS, False)])
def test_a_processor_removes_what_killed_ones_have_left(settings, age_ms, stays):
    """Once, when it starts; and nothing of those that live."""
    settings.values.write(key_of("other"), to_text(replace(STATUS, at_ms=NOW_MS - age_ms)))
    report_while(settings.values, lambda: settings.values.read(key_of("one")) is not None)
    assert (settings.values.read(key_of("other")) is not None) is stays


def test_a_process_without_an_event_loop_reports_on_a_thread(settings):
    """Until it ends, too. Without settings, it goes on."""
    stop, away = threading.Event(), Away()
    with ThreadPoolExecutor(2) as threads:
        running = [
            threads.submit(StatusReporter(values, PREFIX, "one", lambda: to_text(STATUS), lambda text: True).run, stop)
            for values in (settings.values, away)
        ]
        assert any(settings.values.read(key_of("one")) is not None or time.sleep(0.01) for _ in range(500))
        stop.set()
        for one in running:
            one.result(10)
    assert not settings.values.tree(PREFIX)
    assert away.calls >= 3


def test_a_processor_goes_on_without_settings():
    """It only can't be seen."""
    away = Away()
    report_while(away, lambda: away.calls >= 2)
