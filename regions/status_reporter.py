"""Writes a process's status into the settings every few seconds, and removes it when the process ends."""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

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
            loop = asyncio.get_running_loop()

            async def attempt(change: Callable[[], object]) -> None:
                await loop.run_in_executor(thread, self._attempt, change)

            try:
                await attempt(self._remove_gone)
                while True:
                    await attempt(self._write)
                    await asyncio.sleep(EVERY_S)
            finally:
                await attempt(self._delete)

    def run(self, stop: threading.Event) -> None:
        """The same on this thread, until `stop` is set."""
        try:
            self._attempt(self._remove_gone)
            self._attempt(self._write)
            while not stop.wait(EVERY_S):
                self._attempt(self._write)
        finally:
            self._attempt(self._delete)

    def _attempt(self, change: Callable[[], object]) -> None:
        try:
            change()
        except Unavailable as error:
            log.warning("the status is not reported", extra={"key": self._key, "error": error.detail})

    def _write(self) -> None:
        self._values.write(self._key, self._status())

    def _delete(self) -> None:
        self._values.delete(self._key)

    def _remove_gone(self) -> None:
        """Statuses of processes that were killed. One that was only late writes its own again."""
        for key, setting in self._values.tree(self._prefix).items():
            if not self._is_present(setting.value):
                self._values.delete(key)
