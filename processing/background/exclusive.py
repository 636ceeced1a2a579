"""Work that one process of the region does at a time, since many at once would only repeat each other's work."""

from collections.abc import Callable

from regions.stores.settings import Settings

# The work of a process that was killed in the middle of it is left alone for so long.
_LOCK_TTL_S = 60.0


class Exclusive:
    """Runs `work` under the lock `name`.

    Work that takes longer than the lock lasts may be joined by another process, so each of its steps must be
    idempotent.
    """

    def __init__(self, settings: Settings, name: str, holder: str, work: Callable[[], int]) -> None:
        self._locks, self._name, self._holder, self._work = settings.locks, name, holder, work

    def run_once(self) -> int:
        """What `work` returns; 0 if another process is doing it. Raises Unavailable."""
        lock = self._locks.acquire(self._name, self._holder, _LOCK_TTL_S)
        if lock is None:
            return 0
        try:
            return self._work()
        finally:
            self._locks.release(lock)
