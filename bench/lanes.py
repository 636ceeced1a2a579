"""A whole lane between two S3 servers beside `rclone copy`: MB/s, objects/s and core-seconds, of objects as large as
variants and as originals, on loopback and through a line of 80 ms.

`bench/copies/` says who copies, and how. The line is a proxy in front of the destination that delays and does not slow;
all copiers have it, and ours, which asks the destination's origin, has one in front of that, too. Ours copies photos,
with the decisions, records and logs of both ends; the home's other lane considers them at the same time, and may send
nothing. It has the settings of production. Each peer works with the number of threads or transfers with which it is
fastest in a first run; then all take turns. By default the servers end a connection after each answer, and goals are
set for that; S3 keeps connections, so all is measured again with servers that do. `make bench-peers` installs rclone,
`make servers-install` the servers.
"""

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import harness, interleaved_runs
from bench.copies import plain_threads, rclone, store_pair
from bench.copies.lane import LaneRegions
from bench.copies.store_pair import CopiedObject, Copy, CopyEnd, StorePair
from deploy.servers import fleet, versitygw
from deploy.servers.process import ServerError
from tests.builders.line_faults import Line, distant

_ROUND_TRIP_S = 0.08
_REPEATS = 3
_MB = 1e6


@dataclass(frozen=True, slots=True)
class ObjectSet:
    """Of so many photos that a copy takes seconds: of each these variants, and the raw ("")."""

    name: str
    size_bytes: int
    photos: int
    names: tuple[str, ...]

    @property
    def count(self) -> int:
        return self.photos * len(self.names)


@dataclass(frozen=True, slots=True)
class Distance:
    """`goal` is how many times as fast as rclone we want to be, at least, to servers that end each connection."""

    name: str
    line: Line | None
    goal: float | None


OBJECT_SETS = (
    ObjectSet("200 KB, four a photo", 200_000, 500, ("150.jpg", "320.jpg", "640.jpg", "")),
    ObjectSet("5 MB, one a photo", 5_000_000, 200, ("",)),
)
DISTANCES = (Distance("loopback", None, 1.0), Distance("80 ms", distant(_ROUND_TRIP_S), 1.1))
KEEPING = tuple(Distance(f"{one.name}, connections kept", one.line, None) for one in DISTANCES)


def run() -> list[harness.Measurement]:
    """Raises NotMeasured if the servers are not installed; exits with 1, and says why, if one does not start."""
    if not fleet.is_installed(store_pair.ROOT, versitygw.NAME):
        raise harness.NotMeasured("versitygw is not installed. `make servers-install` installs it, once.")
    try:
        return [*_between(False, DISTANCES), *_between(True, KEEPING)]
    except ServerError as error:
        sys.exit(str(error))


def _between(keeps_connections: bool, distances: Sequence[Distance]) -> list[harness.Measurement]:
    found = list[harness.Measurement]()
    with (
        store_pair.running(keeps_connections) as pair,
        tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder,
    ):
        regions = LaneRegions(Path(folder), pair)
        for kind in OBJECT_SETS:
            pair.fill(kind.photos, kind.names, kind.size_bytes)
            for distance in distances:
                found += rows(kind, distance, measured(pair, regions, distance))
    return found


def measured(pair: StorePair, regions: LaneRegions, distance: Distance) -> dict[str, dict[str, float]]:
    """For each measure, the median of each copier."""
    peers: dict[str, Copy] = {
        plain_threads.NAME: _fastest(pair, distance, plain_threads.copy, plain_threads.THREADS),
    }
    if rclone.is_installed():
        peers[rclone.NAME] = _fastest(pair, distance, rclone.copy, rclone.TRANSFERS)
    with regions.running(distance.line) as lane:
        runs = {name: partial(pair.measured, copy, distance.line) for name, copy in peers.items()}
        runs["ours"] = partial(pair.measured, lane.copy, distance.line, lane.processes)
        return interleaved_runs.medians(runs, _REPEATS)


def _fastest(
    pair: StorePair,
    distance: Distance,
    copy: Callable[[int, CopyEnd, CopyEnd, Sequence[CopiedObject]], float],
    numbers: Sequence[int],
) -> Copy:
    taken_s = {number: pair.measured(partial(copy, number), distance.line)["wall_s"] for number in numbers}
    return partial(copy, min(taken_s, key=taken_s.__getitem__))


def rows(kind: ObjectSet, distance: Distance, found: Mapping[str, Mapping[str, float]]) -> list[harness.Measurement]:
    """`found` is what `measured` returns. The goal is set beside rclone."""
    rates = interleaved_runs.rates(kind.count, found["wall_s"])
    peers = {name: rate for name, rate in rates.items() if name != "ours"}
    missing = {} if rclone.NAME in peers else rclone.MISSING
    figure = f"copies of {kind.name}, {distance.name}"

    def row(
        what: str, unit: str, values: Mapping[str, float], more_is_better: bool, goal: float | None
    ) -> harness.Measurement:
        ours, others = values["ours"], {name: value for name, value in values.items() if name != "ours"}
        return harness.compare(
            f"{figure}: {what}",
            unit,
            ours,
            others,
            more_is_better=more_is_better,
            goal=goal,
            beside=(rclone.NAME,),
            missing=missing,
        )

    megabytes = {name: rate * kind.size_bytes / _MB for name, rate in rates.items()}
    return [
        row("MB/s", "MB/s", megabytes, True, distance.goal),
        row("objects a second", "1/s", rates, True, None),
        *(
            row(f"core-seconds a thousand, {who}", "s", _per_thousand(kind, found[measure]), False, None)
            for who, measure in (("the copier's", "core_s"), ("both servers'", "servers_core_s"))
        ),
    ]


def _per_thousand(kind: ObjectSet, core_s: Mapping[str, float]) -> dict[str, float]:
    return {name: each_s * 1000 / kind.count for name, each_s in core_s.items()}
