"""Which offset may be committed when work finishes out of order. Pure.

Events of a partition start in order and finish in any; what is committed is the longest finished prefix,
so that a crash repeats work but never skips it.
"""


class CommitWindow:
    """What is under way, by partition. Not thread-safe: one thread feeds it."""

    def __init__(self) -> None:
        self._started: dict[int, list[int]] = {}
        self._finished: dict[int, set[int]] = {}

    def start(self, partition: int, offset: int) -> None:
        self._started.setdefault(partition, []).append(offset)
        self._finished.setdefault(partition, set())

    def finish(self, partition: int, offset: int) -> int | None:
        """The highest offset up to which everything is done, if that moved; None otherwise."""
        started, finished = self._started.get(partition, []), self._finished.get(partition, set())
        if offset not in started:
            return None
        finished.add(offset)
        committable = None
        while started and started[0] in finished:
            committable = started.pop(0)
            finished.remove(committable)
        return committable

    def keep_only(self, partitions: set[int]) -> None:
        """Forgets partitions that someone else has now."""
        for partition in set(self._started) - partitions:
            del self._started[partition], self._finished[partition]
