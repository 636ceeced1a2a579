"""Which copies may still arrive, in Cassandra: a row for each photo, which expires an hour after its time.

Of two writes of a cell Cassandra keeps the one with the later timestamp. That is the expected time itself here, so that
the latest counts without a read before the write and without Paxos, whatever the clocks of the writers say.
"""

from collections.abc import Callable

from regions.stores.cassandra.address import key
from regions.stores.cassandra.session import CassandraSession
from regions.stores.catalog import FORGET_AFTER_MS

_EXPECT = "INSERT INTO arrivals (photo_id, until_ms) VALUES (?, ?) USING TIMESTAMP ? AND TTL ?"


class CassandraArrivals:
    def __init__(self, session: CassandraSession, clock_ms: Callable[[], int]) -> None:
        self._session, self._clock_ms = session, clock_ms

    def expect(self, photo_id: str, until_ms: int) -> None:
        ttl_s = 1 + (until_ms + FORGET_AFTER_MS - self._clock_ms()) // 1000
        # 0 would mean: for good.
        if ttl_s > 0:
            self._session.execute(_EXPECT, key(photo_id), until_ms, until_ms, ttl_s)

    def until(self, photo_id: str) -> int | None:
        rows = self._session.execute("SELECT until_ms FROM arrivals WHERE photo_id = ?", key(photo_id))
        return rows[0][0] if rows else None
