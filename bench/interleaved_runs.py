"""Contenders that take turns, so that other load slows all of them alike, and measure more than one thing a run."""

import gc
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from math import ceil
from types import MappingProxyType

from bench import harness

Run = Callable[[], Mapping[str, float]]
"""One run of a contender; returns what it measured, by name."""


def medians(contenders: Mapping[str, Run], repeats: int) -> dict[str, dict[str, float]]:
    """For each measure, the median of each contender. The first round warms up and is not counted."""
    measured: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for round_ in range(repeats + 1):
        for name, run in contenders.items():
            gc.collect()
            found = run()
            if round_ > 0:
                for measure, value in found.items():
                    measured[measure][name].append(value)
    return {
        measure: {name: statistics.median(values) for name, values in by_name.items()}
        for measure, by_name in measured.items()
    }


def spent(work: Callable[[], object]) -> dict[str, float]:
    """The seconds that `work` took: `wall_s`, and `core_s` of this process on all its threads."""
    start_s, start_core_s = time.perf_counter(), time.process_time()
    work()
    return {"core_s": time.process_time() - start_core_s, "wall_s": time.perf_counter() - start_s}


def percentile(values: Collection[float], share: float) -> float:
    """The smallest value that at least `share` (above 0, at most 1) of all values do not exceed: the nearest rank."""
    return sorted(values)[ceil(share * len(values)) - 1]


def row(
    figure: str,
    unit: str,
    values: Mapping[str, float],
    goal: float | None,
    *,
    more_is_better: bool = True,
    missing: Mapping[str, str] = MappingProxyType({}),
) -> harness.Measurement:
    """`values` are "ours" and the peers', by name; `missing` the peers that are not installed, with how to get them."""
    peers = {name: value for name, value in values.items() if name != "ours"}
    return harness.compare(
        figure, unit, values["ours"], peers, more_is_better=more_is_better, goal=goal, missing=missing
    )


def rates(count: int, taken_s: Mapping[str, float]) -> dict[str, float]:
    """How many a second each contender did, from the seconds that it took for `count`."""
    return {name: count / each_s for name, each_s in taken_s.items()}
