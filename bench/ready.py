"""How long a photo takes from the end of its upload until it is ready, while the processor is at 80 % of what it can.

A real processor with a cluster of its own works on a region on this disk. First it gets many photos at once: that shows
what it can. Then photos arrive at random (a Poisson process), at 80 % of that rate, whether the earlier ones are
ready or not; a time counts from the moment at which the photo should have arrived. The limit is what a queue alone
makes of the same arrivals, if each worker takes the same time for each photo and nothing else costs any.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from heapq import heapify, heapreplace
from itertools import accumulate, cycle, islice
from pathlib import Path
from statistics import quantiles

from bench import harness
from bench.photo_job import room
from regions.events.messages import Event
from regions.records import Status

MOST_P99_S = 2.0
ALLOWED, LIMIT = "the most allowed", "a queue alone"

_LOAD = 0.8
_WARM_UP, _AT_ONCE, _ARRIVALS = 8, 60, 300
_SEED = 7
_LOOK_EVERY_S = 0.01
_PLENTY_S = 300.0


def run() -> list[harness.Measurement]:
    raws = room.raws()
    with room.opened() as region, _processor(region.topology):
        uploaded = (region.uploaded(number, raw) for number, raw in enumerate(cycle(raws)))
        _ready_after(region, list(islice(uploaded, _WARM_UP)), [0.0] * _WARM_UP)
        per_s = _AT_ONCE / max(_ready_after(region, list(islice(uploaded, _AT_ONCE)), [0.0] * _AT_ONCE))
        arrivals_s = poisson(per_s * _LOAD, _ARRIVALS, random.Random(_SEED))
        ready_s = _ready_after(region, list(islice(uploaded, _ARRIVALS)), arrivals_s)
    workers = max(1, (os.cpu_count() or 1) // 2)
    alone_s = queue_alone(arrivals_s, workers, workers / per_s)
    (p50_s, p99_s), (alone_p50_s, alone_p99_s) = percentiles(ready_s), percentiles(alone_s)
    load = f"complete to ready at {_LOAD:.0%} load"
    return [
        harness.compare("photos a second at full load", "1/s", per_s, {}, more_is_better=True),
        harness.compare(f"{load}, P50", "s", p50_s, {LIMIT: alone_p50_s}, more_is_better=False),
        harness.compare(f"{load}, P99", "s", p99_s, {LIMIT: alone_p99_s}, more_is_better=False),
        harness.compare(f"{load}, P99", "s", p99_s, {ALLOWED: MOST_P99_S}, more_is_better=False, goal=1.0),
    ]


def poisson(per_s: float, count: int, chance: random.Random) -> list[float]:
    """Times of arrival in seconds."""
    return list(accumulate(chance.expovariate(per_s) for _ in range(count)))


def queue_alone(arrivals_s: Sequence[float], workers: int, work_s: float) -> list[float]:
    """How long each takes, first come, first served, if it takes each of the workers `work_s`."""
    free_s = [0.0] * workers
    heapify(free_s)
    taken_s = []
    for at_s in arrivals_s:
        end_s = max(at_s, free_s[0]) + work_s
        heapreplace(free_s, end_s)
        taken_s.append(end_s - at_s)
    return taken_s


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """P50 and P99."""
    cuts = quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[98]


def _ready_after(region: room.Room, events: Sequence[Event], arrivals_s: Sequence[float]) -> list[float]:
    """Publishes each event when its time has come; returns how long after that time each photo was ready."""
    photos, start_s = region.stores.catalog.photos, time.perf_counter()
    under_way: dict[str, float] = {}
    arriving, ready_s = list(zip(arrivals_s, events, strict=True)), list[float]()
    while len(ready_s) < len(events):
        now_s = time.perf_counter() - start_s
        if now_s > arrivals_s[-1] + _PLENTY_S:
            raise TimeoutError(f"{len(under_way)} photos are not ready")
        while arriving and arriving[0][0] <= now_s:
            at_s, event = arriving.pop(0)
            region.stores.events.publish([event])
            under_way[event.body["photo_id"]] = at_s
        found = photos.summaries(list(under_way))
        now_s = time.perf_counter() - start_s
        for photo_id, photo in found.items():
            if photo.status is Status.READY:
                ready_s.append(now_s - under_way.pop(photo_id))
        time.sleep(_LOOK_EVERY_S)
    return ready_s


@contextmanager
def _processor(topology: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "darkroom", "run", "processor", room.REGION, "--topology", str(topology)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()
