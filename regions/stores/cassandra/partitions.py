"""Which partition a row falls in, so that none grows without end, and in which order rows were written.

Only `TimeUuidGenerator` has state: it remembers the last time UUID. A list that is sorted by id is partitioned by
the year in which the id was made: a reader knows from the clock which years there are, and needs no index of them.
"""

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID
from zlib import crc32

from regions import ids
from regions.errors import NotFound

FIRST_YEAR = datetime.fromtimestamp(ids.EPOCH_MS / 1000, UTC).year
OUTBOX_SHARDS = 4
OUTBOX_MS = 60_000
EXPIRY_MS = 600_000
TOMBSTONES_PER_PARTITION = 5_000
"""So many tombstones lie in one partition."""

_DAY_MS = 86_400_000
# Between 1582, where UUIDs of version 1 begin, and 1970; in ticks of 100 ns.
_UNIX_TICKS = 0x01B21DD213814000
_TICKS_PER_MS = 10_000


def year_of(public_id: str) -> int:
    """The year an id was made in; the first year for what is no id."""
    try:
        at_ms = ids.parse(public_id[:1], public_id).at_ms
    except NotFound:
        return FIRST_YEAR
    return year_at(at_ms)


def years(now_ms: int) -> list[int]:
    """All years that ids were made in, newest first; another process's clock may be a day ahead."""
    return list(range(year_at(now_ms + _DAY_MS), FIRST_YEAR - 1, -1))


def shard_of(text: str) -> int:
    return crc32(text.encode()) % OUTBOX_SHARDS


def tombstone_partition(position: int) -> int:
    """Positions begin at 1."""
    return (position - 1) // TOMBSTONES_PER_PARTITION


class TimeUuidGenerator:
    """Time UUIDs (RFC 9562, version 1) that grow with each call, even when the clock steps back."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._last = 0
        # Not the machine's address: two processes on one machine, or a fork, must not draw the same UUID.
        self._node = random.SystemRandom().getrandbits(48) | 1 << 40
        self._lock = threading.Lock()

    def next(self) -> UUID:
        with self._lock:
            self._last = ticks = max(self._clock_ms() * _TICKS_PER_MS + _UNIX_TICKS, self._last + 1)
        low, middle, high = ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48 & 0xFFF | 0x1000
        return UUID(fields=(low, middle, high, 0x80, 0, self._node))


def time_uuid_ms(stamp: UUID) -> int:
    """When it was drawn, in Unix milliseconds."""
    return (stamp.time - _UNIX_TICKS) // _TICKS_PER_MS


def year_at(at_ms: int) -> int:
    """Unix milliseconds to the year, never before the first."""
    return max(FIRST_YEAR, datetime.fromtimestamp(at_ms / 1000, UTC).year)
