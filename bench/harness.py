"""What every benchmark shares: contenders timed in turns, one row a figure, a table, and a file of results.

A benchmark is a module of this package with `run() -> list[Row]`.
"""

import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `ratio` says how many times as good as the best peer we are; `goal` is the least we want of it."""

    figure: str
    unit: str
    ours: float
    peers: Mapping[str, float]
    ratio: float | None
    goal: float | None
    holds: bool


def compare(
    figure: str, unit: str, ours: float, peers: Mapping[str, float], *, more_is_better: bool, goal: float | None = None
) -> Row:
    """Without a goal, or without a peer to compare with, a figure holds: it is published, not judged."""
    ratio = None
    if peers:
        ratio = ours / max(peers.values()) if more_is_better else min(peers.values()) / ours
    holds = goal is None or ratio is None or ratio >= goal
    return Row(figure, unit, ours, dict(peers), ratio, goal, holds)


def median_s(
    contenders: Mapping[str, Callable[[], float | None]],
    repeats: int,
    clock_s: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """The median time of each. They take turns, so that whatever else the machine does meets all of them alike.

    A contender that measures itself returns its seconds; one that returns None is measured here, by `clock_s`. The
    first round warms up and is not counted.
    """
    taken_s: dict[str, list[float]] = {name: [] for name in contenders}
    for round_ in range(repeats + 1):
        for name, work in contenders.items():
            gc.collect()
            start_s = clock_s()
            own_s = work()
            spent_s = clock_s() - start_s if own_s is None else own_s
            if round_ > 0:
                taken_s[name].append(spent_s)
    return {name: statistics.median(times) for name, times in taken_s.items()}


def publish(name: str, rows: list[Row], console: Console) -> bool:
    """Prints the table and writes `results/NAME.json`; True where every goal is met."""
    RESULTS.mkdir(exist_ok=True)
    document = {
        "benchmark": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "rows": [asdict(row) for row in rows],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    console.print(_table(name, rows))
    return all(row.holds for row in rows)


def machine() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _table(name: str, rows: list[Row]) -> Table:
    table = Table(title=name, title_justify="left")
    for heading in ("figure", "unit", "ours", "peers", "ratio", "goal", ""):
        table.add_column(heading, justify="left" if heading in ("figure", "unit", "peers") else "right")
    for row in rows:
        peers = ", ".join(f"{peer} {value:.4g}" for peer, value in row.peers.items()) or "none here"
        ratio = f"{row.ratio:.2f}×" if row.ratio is not None else ""
        goal = f"≥ {row.goal:g}×" if row.goal is not None else ""
        table.add_row(row.figure, row.unit, f"{row.ours:.4g}", peers, ratio, goal, "holds" if row.holds else "MISSED")
    return table
