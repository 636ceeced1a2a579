"""The settings of the lanes, as operators change them while lanes run: `lanes/DESTINATION` in the home's settings."""

import logging
import threading

from regions import daemon
from regions.stores.settings import Values
from replication.budget import LaneSettings, parse_settings

log = logging.getLogger(__name__)

PREFIX = "lanes/"
_WATCH_S = 3.0
_PAUSE_S = 0.5


def key_of(destination: str) -> str:
    return f"{PREFIX}{destination}"


class LiveSettings:
    """Reads them when it is made, and raises Unavailable if it can't: a lane that is paused must not run at first.

    One thread runs `run_forever`; any may call `of`. While the settings are away, the last ones go on. What can't be
    read leaves the last that could be, and pauses a lane of which none could.
    """

    def __init__(self, values: Values) -> None:
        self._values = values
        self._mark = -1
        self._by_lane: dict[str, LaneSettings] = {}
        self.watch_once()

    def of(self, destination: str) -> LaneSettings:
        return self._by_lane.get(destination, LaneSettings())

    def watch_once(self, timeout_s: float = 0.0) -> None:
        """Waits for a change, for at most `timeout_s`. Raises Unavailable."""
        mark = self._values.watch(PREFIX, max(0, self._mark), timeout_s)
        if mark != self._mark:
            # A change in between is not missed: the mark is older than what is read.
            found = {
                key.removeprefix(PREFIX): self._parsed(key, setting.value)
                for key, setting in self._values.tree(PREFIX).items()
            }
            self._by_lane, self._mark = found, mark

    def run_forever(self, stop: threading.Event) -> None:
        daemon.run_forever(lambda: self.watch_once(_WATCH_S), _PAUSE_S, stop, "settings of lanes")

    def _parsed(self, key: str, text: str) -> LaneSettings:
        """Of what can't be read, the last that could be; without one the lane is paused, as it may be one that is to
        rest."""
        try:
            return parse_settings(text)
        except ValueError as error:
            log.error("ALARM: these settings of a lane can't be read", extra={"key": key, "error": str(error)})
            return self._by_lane.get(key.removeprefix(PREFIX), LaneSettings(paused=True))
