"""The tombstones of the Cassandra catalog in the order of their arrival: positions 1, 2, 3 … without a gap.

A position is taken by a conditional insert right behind the last one that is seen to be taken, so that nobody can
appear later behind a position that was read already. A process that dies while it places a tombstone may leave it
to be placed twice; it is never left out.
"""

import threading
import time
from random import random

from regions.errors import Unavailable
from regions.retry import backoff_s
from regions.stores.cassandra.partitions import TOMBSTONES_PER_PARTITION, tombstone_partition
from regions.stores.cassandra.session import CassandraSession

_PLACE_S = 15.0
_LAST_POSITION = 1 << 62


class TombstoneLog:
    def __init__(self, session: CassandraSession) -> None:
        self._session = session
        # Taken for certain; where this process looks on from.
        self._taken = 0
        # One at a time of each process, since rivals for one position make each other slow.
        self._placing = threading.Lock()

    def place(self, record: str) -> None:
        """Raises Unavailable; the tombstone may be placed nonetheless."""
        insert = "INSERT INTO tombstones (bucket, position, record) VALUES (?, ?, ?) IF NOT EXISTS"
        attempt, deadline_s = 0, time.monotonic() + _PLACE_S
        with self._placing:
            while time.monotonic() < deadline_s:
                position = self._last() + 1
                if self._session.decide((insert, tombstone_partition(position), position, record)):
                    self._taken = position
                    return
                time.sleep(backoff_s(attempt, random, first_s=0.01, most_s=0.5))
                attempt += 1
        raise Unavailable("too many photos are being deleted at once")

    def after(self, position: int, limit: int) -> list[tuple[int, str]]:
        """Positions and records. Ends before a position that is not visible yet, and never steps over it."""
        position = min(max(position, 0), _LAST_POSITION)
        query = "SELECT position, record FROM tombstones WHERE bucket = ? AND position > ? LIMIT ?"
        found: list[tuple[int, str]] = []
        while len(found) < limit:
            rows = self._session.rows(query, tombstone_partition(position + 1), position, limit - len(found))
            for taken, record in rows:
                if taken != position + 1:
                    return found
                found.append((taken, record))
                position = taken
            if not rows or position % TOMBSTONES_PER_PARTITION:
                break
        return found

    def _last(self) -> int:
        """The last position that is taken; reads on from the last that this process knew of, and so little."""
        bucket = tombstone_partition(self._taken + 1)
        last = self._last_in(bucket)
        if last == (bucket + 1) * TOMBSTONES_PER_PARTITION:
            last = self._last_in(self._last_bucket(bucket + 1))
        self._taken = max(self._taken, last)
        return self._taken

    def _last_in(self, bucket: int) -> int:
        """Of a bucket behind none but full ones."""
        query = "SELECT position FROM tombstones WHERE bucket = ? ORDER BY position DESC LIMIT 1"
        rows = self._session.rows(query, bucket)
        return int(rows[0][0]) if rows else bucket * TOMBSTONES_PER_PARTITION

    def _last_bucket(self, known: int) -> int:
        """The bucket that the next position falls in: all before it are full. Steps double, then halve."""
        step = 1
        while self._is_full(known + step - 1):
            known, step = known + step, step * 2
        while step > 1:
            step //= 2
            if self._is_full(known + step - 1):
                known += step
        return known

    def _is_full(self, bucket: int) -> bool:
        query = "SELECT position FROM tombstones WHERE bucket = ? AND position = ?"
        return bool(self._session.rows(query, bucket, (bucket + 1) * TOMBSTONES_PER_PARTITION))
