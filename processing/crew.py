"""What the processors of one cluster tell each other: how busy each is, and which part of the cluster's places it has.

A place is a worker that is there: it runs one job at a time. Pure: a time is seconds of a clock that never goes back.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

PRESENT_S = 5.0
"""A processor that has not reported for so long takes no part any more."""
RATE_OVER_S = 10.0
FIRST_WORK_S = 0.2
"""What a photo is thought to take a worker until the first has ended."""


@dataclass(frozen=True, slots=True)
class Report:
    """Of one processor: `waiting` are photos of people who wait, `wants_places` all that it could run at once.

    `work_s` is the mean of what a photo took a worker; `deaths` are those of workers, since the processor has started.
    """

    places: int
    waiting: int
    wants_places: int
    in_flight: int
    finished_per_s: float
    work_s: float
    deaths: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Of all processors. `work_s` is the mean over what they finish."""

    processors: int
    waiting: int
    in_flight: int
    finished_per_s: float
    work_s: float
    deaths: int


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many places. As a part, so that it also fits when workers have come or gone since."""

    mine: int
    places: int

    def of(self, capacity: int) -> int:
        return ceil(capacity * self.mine / self.places)


ALL = Share(1, 1)


class CrewList:
    """The last report of each processor that is present."""

    def __init__(self) -> None:
        self._reports: dict[str, tuple[float, Report]] = {}

    def report(self, name: str, report: Report, now_s: float) -> tuple[Totals, Share]:
        self._reports[name] = now_s, report
        self._reports = {
            other: (at_s, last) for other, (at_s, last) in self._reports.items() if now_s - at_s <= PRESENT_S
        }
        present = {other: last for other, (_, last) in self._reports.items()}
        divided = shares(report.places, {other: last.wants_places for other, last in present.items()})
        return totals(present), Share(divided[name], max(1, report.places))


def totals(reports: Mapping[str, Report]) -> Totals:
    """Of at least one."""
    each = list(reports.values())
    finished_per_s = sum(report.finished_per_s for report in each)
    if finished_per_s:
        work_s = sum(report.work_s * report.finished_per_s for report in each) / finished_per_s
    else:
        work_s = sum(report.work_s for report in each) / len(each)
    waiting, in_flight = sum(report.waiting for report in each), sum(report.in_flight for report in each)
    return Totals(len(each), waiting, in_flight, finished_per_s, work_s, sum(report.deaths for report in each))


def shares(places: int, wanted: Mapping[str, int]) -> dict[str, int]:
    """The places divided so that nobody gets more while another wants some of his (max-min fairness).

    Everybody has at least one, so that a photo never waits for the next report. What nobody wants is divided evenly.
    Together they are all places; one each if there are more processors than places.
    """
    divided: dict[str, int] = {}
    left = places
    for others_to_come, name in zip(
        range(len(wanted), 0, -1), sorted(wanted, key=lambda name: (wanted[name], name)), strict=True
    ):
        divided[name] = max(1, min(wanted[name], left // others_to_come))
        left -= divided[name]
    each, more = divmod(max(0, left), len(wanted))
    return {name: divided[name] + each + (index < more) for index, name in enumerate(sorted(divided))}


class Meter:
    """How many photos a second have been finished lately, and the mean of what they took a worker."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int, float]] = deque()
        self._work_s = FIRST_WORK_S

    def read(self, finished: int, worked_s: float, now_s: float) -> tuple[float, float]:
        """Takes what counters have counted up to now; returns finished per second, and seconds of work for one."""
        self._seen.append((now_s, finished, worked_s))
        while now_s - self._seen[0][0] > RATE_OVER_S:
            self._seen.popleft()
        first_s, first_finished, first_worked_s = self._seen[0]
        if finished > first_finished:
            self._work_s = (worked_s - first_worked_s) / (finished - first_finished)
        over_s = now_s - first_s
        return (finished - first_finished) / over_s if over_s else 0.0, self._work_s
