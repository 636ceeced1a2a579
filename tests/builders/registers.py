"""Does each read of one register see what may be there? Pure.

A register is what one key names: whether somebody likes a photo, whether a comment is there, whether somebody follows,
what somebody is called. All its reads and writes go to one home, so a client may expect of it that it is linearizable:
each operation takes effect at one moment between its invocation and its return.

The test of a read is a necessary condition, so that it never raises a false alarm. The value must come from a write
that can have taken effect last: there must be no *evidence* of another value that is surely later than this write and
surely earlier than the read. Evidence is every acknowledged write, and what every other read has seen.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.builders.history import Operation


@dataclass(frozen=True, slots=True)
class Write:
    """`until_s` is the last moment at which it may take effect; `certain` that it did so before it returned."""

    value: Any
    invoked_s: float
    returned_s: float
    until_s: float
    certain: bool
    by: Operation | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What an operation has seen of the register."""

    value: Any
    operation: Operation


@dataclass(frozen=True, slots=True)
class Stale:
    """A sight, and the evidence that it contradicts; None if nobody has ever written what it shows."""

    sight: Sight
    evidence: Write | None


def initial(value: Any) -> Write:
    return Write(value, -math.inf, -math.inf, -math.inf, certain=True)


def stale_sights(writes: Sequence[Write], sights: Sequence[Sight]) -> Iterable[Stale]:
    """`writes` has an `initial` one."""
    evidence = [write for write in writes if write.certain] + [_seen(sight) for sight in sights]
    for sight in sights:
        read = sight.operation
        sources = [one for one in writes if one.value == sight.value and one.invoked_s < read.returned_s]
        if not sources:
            yield Stale(sight, None)
            continue
        until_s = max(source.until_s for source in sources)
        others = [one for one in evidence if one.value != sight.value and one.returned_s < read.invoked_s]
        latest = max(others, key=lambda one: one.invoked_s, default=None)
        if latest is not None and latest.invoked_s > until_s:
            yield Stale(sight, latest)


def _seen(sight: Sight) -> Write:
    read = sight.operation
    return Write(sight.value, read.invoked_s, read.returned_s, read.returned_s, certain=True, by=read)
