"""Ids: 63-bit Snowflakes that contain when, in which region and by which process they were made.

Layout, high bits first: 41 bits of milliseconds since 2026-01-01 UTC, 6 of region, 10 of process, 6 of sequence.
The API shows an id as a letter, `_` and eleven base62 digits (`p_` photo, `u_` user, `c_` comment). The width is fixed
and the digits are in ASCII order, so ids of one kind sort as text by the time they were made.

Pure: the clock is an argument.
"""

import threading
from collections.abc import Callable
from typing import NamedTuple

from regions.errors import LeaseLost, NotFound

EPOCH_MS = 1_767_225_600_000
REGION_BITS, PROCESS_BITS, SEQUENCE_BITS = 6, 10, 6
MAX_REGIONS, MAX_PROCESSES = 1 << REGION_BITS, 1 << PROCESS_BITS
_MAX_SEQUENCE = (1 << SEQUENCE_BITS) - 1
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUE = {digit: value for value, digit in enumerate(_DIGITS)}
_WIDTH = 11

PHOTO, USER, COMMENT = "p", "u", "c"


class Snowflake(NamedTuple):
    """The four parts of an id. `at_ms` is Unix time in milliseconds."""

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
    """The inverse of `to_public`. Raises NotFound for any text that `to_public` can't return for this kind."""
    digits = public[2:]
    if public[:2] != f"{kind}_" or len(digits) != _WIDTH or any(d not in _VALUE for d in digits):
        raise NotFound(f"{public[:40]!r} is not a valid id of the form {kind}_…")
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
    """Makes ids that never repeat, even if the clock is stepped back. Safe to share between threads.

    Times in ids never decrease. While the clock is at or behind the time of the last id, the next id has the same
    millisecond and the next sequence number. After 64 ids in one millisecond, the next millisecond is used early.

    No id has a time at or after `limit_ms()`, the end of the lease on the process number. The number's next holder
    starts at a `floor_ms` that is not before that end, so its ids are different.
    """

    def __init__(
        self, region: int, process: int, floor_ms: int, limit_ms: Callable[[], int], clock_ms: Callable[[], int]
    ) -> None:
        self._region, self._process = region, process
        self._at_ms, self._sequence = floor_ms, -1
        self._limit_ms, self._clock_ms = limit_ms, clock_ms
        self._lock = threading.Lock()

    def next(self, kind: str) -> str:
        """A new id of that kind. Raises LeaseLost if the lease has ended, or its milliseconds are used up."""
        with self._lock:
            at_ms, sequence = self._after(self._clock_ms())
            if at_ms >= self._limit_ms():
                raise LeaseLost("the lease on this process number has run out")
            self._at_ms, self._sequence = at_ms, sequence
            return to_public(kind, compose(Snowflake(at_ms, self._region, self._process, sequence)))

    @property
    def used_until_ms(self) -> int:
        """The time of every id so far is before this."""
        with self._lock:
            return self._at_ms + 1

    def _after(self, now_ms: int) -> tuple[int, int]:
        if now_ms > self._at_ms:
            return now_ms, 0
        if self._sequence < _MAX_SEQUENCE:
            return self._at_ms, self._sequence + 1
        return self._at_ms + 1, 0
