"""Workers in processes of their own, which start to work at the same moment, and how much they did."""

import multiprocessing
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from threading import Barrier, BrokenBarrierError
from typing import Any, TypeVar

Result = TypeVar("Result")
Ready = Callable[[], object]

_ALL_READY_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Done:
    """How many a worker did, and how long it took."""

    count: int
    taken_s: float


def number_of(processes: int) -> str:
    return f"{processes} process" if processes == 1 else f"{processes} processes"


def repeated(step: Callable[[], int], within_s: float, clock_s: Callable[[], float] = time.perf_counter) -> Done:
    """Calls `step`, which returns how many it did, until the time is over or it did none.

    A step that is under way when the time is over counts. One that did none doesn't, nor does the time it took.
    """
    start_s, done = clock_s(), Done(0, 0.0)
    while done.taken_s < within_s and (count := step()):
        done = Done(done.count + count, clock_s() - start_s)
    return done


def per_second(parts: Iterable[Done]) -> float:
    """What all workers did together in a second. A worker that did nothing adds nothing."""
    return sum(part.count / part.taken_s for part in parts if part.count)


def run_at_once(work: Callable[..., Result], arguments: Sequence[tuple[Any, ...]]) -> list[Result]:
    """Calls `work(ready, *each)` for each of the arguments, in a process of its own; what they return, in order.

    `ready()` returns when all of them have called it, so that none works while another still starts. Raises what a
    worker raised.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(len(arguments), timeout=_ALL_READY_WITHIN_S)
    with ProcessPoolExecutor(len(arguments), context, initializer=_share, initargs=(barrier,)) as processes:
        running = [processes.submit(_call, work, each) for each in arguments]
        errors = [error for one in running if (error := one.exception()) is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, BrokenBarrierError)):
            raise error
        return [one.result() for one in running]


_barrier: Barrier
"""In a worker: a barrier can only be handed to a process when it starts."""


def _share(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


def _call(work: Callable[..., Result], arguments: tuple[Any, ...]) -> Result:
    try:
        return work(_barrier.wait, *arguments)
    except BaseException:
        # Otherwise the others would wait for this one.
        _barrier.abort()
        raise
