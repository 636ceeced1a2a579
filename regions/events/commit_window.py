"""Which offset may be committed when work finishes out of order. Pure.

Events of a partition start in order and finish in any; what is committed is the longest finished prefix,
so that a crash repeats work but never skips it.
"""


class CommitWindow:
    """What was started and is not committable yet, by partition. Not thread-safe: one thread feeds it."""

    def __init__(self) -> None:
        # Offsets in the order of starting, each with whether it is finished.
        self._started: dict[int, dict[int, bool]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._started.values()))

    def start(self, partition: int, offset: int) -> None:
        """An offset that does not grow means that the partition went and came back: what was before is forgotten."""
        started = self._started.setdefault(partition, {})
        if started and offset <= next(reversed(started)):
            started.clear()
        started[offset] = False

    def finish(self, partition: int, offset: int) -> int | None:
        """The highest offset up to which everything is done, if that moved; None otherwise."""
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
        """Forgets partitions that someone else has now."""
        for partition in set(self._started) - partitions:
            del self._started[partition]
