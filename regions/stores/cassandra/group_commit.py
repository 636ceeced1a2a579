"""Group commit: threads that append at the same time share one commit.

The first thread commits alone. Those that come meanwhile wait; when it has finished, one of them commits for all. So a
process appends as much as its threads hand in, however long one round trip to the store takes.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress

from regions.errors import Unavailable
from regions.records import Tombstone

_WAIT_S = 15.0
_MOST_AT_ONCE = 200


class GroupCommit:
    """`commit` is called with 1 to 200 tombstones, by one thread at a time. Safe for threads."""

    def __init__(self, commit: Callable[[Sequence[Tombstone]], None]) -> None:
        self._commit = commit
        # Not longer than there are threads: each waits for the tombstone that it has added, and takes it back if it
        # waits for too long.
        self._waiting: deque[tuple[Tombstone, Future[None]]] = deque()
        self._committing = threading.Lock()

    def append(self, tombstone: Tombstone) -> None:
        """Returns when a commit with it has succeeded. Raises Unavailable; it may be committed nonetheless."""
        committed: Future[None] = Future()
        self._waiting.append((tombstone, committed))
        while not committed.done():
            if not self._committing.acquire(timeout=_WAIT_S):
                # ValueError: it is being committed at this moment.
                with suppress(ValueError):
                    self._waiting.remove((tombstone, committed))
                raise Unavailable("too many photos are being deleted at once")
            try:
                # Another thread may have committed it while this one waited.
                if not committed.done():
                    self._commit_waiting()
            finally:
                self._committing.release()
        committed.result()

    def _commit_waiting(self) -> None:
        # Only the thread that holds the lock takes from the queue, so its length can only grow meanwhile.
        group = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST_AT_ONCE))]
        try:
            self._commit([tombstone for tombstone, _ in group])
        except BaseException as error:
            # In each of the threads that wait for this commit. This thread's own tombstone need not be among them.
            for _, committed in group:
                committed.set_exception(error)
            if not isinstance(error, Unavailable):
                raise
            return
        for _, committed in group:
            committed.set_result(None)
