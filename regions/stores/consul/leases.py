"""Leased numbers in Consul: one record per number, changed by compare-and-set.

Every change reads the record, computes the new one, and writes it only if the key still has the version that was read
(its ModifyIndex). If two processes read the same record, Consul accepts the first write and refuses the second, and
the second process starts again with a fresh read. A refusal means that somebody else succeeded, so the processes
together make progress; after 20 refusals a caller gives up with Unavailable.

Holders run on different machines, whose clocks may differ. The record of a number stays when its lease has ended,
because the next lease needs its end: a lease's floor is where the lease before it ended, by the clock of that holder.
The holder makes ids only with times from its floor up to its own end. So the ids of two holders of one number never
overlap, even if their clocks differ.

The floor is also the epoch of the number. Every lease ends after its floor, so the next floor is higher. `renew` and
`release` compare holder and floor with the record. A process that lost its lease, and comes back while somebody else
has the number (perhaps a later process of the same name), therefore changes nothing.
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

_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Record:
    """A number's lease as it is stored; the next change expects `version`. `holder` is None after a release."""

    holder: str | None
    floor_ms: int
    until_ms: int
    version: int

    def belongs_to(self, lease: Lease) -> bool:
        """Whether this is still the same lease: holder and epoch."""
        return (self.holder, self.floor_ms) == (lease.holder, lease.floor_ms)


_NEVER_LEASED = Record(None, 0, 0, 0)


class ConsulLeases:
    """Safe to share between threads."""

    def __init__(self, connection: Connection, clock_ms: Callable[[], int]) -> None:
        self._connection, self._clock_ms = connection, clock_ms

    def lease(self, pool: str, holder: str, size: int, ttl_s: float) -> Lease:
        check_word(pool)
        for _ in range(_ATTEMPTS):
            records = self._records(pool)
            # Read after the records: waiting for them may take seconds.
            now_ms = self._clock_ms()
            free = [number for number in range(size) if _is_free(records.get(number, _NEVER_LEASED), now_ms)]
            if not free:
                raise Unavailable(f"all {size} numbers of {pool} are taken")
            # In random order: processes that start at once would otherwise all try the same number first.
            for number in random.sample(free, len(free)):
                ended = records.get(number) or _NEVER_LEASED
                taken = Record(holder, ended.until_ms, now_ms + round(ttl_s * 1000), ended.version)
                if self._change(pool, number, taken):
                    return Lease(pool, number, holder, taken.floor_ms, taken.until_ms)
        raise Unavailable(f"too many want a number of {pool} at once")

    def renew(self, lease: Lease, ttl_s: float) -> Lease | None:
        """Never shortens a lease, even if the clock was stepped back."""
        for _ in range(_ATTEMPTS):
            record, now_ms = self._record(lease), self._clock_ms()
            if record is None or not record.belongs_to(lease) or record.until_ms <= now_ms:
                return None
            renewed = replace(record, until_ms=max(record.until_ms, now_ms + round(ttl_s * 1000)))
            if self._change(lease.pool, lease.number, renewed):
                return replace(lease, until_ms=renewed.until_ms)
        raise Unavailable(f"number {lease.number} of {lease.pool} changes too fast")

    def release(self, lease: Lease, used_until_ms: int) -> None:
        """Does nothing if the number is somebody else's by now."""
        for _ in range(_ATTEMPTS):
            record = self._record(lease)
            if record is None or not record.belongs_to(lease):
                return
            # The lease ends where it was used until, and never later than it would have. It ends after its floor even
            # if no id was made, so that the next lease has a higher floor: otherwise both would be the same epoch.
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
        entries = ((entry.path.removeprefix(folder), entry) for entry in self._connection.list_under(folder))
        return {int(number): _record(entry) for number, entry in entries if number.isascii() and number.isdigit()}

    def _record(self, lease: Lease) -> Record | None:
        entry = self._connection.get(_path(lease.pool, lease.number))
        return _record(entry) if entry else None

    def _change(self, pool: str, number: int, record: Record) -> bool:
        value = {"holder": record.holder, "floor_ms": record.floor_ms, "until_ms": record.until_ms}
        return self._connection.put(_path(pool, number), json.dumps(value), expected_version=record.version)


def _path(pool: str, number: int) -> str:
    return f"leases/{pool}/{number}"


def _is_free(record: Record | None, now_ms: int) -> bool:
    return record is not None and record.until_ms <= now_ms


def _record(entry: Entry) -> Record | None:
    """None if the record is unreadable. The number then counts as taken: nobody knows until when ids were made with it,
    and a new holder might repeat them."""
    try:
        value = json.loads(entry.value)
        return Record(value["holder"], int(value["floor_ms"]), int(value["until_ms"]), entry.version)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        log.error("unreadable lease record", extra={"path": entry.path})
        return None
