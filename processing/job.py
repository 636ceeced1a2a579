"""The photo job: one raw in, four variants out, as a list of steps in order. Runs in a Dask worker.

Each step takes the work so far and adds to it, or refuses the photo. After each, the deadline is looked at.
The job writes variants and nothing else; what becomes of the photo is its caller's to record. Running it
twice writes the same bytes twice.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from processing import fingerprints, imaging, moderation
from regions.config import Config, open_objects
from regions.errors import NotFound, TopologyError, Unavailable
from regions.image_limits import MAX_RAW_BYTES
from regions.records import Reason, Status, Variant
from regions.stores.objects import IMMUTABLE, RAW, VARIANTS, Objects, raw_key, variant_key

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a job is told: plain values that travel to any worker. `sha256` is what the client said, if anything."""

    config: Config
    region: str
    photo_id: str
    size_bytes: int
    sha256: str | None
    known_bad: moderation.KnownBad
    budget_s: float


@dataclass(frozen=True, slots=True)
class Ready:
    """What was found, when all variants lie in objects."""

    content_type: str
    width: int
    height: int
    sha256: str
    taken_at: str | None
    camera: str | None
    perceptual_hash: str
    variants: tuple[Variant, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """The photo is `failed` or `rejected`. Variants may lie in objects all the same, if time ran out."""

    status: Status
    reason: Reason


Outcome = Ready | Rejected


@dataclass(slots=True)
class Work:
    """A job under way: what the steps have found so far."""

    request: JobRequest
    objects: Objects
    data: bytes = b""
    sha256: str = ""
    content_type: str = ""
    header: imaging.Header | None = None
    master: imaging.Master | None = None
    perceptual_hash: str = ""
    renderings: list[imaging.Rendering] = field(default_factory=list)
    variants: list[Variant] = field(default_factory=list)


Step = Callable[[Work], None]


class KnownBadImage(imaging.InvalidImage):
    def __init__(self) -> None:
        super().__init__("known-bad", "the photo is one that may not be shown")


def fetch(work: Work) -> None:
    """Holds at most one byte more than the photo is said to have."""
    most = min(work.request.size_bytes, MAX_RAW_BYTES)
    chunks, size_bytes = [], 0
    try:
        with work.objects.open(RAW, raw_key(work.request.photo_id)) as arriving:
            for chunk in arriving:
                size_bytes += len(chunk)
                if size_bytes > most:
                    raise imaging.InvalidImage("size-mismatch", f"more than the {most} bytes announced have arrived")
                chunks.append(chunk)
    except NotFound:
        raise imaging.InvalidImage("raw-missing", "the photo's bytes are not in the store") from None
    if size_bytes != work.request.size_bytes:
        raise imaging.InvalidImage("size-mismatch", f"{size_bytes} bytes have arrived, not {work.request.size_bytes}")
    work.data = b"".join(chunks)


def check_sum(work: Work) -> None:
    work.sha256 = fingerprints.sha256(work.data)
    if work.request.sha256 not in (None, work.sha256):
        raise imaging.InvalidImage("checksum-mismatch", f"the bytes that arrived have the SHA-256 {work.sha256}")


def recognise(work: Work) -> None:
    work.content_type = imaging.content_type(work.data)


def read_header(work: Work) -> None:
    work.header = imaging.read_header(work.data, work.content_type)


def decode(work: Work) -> None:
    work.master = imaging.decode(work.data, _had(work.header))
    work.data = b""


def fingerprint(work: Work) -> None:
    work.perceptual_hash = fingerprints.perceptual_hash(imaging.grey(_had(work.master)))


def judge(work: Work) -> None:
    if moderation.is_known_bad(work.request.known_bad, work.sha256, work.perceptual_hash):
        raise KnownBadImage


def render(work: Work) -> None:
    work.renderings = imaging.render(_had(work.master))


def store(work: Work) -> None:
    for rendering in work.renderings:
        data, digest = rendering.data, fingerprints.sha256(rendering.data)
        key = variant_key(work.request.photo_id, rendering.size)
        work.objects.put(VARIANTS, key, [data], digest, imaging.JPEG, IMMUTABLE)
        work.variants.append(Variant(rendering.size, rendering.width, rendering.height, len(data), digest))


STEPS: Sequence[Step] = (fetch, check_sum, recognise, read_header, decode, fingerprint, judge, render, store)


def run(request: JobRequest) -> Outcome:
    """The whole job. Raises what the store raises (`Unavailable` where it is away)."""
    return run_steps(Work(request, _opened(request.config, request.region)), STEPS, time.monotonic)


def run_steps(work: Work, steps: Sequence[Step], clock_s: Callable[[], float]) -> Outcome:
    """`clock_s` never goes back. A photo whose time is up is declined even if its last step is done."""
    deadline_s = clock_s() + work.request.budget_s
    try:
        for step in steps:
            step(work)
            if clock_s() > deadline_s:
                raise imaging.InvalidImage("timed-out", f"the photo took longer than {work.request.budget_s:g} s")
    except KnownBadImage as refused:
        return Rejected(Status.REJECTED, Reason(refused.code, refused.detail))
    except imaging.InvalidImage as refused:
        return Rejected(Status.FAILED, Reason(refused.code, refused.detail))
    return _ready(work, _had(work.header))


def _ready(work: Work, header: imaging.Header) -> Ready:
    return Ready(
        content_type=work.content_type,
        width=header.width,
        height=header.height,
        sha256=work.sha256,
        taken_at=header.taken_at,
        camera=header.camera,
        perceptual_hash=work.perceptual_hash,
        variants=tuple(work.variants),
    )


def _had(found: _Found | None) -> _Found:
    """What an earlier step was to find."""
    if found is None:
        raise TypeError("a step ran before the one that it builds on")
    return found


_stores: dict[tuple[str, Path], Objects] = {}


def _opened(config: Config, region: str) -> Objects:
    """The region's objects, opened once a process. A worker without its secrets is no photo's fault: Unavailable."""
    which = (config.topology.regions[region].objects, config.secrets)
    if which not in _stores:
        try:
            _stores[which] = open_objects(config, region)
        except TopologyError as error:
            raise Unavailable(f"this worker can't open the objects of {region}: {error}") from error
    return _stores[which]
