"""The photo job: one raw in, four variants out, as a list of steps in order. Runs in a Dask worker.

Each step adds its result to `Work`, or raises `InvalidImage`. After each step it is checked how much of the job's time
is left, without what the store took: a slow store is no fault of the photo. The job writes variants and nothing else;
its caller records the outcome in the catalog. A job that runs twice, also at the same time, writes the same bytes.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from processing import fingerprints, memory, moderation, placeholder, worker
from processing.formats.facts import InvalidImage
from processing.imaging import header, master, recipe, variants
from processing.imaging.header import Header
from processing.imaging.master import Master
from processing.imaging.variants import Pictures, Rendering
from regions.cluster.in_worker import run_watched
from regions.errors import NotFound, Unavailable
from regions.image_limits import MAX_PIXELS, MAX_RAW_BYTES
from regions.records import Location, Reason, Status, Variant
from regions.stores.objects import IMMUTABLE, RAW, VARIANTS, Objects, raw_key, variant_key
from regions.variant_names import CONTENT_TYPES

_Value = TypeVar("_Value")

_AGAIN = "upload the photo again"


@dataclass(frozen=True, slots=True)
class JobRequest:
    """The input of a job: plain values that can be sent to any worker, which has its own configuration and secrets.

    `size_bytes` is the size that the client announced, `sha256` the hash that it claimed, if any; `known_bad_version`
    names the list that the photo is moderated by; `budget_s` is how long the steps may take that do not wait for the
    store; reading the raw and writing the variants may take as long each.
    """

    region: str
    photo_id: str
    size_bytes: int
    sha256: str | None
    budget_s: float
    known_bad_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """`step_s` are the seconds that each step took, in order; outcomes that differ in it only are equal."""

    step_s: Mapping[str, float] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Ready(Measured):
    """All variants are stored. The fields describe the raw; `width` and `height` are those of the upright picture.

    `perceptual_hash` is None if the picture has too little detail for one.
    """

    content_type: str
    width: int
    height: int
    sha256: str
    taken_at: str | None
    camera: str | None
    location: Location | None
    perceptual_hash: str | None
    placeholder: str
    variants: tuple[Variant, ...]
    recipe: int


@dataclass(frozen=True, slots=True)
class Rejected(Measured):
    """The photo is `failed` or `rejected`. If time ran out, some or all of its variants may be stored nevertheless."""

    status: Status
    reason: Reason


@dataclass(frozen=True, slots=True)
class NeedsMemory(Measured):
    """Nothing is decoded yet: that needs a worker with a limit of at least so much."""

    memory_bytes: int


Final = Ready | Rejected
Outcome = Final | NeedsMemory


@dataclass(slots=True)
class Work:
    """A job in progress: the results of the steps so far. `memory_bytes` is the limit of this worker, if it has one.

    `clock_s` never goes back.
    """

    request: JobRequest
    objects: Objects
    known_bad: moderation.KnownBad
    clock_s: Callable[[], float] = time.monotonic
    memory_bytes: int | None = None
    max_pixels: int = MAX_PIXELS
    data: bytes = b""
    sha256: str = ""
    header: Header | None = None
    master: Master | None = None
    pictures: Pictures = field(default_factory=dict)
    perceptual_hash: str | None = None
    placeholder: str = ""
    renderings: list[Rendering] = field(default_factory=list)
    variants: list[Variant] = field(default_factory=list)


Step = Callable[[Work], None]


class NeedsMoreMemory(Exception):
    def __init__(self, memory_bytes: int) -> None:
        super().__init__(memory_bytes)
        self.memory_bytes = memory_bytes


class KnownBadImage(InvalidImage):
    def __init__(self) -> None:
        super().__init__("known-bad", "the photo is on the list of photos that may not be shown")


def fetch(work: Work) -> None:
    """Stops reading as soon as there is more than the announced size, so an endless object can't fill the memory.

    Raises Unavailable if the store is too slow.
    """
    max_bytes = min(work.request.size_bytes, MAX_RAW_BYTES)
    deadline_s = work.clock_s() + work.request.budget_s
    chunks, size_bytes = [], 0
    try:
        with work.objects.open(RAW, raw_key(work.request.photo_id)) as source:
            for chunk in source:
                size_bytes += len(chunk)
                if size_bytes > max_bytes:
                    raise InvalidImage("size-mismatch", f"more than {max_bytes} bytes have arrived; {_AGAIN}")
                chunks.append(chunk)
                if work.clock_s() > deadline_s:
                    raise Unavailable(f"the store has given {size_bytes} bytes in {work.request.budget_s:g} s")
    except NotFound:
        raise InvalidImage("raw-missing", f"the photo's bytes are not in the store; {_AGAIN}") from None
    if size_bytes != work.request.size_bytes:
        raise InvalidImage("size-mismatch", f"{size_bytes} bytes have arrived, not {work.request.size_bytes}; {_AGAIN}")
    work.data = b"".join(chunks)


def verify_checksum(work: Work) -> None:
    work.sha256 = fingerprints.sha256(work.data)
    if work.request.sha256 not in (None, work.sha256):
        raise InvalidImage("checksum-mismatch", f"the bytes that arrived have the SHA-256 {work.sha256}; {_AGAIN}")


def read_header(work: Work) -> None:
    work.header = header.read_header(work.data, work.max_pixels)
    work.data = b""


def check_memory(work: Work) -> None:
    """A worker that goes over its limit is killed, so the photo goes to a larger one before that."""
    read = _result(work.header)
    needed_bytes = memory.estimate_bytes(read.content_type, read.width, read.height)
    if work.memory_bytes is not None and needed_bytes > work.memory_bytes:
        raise NeedsMoreMemory(needed_bytes)


def decode(work: Work) -> None:
    work.master = master.decode(_result(work.header))
    work.header = replace(_result(work.header), stream=b"")


def scale(work: Work) -> None:
    work.pictures = variants.scale(_result(work.master))


def fingerprint(work: Work) -> None:
    work.perceptual_hash = fingerprints.perceptual_hash(variants.grey(work.pictures))


def moderate(work: Work) -> None:
    if moderation.is_known_bad(work.known_bad, work.sha256, work.perceptual_hash):
        raise KnownBadImage


def render(work: Work) -> None:
    work.renderings = variants.render(work.pictures)


def draw_placeholder(work: Work) -> None:
    work.placeholder = placeholder.thumbhash(np.asarray(work.pictures[min(work.pictures)]))


def store(work: Work) -> None:
    """Raises Unavailable if the store is too slow."""
    deadline_s = work.clock_s() + work.request.budget_s
    for rendering in work.renderings:
        if work.clock_s() > deadline_s:
            raise Unavailable(f"the store has not taken the variants in {work.request.budget_s:g} s")
        data, digest = rendering.data, fingerprints.sha256(rendering.data)
        variant = Variant(rendering.size, rendering.width, rendering.height, len(data), digest, recipe.RECIPE)
        key = variant_key(work.request.photo_id, variant.name)
        work.objects.put(VARIANTS, key, [data], digest, CONTENT_TYPES[variant.format], IMMUTABLE)
        work.variants.append(variant)


STEPS: Sequence[Step] = (
    fetch, verify_checksum, read_header, check_memory, decode, scale, fingerprint, moderate, render, draw_placeholder,
    store,
)  # fmt: skip
_WAIT_FOR_STORE = (fetch.__name__, store.__name__)


HANGS_AFTER = 4
"""Budgets. Reading, the job's own work and writing end themselves after one each; what goes on then hangs."""


