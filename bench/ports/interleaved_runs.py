"""Contenders that measure more than one thing at a time, in interleaved_runs. Pure but for the clocks."""

import gc
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from math import ceil

from bench import harness

Turn = Callable[[], Mapping[str, float]]
"""One turn of a contender, and what it measured, by name."""


def medians(contenders: Mapping[str, Turn], repeats: int) -> dict[str, dict[str, float]]:
    """For each measure, the median of each contender. The first round warms up and is not counted."""
    measured: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for round_ in range(repeats + 1):
        for name, turn in contenders.items():
            gc.collect()
            found = turn()
            if round_ > 0:
                for measure, value in found.items():
                    measured[measure][name].append(value)
    return {
        measure: {name: statistics.median(values) for name, values in by_name.items()}
        for measure, by_name in measured.items()
    }


def spent(work: Callable[[], None]) -> dict[str, float]:
    """What `work` took: `wall_s`, and `core_s` of this process on all its threads."""
    start_s, start_core_s = time.perf_counter(), time.process_time()
    work()
    return {"core_s": time.process_time() - start_core_s, "wall_s": time.perf_counter() - start_s}


def percentile(values: Collection[float], share: float) -> float:
    """The least value that `share` (above 0, at most 1) of all values do not exceed: the nearest rank."""
    return sorted(values)[ceil(share * len(values)) - 1]


def row(
    figure: str, unit: str, values: Mapping[str, float], goal: float | None, *, more_is_better: bool = True
) -> harness.Measurement:
    peers = {name: value for name, value in values.items() if name != "ours"}
    return harness.compare(figure, unit, values["ours"], peers, more_is_better=more_is_better, goal=goal)


def rates(count: int, taken_s: Mapping[str, float]) -> dict[str, float]:
    """How many a second, where each took so long for `count`."""
    return {name: count / each_s for name, each_s in taken_s.items()}
