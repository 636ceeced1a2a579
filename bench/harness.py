"""Shared by all benchmarks: one row per figure, whether its goal holds, a table, and a file of results.

A benchmark is a module of this package with `run() -> list[Measurement]`.
"""

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
NOT_JUDGED_EXIT = 3
ALLOWED = "the most allowed"


class NotMeasured(Exception):
    """A benchmark that can't run here; the message says what is missing and how to get it."""


class GoalResult(StrEnum):
    HOLDS = "holds"
    MISSED = "MISSED"
    NOT_JUDGED = "not judged"
    PUBLISHED = "published"


class Basis(StrEnum):
    """What a goal is the least of."""

    RATIO = "how many times as good as the best peer"
    LEAD = "how many units better than the best peer"
    """For scores whose zero means nothing."""
    OURS = "our own figure"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure. `goal` is the least that we want of what its `basis` says.

    `ratio` or `lead`, as the basis says, compares us with the best of the peers that the goal is set `beside`: all of
    them, unless it names some. `missing` names each peer that should have been measured and is not there, with how to
    get it. A goal is judged only if no peer is missing: the best one might be among them.
    """

    figure: str
    unit: str
    ours: float
    peers: Mapping[str, float]
    ratio: float | None
    goal: float | None
    missing: Mapping[str, str]
    outcome: GoalResult
    basis: Basis = Basis.RATIO
    lead: float | None = None
    beside: Sequence[str] = ()


def compare(
    figure: str,
    unit: str,
    ours: float,
    peers: Mapping[str, float],
    *,
    more_is_better: bool,
    goal: float | None = None,
    basis: Basis = Basis.RATIO,
    beside: Sequence[str] = (),
    missing: Mapping[str, str] = MappingProxyType({}),
) -> Measurement:
    """A figure without a goal is published; one with a goal is judged if every peer is there."""
    rivals = [value for name, value in peers.items() if not beside or name in beside]
    ratio = lead = None
    if rivals:
        best = max(rivals) if more_is_better else min(rivals)
        if basis is Basis.RATIO:
            ratio = ours / best if more_is_better else best / ours
        if basis is Basis.LEAD:
            lead = ours - best if more_is_better else best - ours
    reached = {Basis.RATIO: ratio, Basis.LEAD: lead, Basis.OURS: ours}[basis]
    outcome = _outcome(reached, goal, missing)
    return Measurement(figure, unit, ours, dict(peers), ratio, goal, dict(missing), outcome, basis, lead, tuple(beside))


def at_most(figure: str, unit: str, ours: float, most: float) -> Measurement:
    """Judged by itself: whether it is at most so much."""
    return compare(figure, unit, ours, {ALLOWED: most}, more_is_better=False, goal=1.0)


def _outcome(reached: float | None, goal: float | None, missing: Mapping[str, str]) -> GoalResult:
    if goal is None:
        return GoalResult.PUBLISHED
    if missing or reached is None:
        return GoalResult.NOT_JUDGED
    return GoalResult.HOLDS if reached >= goal else GoalResult.MISSED


def publish(name: str, rows: list[Measurement], console: Console) -> None:
    """Prints the table and what is missing, and writes `results/NAME.json`."""
    RESULTS.mkdir(exist_ok=True)
    document = {
        "benchmark": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "rows": [asdict(row) for row in rows],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    console.print(_table(name, rows))
    for peer, advice in {peer: advice for row in rows for peer, advice in row.missing.items()}.items():
        console.print(f"[yellow]![/] {peer} is not here, so goals beside it are not judged: {advice}")


def exit_code(rows: Iterable[Measurement], all_measured: bool = True) -> int:
    """1 if a goal is missed, else 3 if one could not be judged or a benchmark could not run, else 0."""
    outcomes = {row.outcome for row in rows}
    if GoalResult.MISSED in outcomes:
        return 1
    return 0 if all_measured and GoalResult.NOT_JUDGED not in outcomes else NOT_JUDGED_EXIT


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


def _table(name: str, rows: list[Measurement]) -> Table:
    table = Table(title=name, title_justify="left")
    for heading in ("figure", "unit", "ours", "peers", "ratio or lead", "goal", ""):
        table.add_column(heading, justify="left" if heading in ("figure", "unit", "peers") else "right")
    for row in rows:
        peers = ", ".join(f"{peer} {value:.4g}" for peer, value in row.peers.items())
        # Escaped: brackets in a figure are text, and not rich's markup.
        table.add_row(
            escape(row.figure),
            row.unit,
            f"{row.ours:.4g}",
            peers or "none here",
            _reached(row),
            _goal(row),
            row.outcome,
        )
    return table


def _reached(row: Measurement) -> str:
    if row.lead is not None:
        return f"{row.lead:+.2f}"
    return f"{row.ratio:.2f}×" if row.ratio is not None else ""


def _goal(row: Measurement) -> str:
    if row.goal is None:
        return ""
    number = {Basis.RATIO: f"{row.goal:g}×", Basis.LEAD: f"{row.goal:+g}", Basis.OURS: f"{row.goal:g}"}[row.basis]
    return f"≥ {number}"
