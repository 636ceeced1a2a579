"""How the Cassandra catalog reads tombstones, and lists that are partitioned by year."""

from collections.abc import Callable
from typing import TypeVar

from regions.records import Tombstone
from regions.stores.cassandra import columns
from regions.stores.cassandra.address import key
from regions.stores.cassandra.partitions import years
from regions.stores.cassandra.session import Call, CassandraSession, Row
from regions.stores.paging import exclusive_upper_bound

Item = TypeVar("Item")

SELECT_TOMBSTONE = f"SELECT DISTINCT photo_id, {columns.TOMBSTONE} FROM photos WHERE photo_id = ?"
UNLESS_DELETED = "WHERE photo_id = ? IF deleted_at = null"


class YearlyLists:
    """Lists of ids, one partition for each year in which ids were made, read newest first.

    All years are queried at once: there are few, and most of a page comes from the newest.
    """

    def __init__(self, session: CassandraSession, clock_ms: Callable[[], int]) -> None:
        self._session, self._clock_ms = session, clock_ms

    def newest(self, query: str, partition: str, before: str | None, limit: int) -> list[Row]:
        rows_by_year = self._session.execute_concurrent(self._calls(query, partition, before, limit))
        return [row for rows in rows_by_year for row in rows][:limit]

    def newest_unless_deleted(self, query: str, photo_id: str, before: str | None, limit: int) -> list[Row]:
        """Nothing if the photo has a tombstone, which is read at the same time."""
        calls = self._calls(query, photo_id, before, limit)
        tombstone, *rows_by_year = self._session.execute_concurrent([(SELECT_TOMBSTONE, key(photo_id)), *calls])
        return [] if to_tombstone(tombstone) else [row for rows in rows_by_year for row in rows][:limit]

    def newest_of(
        self,
        query: str,
        partition: str,
        before: str | None,
        limit: int,
        read: Callable[[list[Row]], list[Item]],
    ) -> list[Item]:
        """What `read` makes of the listed rows, which may be fewer: it lists on until there are `limit`.

        The first column of the query is the id that the list is sorted by.
        """
        found: list[Item] = []
        while len(found) < limit:
            listed = self.newest(query, partition, before, limit)
            found += read(listed)
            if len(listed) < limit:
                break
            before = listed[-1][0]
        return found[:limit]

    def _calls(self, query: str, partition: str, before: str | None, limit: int) -> list[Call]:
        bound = key(exclusive_upper_bound(before))
        return [(query, key(partition), year, bound, limit) for year in years(self._clock_ms())]


def to_tombstone(rows: list[Row]) -> Tombstone | None:
    """From what `SELECT_TOMBSTONE` returns."""
    return columns.to_tombstone(rows[0][0], rows[0][1:]) if rows else None
