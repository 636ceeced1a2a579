"""Who may have how much of something that there is only so much of. Pure.

Half of it is divided among all, as a share that is always there for its holder. The other half is for who comes
first, so that one busy holder can have far more than its share while the others need little.
"""

from collections.abc import Collection


class Shares:
    """Of `total`, for the `holders`."""

    def __init__(self, total: int, holders: Collection[str]) -> None:
        self._own = total // (2 * len(holders))
        self._common = total - self._own * len(holders)
        self._taken = dict.fromkeys(holders, 0)

    def take(self, holder: str, amount: int) -> bool:
        """False, and nothing is taken, if neither its share nor what is left for all has that much."""
        before = sum(self._beyond_own(taken) for taken in self._taken.values())
        more = self._beyond_own(self._taken[holder] + amount) - self._beyond_own(self._taken[holder])
        if before + more > self._common:
            return False
        self._taken[holder] += amount
        return True

    def give_back(self, holder: str, amount: int) -> None:
        """At most what it has taken."""
        self._taken[holder] -= amount

    def _beyond_own(self, taken: int) -> int:
        return max(0, taken - self._own)
