"""What the processors of a region have in common: what they do together, and which part of the workers each may use.

A slot is a worker that is there: it runs one job at a time. Pure: a time is seconds of a clock that never goes back.
"""

from dataclasses import dataclass
from math import ceil

from regions.processing_status import ProcessingStatus, total
from regions.shares import shares

PRESENT_S = 5.0
"""A processor that has not reported for so long takes no part any more."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many slots. As a part, so that it also fits when workers have come or gone since."""

    mine: int
    slots: int

    def of(self, capacity: int) -> int:
        return ceil(capacity * self.mine / self.slots)


ALL = Share(1, 1)


class CrewList:
    """The last status of each processor that is present."""

    def __init__(self) -> None:
        self._statuses: dict[str, tuple[float, ProcessingStatus]] = {}

    def report(self, name: str, status: ProcessingStatus, now_s: float) -> tuple[ProcessingStatus, Share]:
        """The status of all together, and this one's share."""
        self._statuses[name] = now_s, status
        self._statuses = {
            other: (at_s, last) for other, (at_s, last) in self._statuses.items() if now_s - at_s <= PRESENT_S
        }
        present = {other: last for other, (_, last) in self._statuses.items()}
        wanted = {other: sum(last.waiting.values()) + last.in_flight for other, last in present.items()}
        mine = shares(status.workers, wanted)[name]
        return total(present.values()), Share(mine, max(1, status.workers))
