"""A lane whose events fail at first, in every process that runs it, and whose time goes by much faster."""

import threading
from collections.abc import Callable
from pathlib import Path

from regions.clock import now_ms
from regions.daemon import Loop
from regions.events import lanes
from regions.events.handling import ATTEMPTS
from regions.events.lanes import LaneTopic
from regions.events.messages import Event
from regions.events.topics import PHOTO_READY, lane_group
from regions.stores.events import Events

LANE = lane_group("us-central")
TIMES_FASTER = 1_000
"""A minute is 60 ms, and an hour 3.6 s."""
_FAILS = 2 * ATTEMPTS + 3


class FailingLane:
    """Each event fails `_FAILS` times in all: a file in the folder counts its calls. `report` gets a line for each."""

    def __init__(self, folder: str | Path, report: Callable[[str], object]) -> None:
        self._folder, self._report = Path(folder), report

    def loops(self, events: Events, process_name: str, stop: threading.Event) -> list[Loop]:
        topics = {PHOTO_READY: LaneTopic(self._handle, 4)}
        return lanes.loops(events, LANE, process_name, topics, stop, lambda: now_ms() * TIMES_FASTER, lambda attempt: 0)

    def handled(self) -> list[str]:
        """The keys of the events that did not fail in the end."""
        return [file.name for file in self._folder.iterdir() if file.stat().st_size > _FAILS]

    def _handle(self, event: Event) -> None:
        file = self._folder / event.key
        with file.open("a") as calls:
            calls.write(".")
        self._report(event.key)
        if file.stat().st_size <= _FAILS:
            raise ValueError("missing")
