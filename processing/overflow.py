"""An owner who uploads more than a fair share of what the processor has in view is put behind the others.

The fair queue knows only the events that the processor has read, and a flood could fill all of those, and so could a
few photos that wait long for one of the large workers. So further events of an owner with many under way, and photos
that need more memory, go to a topic of their own, which the same processor reads with less urgency.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import replace

from processing.dispatcher import NeedsLargeWorker
from regions.events.messages import Event
from regions.events.topics import PHOTOS_DEFERRED
from regions.stores.events import Events

MOST_OF_ONE_OWNER = 200


class Overflow:
    """Handles an event with `handle`, unless its owner has too many under way, or its photo needs a large worker.

    Use it on one event loop.
    """

    def __init__(self, events: Events, handle: Callable[[Event], Awaitable[None]], threads: Executor) -> None:
        self._events, self._handle, self._threads = events, handle, threads
        self._under_way: Counter[str] = Counter()

    async def handle(self, event: Event) -> None:
        owner = event.body["owner_id"]
        if self._under_way[owner] >= MOST_OF_ONE_OWNER:
            return await self._defer(event)
        self._under_way[owner] += 1
        try:
            await self._handle(event)
        except NeedsLargeWorker:
            await self._defer(event)
        finally:
            self._under_way[owner] -= 1
            if not self._under_way[owner]:
                del self._under_way[owner]

    async def _defer(self, event: Event) -> None:
        deferred = replace(event, topic=PHOTOS_DEFERRED)
        await asyncio.get_running_loop().run_in_executor(self._threads, self._events.publish, [deferred])
