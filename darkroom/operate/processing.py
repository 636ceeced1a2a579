"""`darkroom processing`: what a region's processors do, how long photos wait, and how many workers that takes."""

import dataclasses
import json
import time
from argparse import Namespace
from collections.abc import Mapping

from rich.console import Console
from rich.live import Live
from rich.table import Table

from darkroom.command_error import CommandError
from darkroom.operate import one_region
from regions import config, processing_status
from regions.clock import now_ms
from regions.config import Stores
from regions.events.topics import PROCESSOR, topics_of
from regions.processing_status import EVERY_S, PREFIX, ProcessingStatus


def command(options: Namespace) -> int:
    """Runs `darkroom processing`."""
    loaded, region = one_region.of(options)
    stores = config.open_stores(loaded, region.name)
    try:
        if options.watch:
            _watch(stores, region.name)
        elif options.json:
            Console().print_json(json.dumps(as_json(*read(stores, region.name))), indent=None, highlight=False)
        else:
            Console().print(table(*read(stores, region.name)))
    finally:
        stores.close()
    return 0


def read(stores: Stores, region: str) -> tuple[ProcessingStatus, Mapping[str, int]]:
    """The status of all processors together, and how many events of each topic are not done. Raises CommandError."""
    status = processing_status.together(stores.settings.values.tree(PREFIX), now_ms())
    if status is None:
        raise CommandError(
            f"No processor of {region} has reported in the last {processing_status.GONE_AFTER_MS // 1000} seconds.",
            f"Start one: darkroom run processor {region} --topology FILE",
        )
    return status, {topic: sum(stores.events.lag(topic, PROCESSOR).values()) for topic in topics_of(PROCESSOR)}


def as_json(status: ProcessingStatus, lags: Mapping[str, int]) -> dict[str, object]:
    """For programs, such as an autoscaler: it sets the number of workers to `wanted_workers`."""
    return dataclasses.asdict(status) | {"lags": dict(lags), "ready_in_s": processing_status.ready_in_s(status)}


def table(status: ProcessingStatus, lags: Mapping[str, int]) -> Table:
    """For people."""
    ready_in_s = processing_status.ready_in_s(status)
    rows = {
        "ready in": f"about {ready_in_s} s" if ready_in_s is not None else "no worker is there",
        **{f"not done: {topic}": f"{lag:,}" for topic, lag in lags.items()},
        "waiting": f"{status.fresh:,} fresh, {status.deferred:,} deferred, {status.backfill:,} backfill",
        "with workers": f"{status.in_flight:,}",
        "workers": f"{status.workers:,} (the load needs {status.wanted_workers:,})",
        "a photo takes": f"{status.work_s * 1000:,.0f} ms",
        "finished": f"{status.finished:,}, {status.finished_per_s:,.1f} a second, {status.failed:,} failed",
        "workers that died": f"{status.worker_deaths:,}",
    }
    shown = Table(show_header=False, box=None)
    for name, value in rows.items():
        shown.add_row(name, value)
    return shown


def _watch(stores: Stores, region: str) -> None:
    """Until Ctrl-C."""
    with Live(table(*read(stores, region)), auto_refresh=False) as live:
        while True:
            time.sleep(EVERY_S)
            live.update(table(*read(stores, region)), refresh=True)
