"""Which offset may be committed when work finishes out of order. Pure.

Events of a partition start in the order of their offsets, but run in parallel and finish in any order. A committed
offset means that every event up to it is done, and a restart resumes after it. So only the longest prefix of
finished events is committed. Example: 5, 6 and 7 start; 7 and 6 finish, and nothing may be committed, because a crash
now would skip 5; when 5 finishes, 7 is committed at once. A crash before that repeats 6 and 7: delivery is at least
once, and a handler must be idempotent.
"""


class CommitWindow:
    """The started events that can't be committed yet, by partition. Not thread-safe: one thread uses it."""

    def __init__(self) -> None:
        # Offsets in the order of starting, each with whether it is finished.
        self._started: dict[int, dict[int, bool]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._started.values()))

    def start(self, partition: int, offset: int) -> None:
        """Starts an event. An offset that does not grow means that the partition was lost and assigned again.

        Then the log resumed from the last commit, so the events started before are forgotten: they will be repeated.
        """
        started = self._started.setdefault(partition, {})
        if started and offset <= next(reversed(started)):
            started.clear()
        started[offset] = False

    def finish(self, partition: int, offset: int) -> int | None:
        """The end of the finished prefix, which may be committed, if it moved; None otherwise."""
        started = self._started.get(partition, {})
        if offset not in started:
            return None
        started[offset] = True
        committable = None
        while started and started[first := next(iter(started))]:
            del started[first]
            committable = first
        return committable

    def keep_only(self, partitions: set[int]) -> None:
        """Forgets partitions that a rebalance gave to another member: their offsets are no longer ours to commit."""
        for partition in set(self._started) - partitions:
            del self._started[partition]
