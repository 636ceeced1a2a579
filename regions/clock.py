"""The wall clock, in Unix milliseconds, and one that nobody sets.

Code that needs the time takes it, or one of these functions, as an argument.
"""

import time


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def now_s() -> int:
    return now_ms() // 1000


def steady_ms() -> int:
    """Of any origin; never set back or forth, so that it measures how long something lasts."""
    return time.monotonic_ns() // 1_000_000
