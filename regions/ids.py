"""Ids: 63-bit Snowflakes that say when, in which region and by which process they were made.

Pure: the clock is an argument. Layout, high to low: 41 bits of milliseconds since 2026-01-01 UTC,
6 of region, 6 of process, 10 of sequence. In public an id is a letter and eleven base62 digits
(`p_` photo, `u_` user, `c_` comment); the width is fixed and the digits are in ASCII order, so that
ids of one kind sort as text by the time they were made.
"""

import threading
from collections.abc import Callable
from typing import NamedTuple

from regions.errors import LeaseLost, NotFound

EPOCH_MS = 1_767_225_600_000
REGION_BITS, PROCESS_BITS, SEQUENCE_BITS = 6, 6, 10
MAX_REGIONS, MAX_PROCESSES = 1 << REGION_BITS, 1 << PROCESS_BITS
_MAX_SEQUENCE = (1 << SEQUENCE_BITS) - 1
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUE = {digit: value for value, digit in enumerate(_DIGITS)}
_WIDTH = 11

PHOTO, USER, COMMENT = "p", "u", "c"


class Snowflake(NamedTuple):
    """An id taken apart. `at_ms` is Unix time in milliseconds."""

    at_ms: int
    region: int
    process: int
    sequence: int


def compose(flake: Snowflake) -> int:
    number = flake.at_ms - EPOCH_MS
    number = (number << REGION_BITS) | flake.region
    number = (number << PROCESS_BITS) | flake.process
    return (number << SEQUENCE_BITS) | flake.sequence


def take_apart(number: int) -> Snowflake:
    number, sequence = number >> SEQUENCE_BITS, number & _MAX_SEQUENCE
    number, process = number >> PROCESS_BITS, number & (MAX_PROCESSES - 1)
    number, region = number >> REGION_BITS, number & (MAX_REGIONS - 1)
    return Snowflake(number + EPOCH_MS, region, process, sequence)


def to_public(kind: str, number: int) -> str:
    digits = []
    for _ in range(_WIDTH):
        number, value = divmod(number, 62)
        digits.append(_DIGITS[value])
    return f"{kind}_{''.join(reversed(digits))}"


def to_number(kind: str, public: str) -> int:
    """Raises NotFound for anything that `to_public(kind, …)` could not have made."""
    digits = public[2:]
    if public[:2] != f"{kind}_" or len(digits) != _WIDTH or any(d not in _VALUE for d in digits):
        raise NotFound(f"{public[:40]!r} is not an id that starts with {kind}_")
    number = 0
    for digit in digits:
        number = number * 62 + _VALUE[digit]
    if number >= 1 << 63:
        raise NotFound(f"{public!r} is not an id of ours")
    return number


def parse(kind: str, public: str) -> Snowflake:
    """Raises NotFound if `public` is not an id of that kind."""
    return take_apart(to_number(kind, public))


class IdGenerator:
    """Makes ids that never repeat, whatever the clock does.

    Times in ids never go back: while the clock is behind the last id, that id's millisecond is used
    further, and a full millisecond borrows the next. No id carries a time at or after `limit_ms()`, up to
    which the process number is leased; the number's next holder starts there (`floor_ms`).
    """

    def __init__(
        self, region: int, process: int, floor_ms: int, limit_ms: Callable[[], int], clock_ms: Callable[[], int]
    ) -> None:
        self._region, self._process = region, process
        self._at_ms, self._sequence = floor_ms, -1
        self._limit_ms, self._clock_ms = limit_ms, clock_ms
        self._lock = threading.Lock()

    def next(self, kind: str) -> str:
        """Raises LeaseLost if the lease ends before this id's time."""
        with self._lock:
            at_ms, sequence = self._after(self._clock_ms())
            if at_ms >= self._limit_ms():
                raise LeaseLost("the lease on this process number has run out")
            self._at_ms, self._sequence = at_ms, sequence
            return to_public(kind, compose(Snowflake(at_ms, self._region, self._process, sequence)))

    @property
    def used_until_ms(self) -> int:
        """Every id so far carries an earlier time than this."""
        with self._lock:
            return self._at_ms + 1

    def _after(self, now_ms: int) -> tuple[int, int]:
        if now_ms > self._at_ms:
            return now_ms, 0
        if self._sequence < _MAX_SEQUENCE:
            return self._at_ms, self._sequence + 1
        return self._at_ms + 1, 0
