"""What ends a worker's process when its task hangs: a thread of C, which needs no lock of Python's and no event loop.

It writes where each Python thread was, and no data, to the process's standard error.
"""

import faulthandler
from collections.abc import Callable
from typing import TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def run_within(timeout_s: float, function: Callable[[Argument], Result], argument: Argument) -> Result:
    """What the function returns or raises. One at a time in a process, which ends if that takes longer."""
    faulthandler.dump_traceback_later(timeout_s, exit=True)
    try:
        return function(argument)
    finally:
        faulthandler.cancel_dump_traceback_later()
