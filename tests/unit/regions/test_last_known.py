"""Last known values are used while the settings are unavailable. A value that was never read is unavailable too."""

import pytest

from regions.errors import Unavailable
from regions.last_known import LastKnown
from regions.stores.settings import KNOWN_BAD, Service
from regions.stores.sqlite import adapter as sqlite
from tests.builders.stores import created

EDGE = Service("edge", "lisbon", "http://127.0.0.1:8600")


@pytest.fixture
def settings(tmp_path):
    opened = created(sqlite.settings(str(tmp_path / "settings.db"), lambda: 1_800_000_000_000))
    yield opened
    opened.close()


def test_a_change_is_seen_by_the_next_read(settings):
    """While the settings are available, no value is out of date."""
    live = LastKnown(settings.values.read)
    for value in ("first", "second"):
        settings.values.write(KNOWN_BAD, value)
        assert live.get(KNOWN_BAD).value == value


def test_the_last_known_value_is_used_while_the_settings_are_unavailable(settings):
    """Also that a setting did not exist."""
    live = LastKnown(settings.values.read)
    settings.values.write(KNOWN_BAD, "first")
    live.get(KNOWN_BAD)
    live.get("lanes/paused")
    settings.close()
    assert live.get(KNOWN_BAD).value == "first"
    assert live.get("lanes/paused") is None


def test_the_last_known_services_are_used_too(settings):
    """So a caller still finds them."""
    found = LastKnown(settings.services.healthy)
    settings.services.register(EDGE, 60.0)
    found.get("edge")
    settings.close()
    assert found.get("edge") == [EDGE]


def test_a_value_that_was_never_read_is_unavailable(settings):
    """Although another one was read."""
    live = LastKnown(settings.values.read)
    live.get("lanes/paused")
    settings.close()
    with pytest.raises(Unavailable):
        live.get(KNOWN_BAD)
