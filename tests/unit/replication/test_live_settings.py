"""What operators set counts while lanes run."""

import threading

import pytest

from regions.errors import Unavailable
from replication.budget import LaneSettings, settings_text
from replication.live_settings import LiveSettings, key_of
from tests.builders import embedded

clock, settings = embedded.clock, embedded.settings
PAUSED = LaneSettings(paused=True)


def test_a_lane_without_settings_has_those_by_default(settings):
    assert LiveSettings(settings.values).of("us-central") == LaneSettings()


def test_a_paused_lane_is_paused_from_the_first_moment(settings):
    """The settings are read before anything is copied; without them nothing starts."""
    settings.values.write(key_of("us-central"), settings_text(PAUSED))
    live = LiveSettings(settings.values)
    assert [live.of(name).paused for name in ("us-central", "eu-central")] == [True, False]

    class Away:
        def watch(self, *arguments):
            raise Unavailable("no settings")

    with pytest.raises(Unavailable):
        LiveSettings(Away())


def test_a_change_counts_within_a_moment(settings, eventually):
    """A thread watches them. What is deleted is as by default."""
    live, stop = LiveSettings(settings.values), threading.Event()
    watching = threading.Thread(target=live.run_forever, args=[stop])
    watching.start()
    try:
        settings.values.write(key_of("us-central"), settings_text(PAUSED))
        eventually(lambda: live.of("us-central") == PAUSED)
        settings.values.delete(key_of("us-central"))
        eventually(lambda: live.of("us-central") == LaneSettings())
    finally:
        stop.set()
        watching.join()


def test_a_lane_whose_settings_could_never_be_read_is_paused(settings, caplog):
    """It may be one that is to rest. With settings that can be read, it runs."""
    settings.values.write(key_of("us-central"), '{"paused": 0}')
    live = LiveSettings(settings.values)
    assert live.of("us-central").paused
    assert "ALARM" in caplog.text
    settings.values.write(key_of("us-central"), settings_text(LaneSettings(width=4)))
    live.watch_once()
    assert live.of("us-central") == LaneSettings(width=4)


def test_what_can_not_be_read_changes_nothing(settings, caplog):
    """It is alarmed: a lane that somebody has paused must not run because of a broken text."""
    settings.values.write(key_of("us-central"), settings_text(PAUSED))
    live = LiveSettings(settings.values)
    settings.values.write(key_of("us-central"), '{"paused": 0}')
    live.watch_once()
    assert live.of("us-central") == PAUSED
    assert "ALARM" in caplog.text
