"""Embedded stores in the test's own folder, and a clock that the test advances. Fixtures."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from regions.stores.catalog import Catalog
from regions.stores.events import Events
from regions.stores.settings import Settings
from regions.stores.sqlite import adapter as sqlite
from tests.builders.stores import created


class Clock:
    """A clock that changes only when the test calls `advance` or sets `at_ms`."""

    def __init__(self, at_ms: int = 1_800_000_000_000) -> None:
        self.at_ms = at_ms

    def now_ms(self) -> int:
        return self.at_ms

    def advance(self, ms: int) -> None:
        self.at_ms += ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = created(sqlite.catalog(str(tmp_path / "catalog.db")))
    yield opened
    opened.close()


@pytest.fixture
def events(tmp_path: Path, clock: Clock) -> Iterator[Events]:
    opened = created(sqlite.events(str(tmp_path / "events.db"), clock.now_ms))
    yield opened
    opened.close()


@pytest.fixture
def settings(tmp_path: Path, clock: Clock) -> Iterator[Settings]:
    opened = created(sqlite.settings(str(tmp_path / "settings.db"), clock.now_ms))
    yield opened
    opened.close()
