"""Writes a processor's status into the settings every few seconds, and removes it when the processor ends."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from regions.errors import Unavailable
from regions.processing_status import EVERY_S, PREFIX, ProcessingStatus, key_of, present, to_text
from regions.stores.settings import Values

log = logging.getLogger(__name__)


class StatusReporter:
    """`status` makes it. Has a thread of its own: while other stores hang, operators still see the processor."""

    def __init__(
        self, values: Values, process: str, status: Callable[[], ProcessingStatus], clock_ms: Callable[[], int]
    ) -> None:
        self._values, self._key, self._status, self._clock_ms = values, key_of(process), status, clock_ms

    async def run_forever(self) -> None:
        """Until it is cancelled. While the settings are unavailable, nobody sees the status, and photos go on."""
        with ThreadPoolExecutor(1, thread_name_prefix="status") as thread:
            try:
                await self._attempt(thread, self._remove_gone)
                while True:
                    await self._attempt(thread, partial(self._values.write, self._key, to_text(self._status())))
                    await asyncio.sleep(EVERY_S)
            finally:
                await self._attempt(thread, partial(self._values.delete, self._key))

    async def _attempt(self, thread: ThreadPoolExecutor, change: Callable[[], object]) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(thread, change)
        except Unavailable as error:
            log.warning("the status of processing is not reported", extra={"error": error.detail})

    def _remove_gone(self) -> None:
        """Statuses of processors that were killed. One that was only late writes its own again."""
        found = self._values.tree(PREFIX)
        for key in found.keys() - {key_of(process) for process in present(found, self._clock_ms())}:
            self._values.delete(key)
