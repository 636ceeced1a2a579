"""What a history can break, by the words of docs/consistency.md, and how long things may take. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.builders.history import Absence, Completion, Operation

HomeOf = Callable[[str], Any]
"""The home region of a user or photo, by id."""


class Guarantee(StrEnum):
    READ_YOUR_WRITES = "read your writes"
    MONOTONIC_READS = "monotonic reads"
    LINEARIZABLE = "what others wrote or saw before is seen"
    WRITTEN = "what is read was written"
    RESURRECTED = "nothing resurrected"
    ONCE = "nothing twice"
    EVENTUAL = "within the bound"


@dataclass(frozen=True, slots=True)
class Violation:
    """`operation` saw what it must not have seen, because of `evidence`."""

    guarantee: Guarantee
    operation: Operation
    what: str
    evidence: Operation | None = None

    def __str__(self) -> str:
        because = f"\n      after {self.evidence}" if self.evidence else ""
        return f"{self.guarantee}: {self.what}\n      in    {self.operation}{because}"


def of_stale_read(read: Operation, evidence: Operation) -> Guarantee:
    if read.process != evidence.process:
        return Guarantee.LINEARIZABLE
    return Guarantee.MONOTONIC_READS if evidence.verb.is_read else Guarantee.READ_YOUR_WRITES


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds. The first two are counted while nothing is away.

    elsewhere_s   until a deletion is known, and a photo is in feeds, in every region and at every edge
    ready_s       until an upload is ready
    refused_s     how long an edge repeats that an image is not there
    repeated_s    an operation that took longer may have been sent twice
    late_s        and then its first request may take effect so long after the second was answered
    """

    elsewhere_s: float = 30.0
    ready_s: float = 120.0
    refused_s: float = 5.0
    repeated_s: float = 0.5
    late_s: float = 15.0

    def until_s(self, write: Operation) -> float:
        """The last moment at which it may take effect."""
        if write.completion is not Completion.OK:
            return float("inf")
        took_s = write.returned_s - write.invoked_s
        return write.returned_s + (self.late_s if took_s > self.repeated_s else 0.0)


class Moments:
    """When what takes a while must be done, given when parts were away."""

    def __init__(self, bounds: Bounds, absences: Sequence[Absence]) -> None:
        self.bounds = bounds
        self._absences = sorted(absences, key=lambda one: one.from_s)
        self._known: dict[tuple[float, float], float] = {}

    def everywhere_s(self, since_s: float) -> float:
        """When what happened at `since_s` is known everywhere."""
        return self._quiet(since_s, self.bounds.elsewhere_s)

    def ready_s(self, since_s: float) -> float:
        return self._quiet(since_s, self.bounds.ready_s)

    def _quiet(self, since_s: float, for_s: float) -> float:
        """The end of the first time of that length in which nothing is away."""
        if (since_s, for_s) not in self._known:
            begin_s = since_s
            for absence in self._absences:
                if absence.from_s < begin_s + for_s and begin_s < absence.to_s:
                    begin_s = absence.to_s
            self._known[since_s, for_s] = begin_s + for_s
        return self._known[since_s, for_s]
