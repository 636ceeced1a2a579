"""Leased numbers in Consul: a record for each number, changed by compare-and-set.

A record says who holds the number, from where on (`floor_ms`) and until when. It stays when the lease is over, since
the next holder's floor is where the last one's lease ended, whatever either's clock says. The floor grows with every
lease of a number, by which `renew` and `release` know whose turn it is.
"""

import json
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from regions.errors import Unavailable
from regions.stores.consul.connection import Connection, Entry
from regions.stores.settings import Lease, check_word

log = logging.getLogger(__name__)

# Each time that a compare-and-set fails, somebody else's has not.
_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Record:
    """A number's lease as it is kept. `version` is what the next change of it expects."""

    holder: str | None
    floor_ms: int
    until_ms: int
    version: int

    def is_of(self, lease: Lease) -> bool:
        return (self.holder, self.floor_ms) == (lease.holder, lease.floor_ms)


_NEVER_LEASED = Record(None, 0, 0, 0)


class ConsulLeases:
    """Safe to share between threads."""

    def __init__(self, connection: Connection, clock_ms: Callable[[], int]) -> None:
        self._connection, self._clock_ms = connection, clock_ms

    def lease(self, pool: str, holder: str, size: int, ttl_s: float) -> Lease:
        check_word(pool)
        for _ in range(_ROUNDS):
            records = self._records(pool)
            # Read after the records: waiting for them may take seconds.
            now_ms = self._clock_ms()
            free = [number for number in range(size) if _is_free(records.get(number, _NEVER_LEASED), now_ms)]
            if not free:
                raise Unavailable(f"all {size} numbers of {pool} are taken")
            # In any order: all who start at once would else want the same one.
            for number in random.sample(free, len(free)):
                ended = records.get(number) or _NEVER_LEASED
                taken = Record(holder, ended.until_ms, now_ms + round(ttl_s * 1000), ended.version)
                if self._change(pool, number, taken):
                    return Lease(pool, number, holder, taken.floor_ms, taken.until_ms)
        raise Unavailable(f"too many want a number of {pool} at once")

    def renew(self, lease: Lease, ttl_s: float) -> Lease | None:
        """Never shortens a lease, even where the clock has stepped back."""
        for _ in range(_ROUNDS):
            record, now_ms = self._record(lease), self._clock_ms()
            if record is None or not record.is_of(lease) or record.until_ms <= now_ms:
                return None
            renewed = replace(record, until_ms=max(record.until_ms, now_ms + round(ttl_s * 1000)))
            if self._change(lease.pool, lease.number, renewed):
                return replace(lease, until_ms=renewed.until_ms)
        raise Unavailable(f"number {lease.number} of {lease.pool} changes too fast")

    def release(self, lease: Lease, used_until_ms: int) -> None:
        """Does nothing where the lease has gone to someone else."""
        for _ in range(_ROUNDS):
            record = self._record(lease)
            if record is None or not record.is_of(lease):
                return
            until_ms = min(record.until_ms, max(used_until_ms, record.floor_ms + 1))
            if self._change(lease.pool, lease.number, replace(record, holder=None, until_ms=until_ms)):
                return
        raise Unavailable(f"number {lease.number} of {lease.pool} changes too fast")

    def taken(self, pool: str) -> int:
        check_word(pool)
        records, now_ms = self._records(pool), self._clock_ms()
        return sum(not _is_free(record, now_ms) for record in records.values())

    def _records(self, pool: str) -> dict[int, Record | None]:
        folder = f"leases/{pool}/"
        entries = ((entry.path.removeprefix(folder), entry) for entry in self._connection.under(folder))
        return {int(number): _record(entry) for number, entry in entries if number.isascii() and number.isdigit()}

    def _record(self, lease: Lease) -> Record | None:
        entry = self._connection.get(_path(lease.pool, lease.number))
        return _record(entry) if entry else None

    def _change(self, pool: str, number: int, record: Record) -> bool:
        told = {"holder": record.holder, "floor_ms": record.floor_ms, "until_ms": record.until_ms}
        return self._connection.put(_path(pool, number), json.dumps(told), expected_version=record.version)


def _path(pool: str, number: int) -> str:
    return f"leases/{pool}/{number}"


def _is_free(record: Record | None, now_ms: int) -> bool:
    return record is not None and record.until_ms <= now_ms


def _record(entry: Entry) -> Record | None:
    """None for what no lease is: until when its number is used can't be known, so that nobody may have it."""
    try:
        told = json.loads(entry.value)
        return Record(told["holder"], int(told["floor_ms"]), int(told["until_ms"]), entry.version)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        log.error("no record of a lease", extra={"path": entry.path})
        return None
