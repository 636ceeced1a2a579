"""The tombstones of the Cassandra catalog in the order of their arrival: positions 1, 2, 3 … without a gap.

A process takes a position by a conditional insert at the one directly after the last that it sees taken. If another
process takes it first, the insert fails, and the process tries the next. So positions fill strictly upwards, and no
tombstone can appear later below a position that a reader has passed already.

The insert is not tied to the rest of the deletion. If a process dies after it, gets no response, or is so slow that the
janitor finishes the deletion too, the tombstone is listed twice. It is never left out.
"""

import threading

from regions.errors import Unavailable
from regions.records import Tombstone
from regions.stores.cassandra import columns
from regions.stores.cassandra.partitions import TOMBSTONES_PER_PARTITION, tombstone_partition
from regions.stores.cassandra.session import CassandraSession
from regions.stores.catalog import TombstoneEntry
from regions.waiting import attempts

_APPEND_WITHIN_S = 15.0
_LAST_POSITION = 1 << 62


class TombstoneLog:
    def __init__(self, session: CassandraSession) -> None:
        self._session = session
        # A position that is known to be taken, with all before it; this process searches upwards from here.
        self._taken = 0
        # One append at a time in each process, since competitors for one position make each other slow.
        self._appending = threading.Lock()

    def append(self, tombstone: Tombstone) -> None:
        """Raises Unavailable; the tombstone may have been appended nonetheless."""
        insert = (
            "INSERT INTO tombstones (partition, position, photo_id, owner_id, deleted_at) VALUES (?, ?, ?, ?, ?)"
            " IF NOT EXISTS"
        )
        values = tombstone.photo_id, tombstone.owner_id, tombstone.deleted_at_ms
        with self._appending:
            for _ in attempts(_APPEND_WITHIN_S, first_s=0.01, max_s=0.5):
                position = self._last() + 1
                if self._session.execute_conditional((insert, tombstone_partition(position), position, *values)):
                    self._taken = position
                    return
        raise Unavailable("too many photos are being deleted at once")

    def after(self, position: int, limit: int) -> list[TombstoneEntry]:
        """Ends before a position that is not visible yet, and never steps over it."""
        position = min(max(position, 0), _LAST_POSITION)
        query = (
            f"SELECT position, photo_id, {columns.TOMBSTONE} FROM tombstones"
            " WHERE partition = ? AND position > ? LIMIT ?"
        )
        found: list[TombstoneEntry] = []
        while len(found) < limit:
            rows = self._session.execute(query, tombstone_partition(position + 1), position, limit - len(found))
            for taken, photo_id, *values in rows:
                tombstone = columns.to_tombstone(photo_id, values)
                if taken != position + 1 or tombstone is None:
                    return found
                found.append(TombstoneEntry(taken, tombstone))
                position = taken
            if not rows or position % TOMBSTONES_PER_PARTITION:
                break
        return found

    def _last(self) -> int:
        """The last position that is taken. Searches upwards from the last one that this process knew: few reads."""
        partition = tombstone_partition(self._taken + 1)
        last = self._last_in(partition)
        if last == (partition + 1) * TOMBSTONES_PER_PARTITION:
            last = self._last_in(self._first_not_full(partition + 1))
        self._taken = max(self._taken, last)
        return self._taken

    def _last_in(self, partition: int) -> int:
        """The last position taken in the partition, or the one before its first; all partitions before it are full."""
        query = "SELECT position FROM tombstones WHERE partition = ? ORDER BY position DESC LIMIT 1"
        rows = self._session.execute(query, partition)
        return int(rows[0][0]) if rows else partition * TOMBSTONES_PER_PARTITION

    def _first_not_full(self, partition: int) -> int:
        """The partition that the next position falls in, from `partition` on: all before it are full.

        An exponential search: steps double until one lands on a partition that is not full, then halve back to it.
        """
        step = 1
        while self._is_full(partition + step - 1):
            partition, step = partition + step, step * 2
        while step > 1:
            step //= 2
            if self._is_full(partition + step - 1):
                partition += step
        return partition

    def _is_full(self, partition: int) -> bool:
        query = "SELECT position FROM tombstones WHERE partition = ? AND position = ?"
        return bool(self._session.execute(query, partition, (partition + 1) * TOMBSTONES_PER_PARTITION))