def run(request: JobRequest) -> Outcome:
    """The whole job. Raises Unavailable if the store or the known-bad list can't be reached, or is too slow."""
    return run_watched(HANGS_AFTER * request.budget_s, _run, request)


def _run(request: JobRequest) -> Outcome:
    here = worker.current()
    # Before anything else: without the list, whatever was done for the photo would be done again.
    known_bad = here.known_bad.get(request.region, request.known_bad_version)
    objects, max_pixels = here.objects(request.region), here.max_pixels(request.region)
    work = Work(request, objects, known_bad, memory_bytes=here.memory_bytes, max_pixels=max_pixels)
    return run_steps(work, STEPS)


def run_steps(work: Work, steps: Sequence[Step]) -> Outcome:
    """A photo whose time has run out is rejected even if its last step is done."""
    step_s: dict[str, float] = {}
    return replace(_outcome(work, steps, step_s), step_s=step_s)


def _outcome(work: Work, steps: Sequence[Step], step_s: dict[str, float]) -> Outcome:
    """Writes into `step_s` how long each step took, also one that failed."""
    try:
        for step in steps:
            begun_s = work.clock_s()
            try:
                step(work)
            finally:
                step_s[step.__name__] = work.clock_s() - begun_s
            if sum(took_s for name, took_s in step_s.items() if name not in _WAIT_FOR_STORE) > work.request.budget_s:
                raise InvalidImage(
                    "timed-out",
                    f"the photo took longer than {work.request.budget_s:g} s; save it as a small JPEG and upload that",
                )
    except NeedsMoreMemory as error:
        return NeedsMemory(error.memory_bytes)
    except InvalidImage as error:
        status = Status.REJECTED if isinstance(error, KnownBadImage) else Status.FAILED
        return Rejected(status, Reason(error.code, error.detail))
    read = _result(work.header)
    return Ready(
        content_type=read.content_type,
        width=read.width,
        height=read.height,
        sha256=work.sha256,
        taken_at=read.taken_at,
        camera=read.camera,
        location=read.location,
        perceptual_hash=work.perceptual_hash,
        placeholder=work.placeholder,
        variants=tuple(work.variants),
        recipe=recipe.RECIPE,
    )


def _result(value: _Value | None) -> _Value:
    """The result of an earlier step, which must be there if the steps run in order."""
    if value is None:
        raise TypeError("a step ran before the one whose result it needs")
    return value
