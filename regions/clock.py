"""The wall clock, in Unix milliseconds. Code that needs the time takes it, or this function, as an argument."""

import time


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def now_s() -> int:
    return now_ms() // 1000
