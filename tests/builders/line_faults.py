"""Pure: what a line between two regions does to the bytes on it, and at which byte a fault strikes.

`fault_proxy` is such a line. A fault is of one direction: requests pass and responses don't if the responses stall.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from random import Random
from typing import Any, NamedTuple

_PIECE_BYTES = 1 << 18
_LEAST_PIECE_BYTES = 1 << 10
_CAPPED_PIECE_S = 0.02
_SPELL_S = (0.1, 3.0)
_FAR_ROUND_TRIP_S = 0.08
_SLOW_BYTES_PER_S = (20_000, 2_000_000)
_MOST_AFTER_BYTES = 1_000_000


class FaultKind(StrEnum):
    RESET = "reset"
    """Both ends get a RST. After 0 bytes: every connection at once, also one that is idle or new."""
    STALL = "stall"
    """Nothing more passes, not even an end, until the fault is over; what was held back then goes on."""
    TRUNCATE = "truncate"
    """The receiver gets a clean end (FIN); what the sender sends after it is swallowed."""
    CORRUPT = "corrupt"
    """One bit is flipped, once a connection or, in bodies, once a message."""


@dataclass(frozen=True, slots=True)
class LineFault:
    """Strikes each connection, after so many bytes since it was opened or the fault began, whichever was later.

    `in_body`: strikes each HTTP message instead, after so many bytes of its body, and none whose body is not longer.
    """

    kind: FaultKind
    after_bytes: int = 0
    in_body: bool = False


@dataclass(frozen=True, slots=True)
class OneDirection:
    """`bytes_per_s` is shared by all connections; None is as fast as it can be."""

    delay_s: float = 0.0
    bytes_per_s: float | None = None
    fault: LineFault | None = None

    @property
    def piece_bytes(self) -> int:
        """How much may go at once, so that a slow line sends smoothly."""
        if self.bytes_per_s is None:
            return _PIECE_BYTES
        return min(_PIECE_BYTES, max(_LEAST_PIECE_BYTES, int(self.bytes_per_s * _CAPPED_PIECE_S)))


@dataclass(frozen=True, slots=True)
class Line:
    requests: OneDirection = OneDirection()
    responses: OneDirection = OneDirection()

    def struck(self, *, requests: LineFault | None = None, responses: LineFault | None = None) -> "Line":
        """This line with these faults, and no others."""
        return Line(replace(self.requests, fault=requests), replace(self.responses, fault=responses))


HEALTHY = Line()


def distant(round_trip_s: float, bytes_per_s: float | None = None) -> Line:
    each = OneDirection(round_trip_s / 2, bytes_per_s)
    return Line(each, each)


def to_text(line: Line) -> str:
    """One line of JSON."""
    return json.dumps(asdict(line))


def from_text(text: str) -> Line:
    document = json.loads(text)
    return Line(_direction(document["requests"]), _direction(document["responses"]))


def _direction(document: Mapping[str, Any]) -> OneDirection:
    fault = document["fault"]
    parsed = LineFault(**{**fault, "kind": FaultKind(fault["kind"])}) if fault else None
    return OneDirection(**{**document, "fault": parsed})


class BodyPart(NamedTuple):
    """Part of a body: bytes `start` to `end` of a piece, the first of which is number `offset` of the body."""

    start: int
    end: int
    offset: int
    message: int


class Aim:
    """Finds the bytes of one direction of one connection that a fault strikes."""

    def __init__(self, fault: LineFault | None) -> None:
        self.fault = fault
        self._passed_bytes = 0
        self._has_struck = False
        self._last_message = -1

    @property
    def holds_all(self) -> bool:
        """Nothing may pass from here on, not even an end."""
        if self.fault is None or self.fault.kind is not FaultKind.STALL:
            return False
        return self._has_struck or (self.fault.after_bytes == 0 and not self.fault.in_body)

    def next_hit(self, start: int, end: int, bodies: Sequence[BodyPart]) -> int | None:
        """The first byte of `start` to `end` of a piece that is struck; None if all of them pass. Ask in order."""
        if self.fault is None:
            return None
        hit = self._hit_in_body(start, end, bodies) if self.fault.in_body else self._hit_at_all(start, end)
        self._has_struck |= hit is not None
        self._passed_bytes += (end if hit is None else hit) - start
        return hit

    def _hit_at_all(self, start: int, end: int) -> int | None:
        assert self.fault is not None
        at = start + self.fault.after_bytes - self._passed_bytes
        return at if not self._has_struck and at < end else None

    def _hit_in_body(self, start: int, end: int, bodies: Sequence[BodyPart]) -> int | None:
        assert self.fault is not None
        for span in bodies:
            at = max(start, span.start, span.start + self.fault.after_bytes - span.offset)
            if at < min(end, span.end) and span.message != self._last_message:
                self._last_message = span.message
                return at
        return None


class Spell(NamedTuple):
    """A line, and for how long it is like that."""

    name: str
    line: Line
    lasts_s: float


def random_faults(seed: int, usual: Line = HEALTHY) -> Iterator[Spell]:
    """Spells without end, each worse than the `usual` line in one way; every way comes once before one comes again."""
    dice = Random(seed)
    while True:
        for name in dice.sample(sorted(_SPELLS), len(_SPELLS)):
            yield Spell(name, _SPELLS[name](dice, usual), dice.uniform(*_SPELL_S))


def _far(dice: Random, usual: Line) -> Line:
    return Line(
        replace(usual.requests, delay_s=_FAR_ROUND_TRIP_S / 2), replace(usual.responses, delay_s=_FAR_ROUND_TRIP_S / 2)
    )


def _slow(dice: Random, usual: Line) -> Line:
    rate = dice.uniform(*_SLOW_BYTES_PER_S)
    return Line(replace(usual.requests, bytes_per_s=rate), replace(usual.responses, bytes_per_s=rate))


def _one_way(dice: Random, usual: Line) -> Line:
    return _in_some_direction(dice, usual, LineFault(FaultKind.STALL))


def _stalled(dice: Random, usual: Line) -> Line:
    fault = LineFault(FaultKind.STALL, _after_bytes(dice))
    return usual.struck(requests=fault, responses=fault)


def _reset(dice: Random, usual: Line) -> Line:
    return _in_some_direction(dice, usual, LineFault(FaultKind.RESET, _after_bytes(dice)))


def _truncated(dice: Random, usual: Line) -> Line:
    return _in_some_direction(dice, usual, LineFault(FaultKind.TRUNCATE, _after_bytes(dice), dice.random() < 0.7))


def _corrupt(dice: Random, usual: Line) -> Line:
    """In bodies only: whether a head is still one when a bit of it is flipped is up to HTTP, which has no checksum."""
    return _in_some_direction(dice, usual, LineFault(FaultKind.CORRUPT, _after_bytes(dice), in_body=True))


_SPELLS = {
    "far": _far,
    "slow": _slow,
    "one way": _one_way,
    "stalled": _stalled,
    "reset": _reset,
    "truncated": _truncated,
    "corrupt": _corrupt,
}


def _in_some_direction(dice: Random, usual: Line, fault: LineFault) -> Line:
    return usual.struck(requests=fault) if dice.random() < 0.5 else usual.struck(responses=fault)


def _after_bytes(dice: Random) -> int:
    """Often 0, and as often tens of bytes as tens of thousands."""
    return 0 if dice.random() < 0.3 else int(_MOST_AFTER_BYTES ** dice.random())
