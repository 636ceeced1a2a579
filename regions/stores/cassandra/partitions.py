"""Which partition a row falls in, so that none grows without bound, and time UUIDs for the order of writing.

A list that is sorted by id is partitioned by the year in which the id was made: a reader knows from the clock which
years there are, and needs no index of them. Only `TimeUuidGenerator` has state: it remembers the last time UUID.
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
"""The intents of one minute, in each shard, are one partition of the outbox."""
EXPIRY_BUCKET_MS, EXPIRY_MINUTE_MS = 600_000, 60_000
TOMBSTONES_PER_PARTITION = 5_000

_DAY_MS = 86_400_000
# RFC 9562 counts the time of a UUID of version 1 in units of 100 ns since 1582-10-15: so many are before 1970.
_UNIX_EPOCH_100NS = 0x01B21DD213814000
_100NS_PER_MS = 10_000


def partition_year(public_id: str) -> int:
    """The year an id was made in; the first year if the text is not an id."""
    try:
        at_ms = ids.parse(public_id[:1], public_id).at_ms
    except NotFound:
        return FIRST_YEAR
    return year_at(at_ms)


def years(now_ms: int) -> list[int]:
    """All years in which ids may have been made, newest first; another process's clock may be a day ahead."""
    return list(range(year_at(now_ms + _DAY_MS), FIRST_YEAR - 1, -1))


def shard_of(text: str, shards: int = OUTBOX_SHARDS) -> int:
    return crc32(text.encode()) % shards


def tombstone_partition(position: int) -> int:
    """Of one chain; positions start at 1."""
    return (position - 1) // TOMBSTONES_PER_PARTITION


def last_position_in(partition: int) -> int:
    """The highest position that falls in the partition of a chain."""
    return (partition + 1) * TOMBSTONES_PER_PARTITION


class TimeUuidGenerator:
    """Time UUIDs (RFC 9562, version 1) that grow with each call, even when the clock steps back."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._last = 0
        # Not the machine's address: two processes on one machine, or a fork, must not generate the same UUID.
        self._node = random.SystemRandom().getrandbits(48) | 1 << 40
        self._lock = threading.Lock()

    def next(self) -> UUID:
        with self._lock:
            self._last = units = max(self._clock_ms() * _100NS_PER_MS + _UNIX_EPOCH_100NS, self._last + 1)
        low, middle, high = units & 0xFFFFFFFF, units >> 32 & 0xFFFF, units >> 48 & 0xFFF | 0x1000
        return UUID(fields=(low, middle, high, 0x80, 0, self._node))


def time_uuid_ms(time_uuid: UUID) -> int:
    """When it was generated, in Unix milliseconds."""
    return (time_uuid.time - _UNIX_EPOCH_100NS) // _100NS_PER_MS


def year_at(at_ms: int) -> int:
    """The year of a Unix time in milliseconds, but never before the first."""
    return max(FIRST_YEAR, datetime.fromtimestamp(at_ms / 1000, UTC).year)
