"""Many small calls as a few larger ones, on one event loop: for what costs the same, however much it is about."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from regions.errors import Unavailable

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


class Waiting(Generic[Item, Result]):
    """An item of a batch, and who waits for what becomes of it."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    def resolve(self, result: Result) -> None:
        if not self.done.done():
            self.done.set_result(result)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Batches(Generic[Item, Result]):
    """Calls `flush` with all items of the last `every_s` together, but with the first after a pause at once."""

    def __init__(self, flush: Callable[[list[Waiting[Item, Result]]], Awaitable[None]], every_s: float) -> None:
        self._flush, self._every_s = flush, every_s
        self._items: list[Waiting[Item, Result]] = []
        self._flushing: set[asyncio.Task[None]] = set()
        self._pausing = False

    async def put(self, item: Item) -> Result:
        waiting: Waiting[Item, Result] = Waiting(item)
        self._items.append(waiting)
        if not self._pausing:
            self._start()
        return await waiting.done

    def _start(self) -> None:
        self._pausing = bool(self._items)
        if self._items:
            items, self._items = self._items, []
            task = asyncio.create_task(self._flushed(items))
            self._flushing.add(task)
            task.add_done_callback(self._flushing.discard)
            asyncio.get_running_loop().call_later(self._every_s, self._start)

    async def _flushed(self, items: list[Waiting[Item, Result]]) -> None:
        try:
            await self._flush(items)
        except Unavailable as error:
            for waiting in items:
                waiting.fail(error)
        except Exception as error:
            log.exception("a batch failed")
            for waiting in items:
                waiting.fail(Unavailable(f"a batch failed: {error!r}"))
