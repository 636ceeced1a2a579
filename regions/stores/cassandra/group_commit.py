"""Group commit: threads that append at the same time share one commit.

One thread commits, for all who wait. What comes during a commit is in the next one. So a process appends as much as its
threads hand in, however long one round trip to the store takes.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from regions.errors import Unavailable
from regions.records import Tombstone

_WAIT_S = 15.0
_MOST_AT_ONCE = 200


class GroupCommit:
    """`commit` is called with 1 to 200 tombstones, for one group after the other. Safe for threads."""

    def __init__(self, commit: Callable[[Sequence[Tombstone]], None]) -> None:
        self._commit = commit
        # Not longer than there are threads that append: each waits for what it has added, and takes it back if it waits
        # for too long.
        self._waiting: deque[tuple[Tombstone, Future[None]]] = deque()
        self._committer = ThreadPoolExecutor(1, "tombstones")

    def append(self, tombstone: Tombstone) -> None:
        """Returns when a commit with it has succeeded. Raises Unavailable; it may be committed nonetheless."""
        committed: Future[None] = Future()
        self._waiting.append((tombstone, committed))
        self._committer.submit(self._commit_waiting)
        try:
            committed.result(_WAIT_S)
        except TimeoutError as error:
            # ValueError: it is being committed at this moment.
            with suppress(ValueError):
                self._waiting.remove((tombstone, committed))
            raise Unavailable("too many photos are being deleted at once") from error

    def _commit_waiting(self) -> None:
        """Runs once for each append, and finds nothing if an earlier run has committed it already."""
        group = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST_AT_ONCE))]
        if not group:
            return
        try:
            self._commit([tombstone for tombstone, _ in group])
        except BaseException as error:
            # For each thread that waits for this commit; raised here, nobody would see it.
            for _, committed in group:
                committed.set_exception(error)
            raise
        for _, committed in group:
            committed.set_result(None)
