"""How many workers a region's photos need. Pure: knows no clock, and starts and ends nothing.

A photo must be ready `PROMISE_S` after its upload is complete. So the workers must keep up with the photos that arrive,
and work off those that wait within a part of that time. `target` says how many workers that takes; `Autoscaler` adds
what keeps the number from swinging: more workers come at once, fewer only after a while, and a few at a time.
"""

from dataclasses import dataclass
from math import ceil

from regions.processing_status import FRESH, ProcessingStatus, fresh_waiting

PROMISE_S = 30.0
_WORK_OFF_S = PROMISE_S / 2
# A worker that is always busy makes photos wait: at 80 % use, the mean wait is four times the work (M/M/1).
_MOST_USE = 0.8
_CALM_S = 60.0
_SMALLEST_STEP_DOWN, _STEP_DOWN_SHARE = 1, 0.1


@dataclass(frozen=True, slots=True)
class Load:
    """`waiting` photos have arrived and are not being processed; `work_s` is what one takes one worker, in seconds."""

    waiting: int
    arriving_per_s: float
    work_s: float


@dataclass(frozen=True, slots=True)
class Limits:
    least: int
    most: int


def load_of(region: ProcessingStatus) -> Load:
    """Old photos count too; but of those a processor reads few ahead, so they call for few workers."""
    others = sum(number for urgency, number in region.waiting.items() if urgency != FRESH)
    return Load(fresh_waiting(region) + others, region.arrived_per_s, region.work_s)


def target(load: Load, limits: Limits) -> int:
    """The workers that this load needs, within the limits."""
    needed_per_s = load.arriving_per_s / _MOST_USE + load.waiting / _WORK_OFF_S
    return min(limits.most, max(limits.least, ceil(needed_per_s * load.work_s)))


class Autoscaler:
    """Times are seconds of a clock that never goes back."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._workers = limits.least
        self._needed_until_s = float("-inf")
        self._most_needed = limits.least

    def step(self, load: Load, now_s: float) -> int:
        """How many workers there should be now. Call it about once a second.

        One worker goes, or a tenth of them, when for `_CALM_S` no more than the rest were needed.
        """
        needed = target(load, self._limits)
        if needed >= self._workers:
            self._workers, self._most_needed, self._needed_until_s = needed, 0, now_s
            return self._workers
        self._most_needed = max(self._most_needed, needed)
        if now_s - self._needed_until_s >= _CALM_S:
            step_down = max(_SMALLEST_STEP_DOWN, int(self._workers * _STEP_DOWN_SHARE))
            self._workers = max(self._most_needed, self._workers - step_down, self._limits.least)
            self._most_needed, self._needed_until_s = 0, now_s
        return self._workers
