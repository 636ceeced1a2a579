"""Writes a process's status into the settings every few seconds, and removes it when the process ends."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from regions.errors import Unavailable
from regions.status_documents import EVERY_S
from regions.stores.settings import Values

log = logging.getLogger(__name__)


class StatusReporter:
    """`status` makes its text, and `is_present` says of such a text whether who wrote it is there now.

    The settings of one kind of process have the same `prefix`. Has a thread of its own: while other stores hang,
    operators still see the process.
    """

    def __init__(
        self,
        values: Values,
        prefix: str,
        process: str,
        status: Callable[[], str],
        is_present: Callable[[str], bool],
    ) -> None:
        self._values, self._prefix, self._key = values, prefix, f"{prefix}{process}"
        self._status, self._is_present = status, is_present

    async def run_forever(self) -> None:
        """Until it is cancelled. While the settings are unavailable, nobody sees the status, and the work goes on."""
        with ThreadPoolExecutor(1, thread_name_prefix="status") as thread:
            try:
                await self._attempt(thread, self._remove_gone)
                while True:
                    await self._attempt(thread, partial(self._values.write, self._key, self._status()))
                    await asyncio.sleep(EVERY_S)
            finally:
                await self._attempt(thread, partial(self._values.delete, self._key))

    async def _attempt(self, thread: ThreadPoolExecutor, change: Callable[[], object]) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(thread, change)
        except Unavailable as error:
            log.warning("the status is not reported", extra={"key": self._key, "error": error.detail})

    def _remove_gone(self) -> None:
        """Statuses of processes that were killed. One that was only late writes its own again."""
        for key, setting in self._values.tree(self._prefix).items():
            if not self._is_present(setting.value):
                self._values.delete(key)
