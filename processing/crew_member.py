"""Each second a processor tells the others how busy it is, and hears its share of the workers and how many are wanted.

While the actor is away, the last share goes on.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from processing.autoscale import Autoscaler, Limits, Load
from processing.crew import ALL, CrewList, Meter, Report, Share, Totals
from processing.dispatcher import Activity
from regions.cluster.actors import SharedActor
from regions.errors import Unavailable

log = logging.getLogger(__name__)

ACTOR_NAME = "crew"
"""One for the whole cluster: the regions that use it share its workers."""
_EVERY_S = 1.0
_LAG_EVERY_S = 5.0


class Crew:
    """The actor."""

    def __init__(self) -> None:
        self._list = CrewList()

    def report(self, name: str, report: Report) -> tuple[Totals, Share]:
        return self._list.report(name, report, time.monotonic())


class CrewMember:
    """`activity` says what this processor does, `lag` how many events its region's topics have that it has not handled.

    It asks for the lag only while `window` photos or more wait here: all others that have arrived are among these.
    """

    def __init__(
        self,
        name: str,
        actor: SharedActor,
        capacity: Callable[[], int],
        activity: Callable[[], Activity],
        lag: Callable[[], Awaitable[int]],
        window: int,
        limits: Limits,
    ) -> None:
        self._name, self._actor, self._capacity, self._activity = name, actor, capacity, activity
        self._read_lag, self._window = lag, window
        self._meter, self._autoscaler = Meter(), Autoscaler(limits)
        self.share, self.wanted_workers = ALL, limits.least
        self.totals: Totals | None = None
        self._lag, self._lag_at_s = 0, float("-inf")
        self.changed: Callable[[], object] = lambda: None
        """Called when the share or the wanted number may be another."""

    async def run_forever(self) -> None:
        while True:
            try:
                await self.run_once()
            except Unavailable as error:
                log.warning("the crew does not answer", extra={"error": error.detail})
            await asyncio.sleep(_EVERY_S)

    async def run_once(self) -> None:
        """Raises Unavailable, and changes nothing then."""
        report = await self._report(time.monotonic())
        self.totals, self.share = await self._actor.call("report", self._name, report)
        load = Load(self.totals.waiting, self.totals.finished_per_s, self.totals.work_s)
        self.wanted_workers = self._autoscaler.step(load, time.monotonic())
        self.changed()

    async def _report(self, now_s: float) -> Report:
        now = self._activity()
        finished_per_s, work_s = self._meter.read(now.finished, now.worked_s, now_s)
        unread = max(0, await self._lag_now(now_s) - now.in_flight) if now.urgent >= self._window else 0
        waiting, wants_places = max(now.urgent, unread), now.waiting + now.in_flight
        return Report(self._capacity(), waiting, wants_places, now.in_flight, finished_per_s, work_s, now.deaths)

    async def _lag_now(self, now_s: float) -> int:
        if now_s - self._lag_at_s >= _LAG_EVERY_S:
            self._lag_at_s, self._lag = now_s, await self._read_lag()
        return self._lag
