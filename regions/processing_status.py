"""What each processor says of itself every few seconds, in the settings; and what a region's processors say together.

Pure.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from regions.stores.settings import Setting

PREFIX = "processing/status/"
"""The settings with the status of each processor, by its name."""
EVERY_S = 2.0
GONE_AFTER_MS = 10_000
"""A processor that has not reported for so long is gone."""

_MOST = 10**15
"""No time, count or rate is larger. What is computed from these numbers then fits into a float."""


@dataclass(frozen=True, slots=True)
class ProcessingStatus:
    """Of one processor, or of several together.

    `workers` are there now, `wanted_workers` as many as the load needs. `fresh`, `deferred` and `backfill` photos wait,
    `in_flight` ones are with workers. `lag` counts the uploaded photos of the region that are not done, whichever
    processor has them. `finished`, `failed` and `worker_deaths` count since the start; `finished_per_s` is that of the
    last seconds. `work_s` is what a photo takes a worker, on average.
    """

    at_ms: int
    workers: int
    wanted_workers: int
    fresh: int
    deferred: int
    backfill: int
    in_flight: int
    lag: int
    finished: int
    failed: int
    worker_deaths: int
    finished_per_s: float
    work_s: float


_TYPES = {field.name: (int, float) if field.type is float else (int,) for field in dataclasses.fields(ProcessingStatus)}


def to_text(status: ProcessingStatus) -> str:
    return json.dumps(dataclasses.asdict(status), separators=(",", ":"))


def from_text(text: str) -> ProcessingStatus | None:
    """None for what this version can't read; fields that it does not know are ignored."""
    try:
        value = json.loads(text)
        known = {name: value[name] for name in _TYPES}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if any(isinstance(known[name], bool) or not isinstance(known[name], types) for name, types in _TYPES.items()):
        return None
    return ProcessingStatus(**known) if all(0 <= number <= _MOST for number in known.values()) else None


def together(settings: Mapping[str, Setting], now_ms: int) -> ProcessingStatus | None:
    """The sum of the processors that are there now, of the tree below `PREFIX`; None if there are none."""
    read = [status for setting in settings.values() if (status := from_text(setting.value)) is not None]
    # One from the future, too: nobody knows how old it is.
    present = [status for status in read if abs(now_ms - status.at_ms) < GONE_AFTER_MS]
    if not present:
        return None
    sums = {name: sum(getattr(status, name) for status in present) for name in _TYPES}
    # Of these, each processor gives the region's, or an average.
    latest = {"at_ms": max(status.at_ms for status in present), "lag": max(status.lag for status in present)}
    return ProcessingStatus(**sums | latest | {"work_s": sums["work_s"] / len(present)})


def ready_in_s(status: ProcessingStatus) -> int | None:
    """About how many seconds a fresh photo waits and is worked on; None if there are no workers."""
    if status.workers == 0:
        return None
    waiting = max(status.lag, status.fresh + status.in_flight)
    return max(1, ceil(wait_s(waiting, status.workers, status.work_s)))


def wait_s(waiting: int, workers: int, work_s: float) -> float:
    """How long a photo that arrives behind so many waits and is worked on, at `work_s` a photo and worker."""
    return (waiting / workers + 1) * work_s
