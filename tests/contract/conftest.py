"""One suite for each port, run on all its adapters: `tests/builders/adapters.py` lists them.

    catalog          a handle on a fresh, empty store
    open_catalog()   one more handle on the same store

and the same for feeds, limits, events, settings and objects.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from regions.stores.catalog import Catalog
from regions.stores.events import Events
from regions.stores.feeds import Feeds
from regions.stores.limits import RateLimits
from regions.stores.objects import Objects
from regions.stores.settings import Settings
from tests.builders.adapters import SHARED, Clock, Handles, fresh_store, openers
from tests.builders.samples import Samples


def open_fixture(port: str) -> Callable[..., Iterator[Handles]]:
    """The fixture `open_PORT`, which runs a test once for each adapter of the port."""

    @pytest.fixture(name=f"open_{port}", params=openers(port), ids=lambda opener: opener.__name__)
    def open_handle(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Handles]:
        with fresh_store(request.param, tmp_path, clock) as handles:
            yield handles

    return open_handle


open_catalog = open_fixture("catalog")
open_feeds = open_fixture("feeds")
open_limits = open_fixture("limits")
open_events = open_fixture("events")
open_settings = open_fixture("settings")
open_objects = open_fixture("objects")


@pytest.fixture
def catalog(open_catalog: Handles) -> Catalog:
    return open_catalog()


@pytest.fixture
def feeds(open_feeds: Handles) -> Feeds:
    return open_feeds()


@pytest.fixture
def limits(open_limits: Handles) -> RateLimits:
    return open_limits()


@pytest.fixture
def events(open_events: Handles) -> Events:
    return open_events()


@pytest.fixture
def settings(open_settings: Handles) -> Settings:
    return open_settings()


@pytest.fixture
def objects(open_objects: Handles) -> Objects:
    return open_objects()


@pytest.fixture
def clock() -> Clock:
    """The time that the stores of this test see: `clock.now_ms()`, `clock.advance(ms)`."""
    return Clock()


@pytest.fixture
def sample(catalog: Catalog) -> Samples:
    """Records for this catalog: `sample.photo(1)`, `sample.create(photo)`."""
    return Samples(catalog)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture(scope="session", autouse=True)
def close_shared() -> Iterator[None]:
    with SHARED:
        yield
