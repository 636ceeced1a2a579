"""Work that one process of the region does at a time, because two at once would only repeat each other's work."""

from collections.abc import Callable

from regions.stores.settings import Settings

# If a process is killed in the middle of its work, no other starts the same work for this long (or twice this long).
_LOCK_TTL_S = 60.0


class Exclusive:
    """Runs `work` under the lock `name`. The lock saves effort; it does not guarantee that only one process works.

    A lock expires after `_LOCK_TTL_S`, so that a killed holder does not block the work forever. So two processes can
    work at the same time:

    1. Process A acquires the lock and is suspended, or its work takes longer than `_LOCK_TTL_S`.
    2. The lock expires. Process B acquires it, with a higher fencing token, and starts the same work.
    3. A resumes in the middle of its work. It does not notice that it has lost the lock.

    The usual remedy is that the store rejects writes with A's older fencing token, but neither the object store nor the
    catalog supports fencing tokens. Therefore each step of `work` must be idempotent and safe beside another process
    that does the same. The fencing token protects the lock itself: when A releases at the end, its token is no longer
    the current one, so B keeps the lock.
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
