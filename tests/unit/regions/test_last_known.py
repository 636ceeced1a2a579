"""What was last known serves while the settings are away; what never was known does not."""

import pytest

from regions.errors import Unavailable
from regions.last_known import LastKnown
from regions.stores.settings import KNOWN_BAD, Service
from regions.stores.sqlite import adapter as sqlite

EDGE = Service("edge", "lisbon", "http://127.0.0.1:8600")


@pytest.fixture
def settings(tmp_path):
    opened = sqlite.open_settings(str(tmp_path / "settings.db"), lambda: 1_800_000_000_000)
    yield opened
    opened.close()


def test_a_change_is_seen_at_the_next_question(settings):
    """While the settings answer, nothing is older than they are."""
    live = LastKnown(settings.values.read)
    for value in ("first", "second"):
        settings.values.write(KNOWN_BAD, value)
        assert live.get(KNOWN_BAD).value == value


def test_what_was_last_known_serves_while_the_settings_are_away(settings):
    """A setting as it was, and that another was not there."""
    live = LastKnown(settings.values.read)
    settings.values.write(KNOWN_BAD, "first")
    live.get(KNOWN_BAD)
    live.get("lanes/paused")
    settings.close()
    assert live.get(KNOWN_BAD).value == "first"
    assert live.get("lanes/paused") is None


def test_services_that_were_last_known_serve_too(settings):
    """A caller that asks by them goes on finding them."""
    found = LastKnown(settings.services.healthy)
    settings.services.register(EDGE, 60.0)
    found.get("edge")
    settings.close()
    assert found.get("edge") == [EDGE]


def test_what_was_never_known_is_unavailable(settings):
    """Although something else was."""
    live = LastKnown(settings.values.read)
    live.get("lanes/paused")
    settings.close()
    with pytest.raises(Unavailable):
        live.get(KNOWN_BAD)
