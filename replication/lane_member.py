"""Each second a replicator reports what it does in each lane, and hears its part of the lane's budget.

While the actor is away, the last budget goes on, for the partitions that are still this process's own, and within the
settings of now.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from regions import status_documents
from regions.cluster.actor_here import ActorCalls, ActorCluster
from regions.errors import Unavailable
from replication.budget import LEASE_S, NOTHING, LaneBudget, LaneLimits, LaneReport, LaneSettings, limits, settings_text

log = logging.getLogger(__name__)

_EVERY_S = 1.0
_ANSWERS_WITHIN_S = 2.0
_NO_BUDGET = LaneBudget({}, asks=True)


class LaneMember:
    """Of one lane in one process; no other ever has its `name`. `held` are the partitions that are its own now."""

    def __init__(
        self,
        name: str,
        actor: ActorCalls,
        measure: Callable[[], Awaitable[LaneReport]],
        held: Callable[[], Mapping[str, int]],
        settings: Callable[[], LaneSettings],
        allow: Callable[[LaneLimits], object],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._actor, self._measure, self._held = name, actor, measure, held
        self._settings, self._allow, self._clock_s = settings, allow, clock_s
        self._budget, self._divided_by, self._heard_s = _NO_BUDGET, LaneSettings(), float("-inf")
        self._partitions: Mapping[str, int] = {}
        self.limits = NOTHING

    @property
    def is_heard(self) -> bool:
        return self._clock_s() - self._heard_s <= LEASE_S

    async def run_forever(self) -> None:
        while True:
            try:
                await self.run_once()
            except Unavailable as error:
                log.warning("the lane has no new budget", extra={"error": error.detail})
            except Exception:  # the actor raises what it likes, and without this loop nothing is divided any more
                log.exception("the lane has no new budget")
            await asyncio.sleep(_EVERY_S)

    async def adjust_forever(self) -> None:
        """Beside the other: a pause, or a partition that is lost, waits for no log and no actor."""
        while True:
            self.adjust()
            await asyncio.sleep(_EVERY_S)

    async def run_once(self) -> None:
        """Raises Unavailable if the event log or the actor is away or can't be read; the last budget stays."""
        report, settings = await self._measure(), self._settings()
        self._partitions = report.partitions
        arguments = self._name, status_documents.to_text(report), settings_text(settings)
        answer = await self._actor.call("report", *arguments, within_s=_ANSWERS_WITHIN_S)
        budget = status_documents.from_text(LaneBudget, answer) if answer else None
        if budget is None:
            raise Unavailable("the lane's actor is of another version")
        self._budget, self._divided_by, self._heard_s = budget, settings, self._clock_s()
        self.adjust()

    def adjust(self) -> None:
        """What threads may do now, by the settings, the last budget, and the partitions that are ours."""
        # That another process asks for us is worth nothing if we do not hear the end of it.
        asks = self._budget.asks or not self.is_heard
        slots, by = self._budget.slots, self._divided_by
        self.limits = limits(self._settings(), slots, by, self._held(), self._partitions, asks)
        self._allow(self.limits)


def run_together(
    parts: Sequence[Callable[[], Coroutine[Any, Any, None]]], cluster: ActorCluster | None, stop: threading.Event
) -> None:
    """Runs each on an event loop of this thread, connected to the cluster if there is one, until `stop` is set.

    Raises the error of one that failed.
    """
    asyncio.run(_run(parts, cluster, stop))


async def _run(
    parts: Sequence[Callable[[], Coroutine[Any, Any, None]]], cluster: ActorCluster | None, stop: threading.Event
) -> None:
    stopped = asyncio.ensure_future(asyncio.to_thread(stop.wait))
    async with AsyncExitStack() as opened:
        connection = [await opened.enter_async_context(cluster)] if cluster else []
        tasks = [asyncio.create_task(part()) for part in parts]
        try:
            await asyncio.wait([stopped, *connection, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.set()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
    for task in (*connection, *tasks):
        if not task.cancelled():
            task.result()
