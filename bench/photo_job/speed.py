"""Photos per core-second: reading the header, decoding, scaling, the grey picture and rendering.

Time is processor time over all threads, because that is what a farm of workers pays for a photo, however a library
spreads it over cores.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from bench import harness, interleaved_runs
from bench.photo_job import sharp, thumbor
from bench.photo_job.contender import Contender
from bench.photo_job.photos import DrawnPhoto

REPEATS = 7
"""With 5, on a busy machine, a peer once came out a quarter too fast on a kind that has a single photo."""

GOALS: Mapping[str, float] = {sharp.USUAL: 2.5, sharp.ONCE: 1.2, "Pillow": 1.0, thumbor.NAME: 1.0}
"""How many times as fast as each peer we want to be, at least, with every kind of photo."""

_MISSING = {**sharp.MISSING, **thumbor.MISSING}
_FIGURE = "photos per core-second"

Rates = Mapping[str, float]
"""By contender."""


def rows(contenders: Mapping[str, Contender], photos: Sequence[DrawnPhoto]) -> list[harness.Measurement]:
    """A figure for each kind of photo; then, for each goal, the kind of photo with which it is nearest to failing."""
    kinds = {kind: _rates(contenders, [photo for photo in photos if photo.kind == kind]) for kind in _kinds(photos)}
    published = [interleaved_runs.row(f"{kind}: {_FIGURE}", "1/s", rates, None) for kind, rates in kinds.items()]
    return published + [_goal(peer, kinds) for peer in GOALS]


def _kinds(photos: Sequence[DrawnPhoto]) -> list[str]:
    return list(dict.fromkeys(photo.kind for photo in photos))


def _rates(contenders: Mapping[str, Contender], photos: Sequence[DrawnPhoto]) -> Rates:
    runs = {name: partial(_run, contender, photos) for name, contender in contenders.items()}
    return interleaved_runs.rates(len(photos), interleaved_runs.medians(runs, REPEATS)["core_s"])


def _run(contender: Contender, photos: Sequence[DrawnPhoto]) -> dict[str, float]:
    return {"core_s": sum(contender.core_s(photo) for photo in photos)}


def _goal(peer: str, kinds: Mapping[str, Rates]) -> harness.Measurement:
    lead = {kind: rates["ours"] / rates[peer] for kind, rates in kinds.items() if peer in rates}
    kind = min(lead, key=lead.__getitem__, default=next(iter(kinds)))
    values = {name: kinds[kind][name] for name in ("ours", peer) if name in kinds[kind]}
    missing = {} if peer in values else {peer: _MISSING[peer]}
    figure = f"{_FIGURE} beside {peer}, at the least ({kind})"
    return interleaved_runs.row(figure, "1/s", values, GOALS[peer], missing=missing)
