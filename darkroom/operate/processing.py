"""`darkroom processing`: what a region's processors do, how long photos wait, and how many workers that takes."""

import dataclasses
import json
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from darkroom import terminal
from darkroom.command_error import CommandError
from darkroom.operate import one_region
from darkroom.operate.watching import watch, watch_in_terminal
from regions import config, processing_status
from regions.clock import now_ms
from regions.config import Stores
from regions.events.topics import PROCESSOR, topics_of
from regions.processing_status import PREFIX, ProcessingStatus
from regions.status_documents import EVERY_S, GONE_AFTER_MS


def command(options: Namespace) -> int:
    """Runs `darkroom processing`."""
    loaded, region = one_region.of(options)
    stores = config.open_stores(loaded, region.name)
    try:
        if options.watch:
            _watch(lambda: read(stores, region.name), options.json)
        elif options.json:
            _print_json(read(stores, region.name))
        else:
            Console().print(table(read(stores, region.name)))
    finally:
        stores.close()
    return 0


@dataclass(frozen=True, slots=True)
class Seen:
    """`processors` are by process name, at least one; `lags` has how many events of each topic are not done."""

    processors: Mapping[str, ProcessingStatus]
    lags: Mapping[str, int]

    @property
    def total(self) -> ProcessingStatus:
        return processing_status.total(self.processors.values())


def read(stores: Stores, region: str) -> Seen:
    """Raises CommandError if no processor reports."""
    processors = processing_status.present(stores.settings.values.tree(PREFIX), now_ms())
    if not processors:
        raise CommandError(
            f"No processor of {region} has reported in the last {GONE_AFTER_MS // 1000} seconds.",
            f"Start one: darkroom run processor {region} --topology FILE",
        )
    return Seen(
        processors, {topic: sum(stores.events.lag(topic, PROCESSOR).values()) for topic in topics_of(PROCESSOR)}
    )


def as_json(seen: Seen) -> dict[str, object]:
    """For programs, such as an autoscaler: it sets the number of workers to `wanted_workers`."""
    total = seen.total
    each = {name: dataclasses.asdict(status) for name, status in seen.processors.items()}
    together = {"lags": dict(seen.lags), "ready_in_s": processing_status.ready_in_s(total), "processors": each}
    return dataclasses.asdict(total) | together


def table(seen: Seen) -> Table:
    """For people."""
    shown = Table(show_header=False, box=None)
    for name, value in lines(seen):
        shown.add_row(name, terminal.text(value))
    return shown


def lines(seen: Seen) -> list[tuple[str, str]]:
    """What the table shows. Pure."""
    total = seen.total
    ready_in_s = processing_status.ready_in_s(total)
    waiting = [
        f"{count:,} {urgency} (the oldest for {total.oldest_waiting_s.get(urgency, 0.0):,.0f} s)"
        for urgency, count in total.waiting.items()
    ]
    finished = (
        f"{total.arrived_per_s:.1f} arrived, {total.finished_per_s:.1f} finished, {total.failed_per_s:.1f} failed"
    )
    steps = ", ".join(f"{name} {step_ms:.0f}" for name, step_ms in total.step_ms.items())
    return [
        ("processors", ", ".join(seen.processors)),
        ("workers", f"{total.workers:,} (the load needs {total.wanted_workers:,}; {total.worker_deaths:,} died)"),
        ("ready in", terminal.about(ready_in_s) if ready_in_s is not None else "no worker is there"),
        ("waiting", ", ".join(waiting) or "none"),
        ("with workers", f"{total.in_flight:,}"),
        ("a second", finished),
        ("a photo takes", f"{total.work_s * 1000:,.0f} ms" + (f": {steps}" if steps else "")),
        *((f"not done: {topic}", f"{lag:,}") for topic, lag in seen.lags.items()),
    ]


def _print_json(seen: Seen | str) -> None:
    """One document a line, at once: a program reads it from a pipe."""
    document = {"processors": {}, "error": seen} if isinstance(seen, str) else as_json(seen)
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _watch(look: Callable[[], Seen], is_for_programs: bool) -> None:
    """Until Ctrl-C. While the only processor restarts, or the settings are away, it shows that instead."""
    if is_for_programs:
        watch(look, _print_json, EVERY_S)
    watch_in_terminal(look, _drawn, EVERY_S)


def _drawn(seen: Seen | str) -> Table | Text:
    return terminal.text(seen) if isinstance(seen, str) else table(seen)
