"""The wall clock, in the unit everything here uses. Passed as an argument to code that needs the time."""

import time


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def now_s() -> int:
    return now_ms() // 1000
