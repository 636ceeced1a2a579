"""What each processor of a region says of itself: how many photos wait for it, how fast it is, and on how many workers.

Processors write it into the settings, and origins, operators and autoscalers read it. The programs may be of two
versions: a status that this one can't read is left out. Pure.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from regions import status_documents
from regions.status_documents import is_present
from regions.stores.settings import Setting

PREFIX = "processing/status/"
"""Of the settings with the statuses; behind it comes the process's name."""
FRESH = "fresh"


@dataclass(frozen=True, slots=True)
class ProcessingStatus:
    """Of one processor, or of several together. Rates and means are those of the last seconds.

    `cluster` names where the workers are: processors of one cluster share its `workers` and `wanted_workers`. `lag`
    counts the uploaded photos of the region that are not done, whichever processor has them. `waiting` and
    `oldest_waiting_s` are by urgency (`FRESH` and less urgent ones), `step_ms` by step of the photo job.
    `arrived_per_s` are photos of people who wait; `failed` are among `finished`. `work_s` is what a photo takes a
    worker. `worker_deaths` are those since the process has started.
    """

    at_ms: int
    cluster: str
    workers: int
    wanted_workers: int
    in_flight: int
    lag: int
    arrived_per_s: float
    finished_per_s: float
    failed_per_s: float
    work_s: float
    worker_deaths: int
    waiting: Mapping[str, int]
    oldest_waiting_s: Mapping[str, float]
    step_ms: Mapping[str, float]


def key_of(process: str) -> str:
    return f"{PREFIX}{process}"


def from_text(text: str) -> ProcessingStatus | None:
    """None if this program can't read it."""
    return status_documents.from_text(ProcessingStatus, text)


def is_status_present(text: str, now_ms: int) -> bool:
    """Whether the processor that wrote this status is there."""
    status = from_text(text)
    return status is not None and is_present(status.at_ms, now_ms)


def present(settings: Mapping[str, Setting], now_ms: int) -> dict[str, ProcessingStatus]:
    """Those of the processors that are there, by name; `settings` are all below `PREFIX`."""
    read = {key.removeprefix(PREFIX): from_text(setting.value) for key, setting in settings.items()}
    return {
        process: status
        for process, status in sorted(read.items())
        if status is not None and is_present(status.at_ms, now_ms)
    }


def total(statuses: Collection[ProcessingStatus]) -> ProcessingStatus:
    """Of at least one. Means are weighted by what was finished lately."""
    weights = [status.finished_per_s for status in statuses]
    if not any(weights):
        weights = [1.0] * len(statuses)
    return ProcessingStatus(
        at_ms=max(status.at_ms for status in statuses),
        cluster=", ".join(sorted({status.cluster for status in statuses})),
        workers=_by_cluster((status.cluster, status.workers) for status in statuses),
        wanted_workers=_by_cluster((status.cluster, status.wanted_workers) for status in statuses),
        in_flight=sum(status.in_flight for status in statuses),
        lag=max(status.lag for status in statuses),
        arrived_per_s=sum(status.arrived_per_s for status in statuses),
        finished_per_s=sum(status.finished_per_s for status in statuses),
        failed_per_s=sum(status.failed_per_s for status in statuses),
        work_s=_mean([status.work_s for status in statuses], weights),
        worker_deaths=sum(status.worker_deaths for status in statuses),
        waiting={name: sum(each) for name, each in _by_name(status.waiting for status in statuses).items()},
        oldest_waiting_s={
            name: max(each) for name, each in _by_name(status.oldest_waiting_s for status in statuses).items()
        },
        step_ms=_mean_steps(statuses, weights),
    )


def fresh_waiting(region: ProcessingStatus) -> int:
    """How many fresh photos wait, also those that no processor has read yet."""
    return max(region.waiting.get(FRESH, 0), region.lag - region.in_flight)


def ready_in_s(region: ProcessingStatus) -> int | None:
    """About how many seconds a fresh photo waits and is worked on; None if there are no workers."""
    if region.workers == 0:
        return None
    return max(1, ceil(wait_s(fresh_waiting(region) + region.in_flight, region.workers, region.work_s)))


def wait_s(waiting: int, workers: int, work_s: float) -> float:
    """How long a photo that arrives behind so many waits and is worked on, at `work_s` a photo and worker."""
    return (waiting / workers + 1) * work_s


def _by_cluster(numbers: Iterable[tuple[str, int]]) -> int:
    of_cluster: dict[str, int] = {}
    for cluster, number in numbers:
        of_cluster[cluster] = max(number, of_cluster.get(cluster, 0))
    return sum(of_cluster.values())


def _by_name(mappings: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    found = defaultdict(list)
    for mapping in mappings:
        for name, value in mapping.items():
            found[name].append(value)
    return found


def _mean(values: list[float], weights: list[float]) -> float:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


def _mean_steps(statuses: Collection[ProcessingStatus], weights: list[float]) -> dict[str, float]:
    """A process that has finished nothing lately counts only where no other knows the step."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for status, weight in zip(statuses, weights, strict=True):
        for name, value in status.step_ms.items():
            found[name].append((value, weight or 1e-9))
    return {name: _mean(*map(list, zip(*each, strict=True))) for name, each in found.items()}
