"""Each second a processor tells the others what it does, and hears its share of the workers and how many are wanted.

While the actor is away, the last share goes on.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from processing.autoscale import Autoscaler, Limits, load_of
from processing.crew import ALL, CrewList, Share
from regions.cluster.actors import SharedActor
from regions.errors import Unavailable
from regions.processing_status import ProcessingStatus, from_text
from regions.status_documents import to_text

log = logging.getLogger(__name__)

_EVERY_S = 1.0
_LAG_EVERY_S = 2.0


def actor_name(region: str) -> str:
    return f"crew-{region}"


class Crew:
    """The actor."""

    def __init__(self) -> None:
        self._list = CrewList()

    def report(self, name: str, text: str) -> tuple[str, int, int] | None:
        """As text and numbers: the programs may be of two versions. None if this one can't read the status."""
        status = from_text(text)
        if status is None:
            return None
        crew, share = self._list.report(name, status, time.monotonic())
        return to_text(crew), share.mine, share.slots


class CrewMember:
    """`measure(lag, wanted_workers)` is this processor's status; `lag` reads how many uploaded photos are not done."""

    def __init__(
        self,
        name: str,
        actor: SharedActor,
        measure: Callable[[int, int], ProcessingStatus],
        lag: Callable[[], Awaitable[int]],
        limits: Limits,
    ) -> None:
        self._name, self._actor, self._measure, self._read_lag = name, actor, measure, lag
        self._autoscaler = Autoscaler(limits)
        self.share, self.wanted_workers = ALL, limits.least
        self._lag, self._lag_at_s = 0, float("-inf")
        self.changed: Callable[[], object] = lambda: None
        """Called when the share or the wanted number may be another."""

    def status(self) -> ProcessingStatus:
        return self._measure(self._lag, self.wanted_workers)

    async def run_forever(self) -> None:
        while True:
            try:
                await self.run_once()
            except Unavailable as error:
                log.warning("the crew does not answer", extra={"error": error.detail})
            await asyncio.sleep(_EVERY_S)

    async def run_once(self) -> None:
        """Raises Unavailable if the event log or the actor is away or can't be read; share and wanted number stay."""
        if time.monotonic() - self._lag_at_s >= _LAG_EVERY_S:
            self._lag = await self._read_lag()
            self._lag_at_s = time.monotonic()
        answer = await self._actor.call("report", self._name, to_text(self.status()))
        crew = from_text(answer[0]) if answer else None
        if crew is None:
            raise Unavailable("the crew is of another version")
        self.share = Share(*answer[1:])
        self.wanted_workers = self._autoscaler.step(load_of(crew), time.monotonic())
        self.changed()
