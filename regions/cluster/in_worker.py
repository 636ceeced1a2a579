"""What a task does in its worker's process before and after its own work: it says that it has begun, and is watched.

What watches is a thread of C, which needs no lock of Python's and no event loop. When it ends the process, it writes
where each Python thread was, and no data, to the standard error.
"""

import faulthandler
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from distributed import get_worker

BEGUN = "darkroom-begun"
"""Where tasks that need memory announce their keys: only they may be sent to a worker that is busy."""

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def run_watched(timeout_s: float, function: Callable[[Argument], Result], argument: Argument) -> Result:
    """What the function returns or raises. One at a time in a process, which ends if that takes longer."""
    # Not in a worker, there is nobody to tell.
    with suppress(ValueError):
        _announce()
    faulthandler.dump_traceback_later(timeout_s, exit=True)
    try:
        return function(argument)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _announce() -> None:
    worker = get_worker()
    key = worker.get_current_task()
    if worker.state.tasks[key].resource_restrictions:
        worker.log_event(BEGUN, key)
