"""How the Cassandra catalog reads records (JSON text), and lists that are partitioned by year."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from regions.records import Photo, photo_from_json
from regions.stores.cassandra.address import key
from regions.stores.cassandra.partitions import years
from regions.stores.cassandra.session import Call, CassandraSession, Row
from regions.stores.paging import exclusive_upper_bound

Record = TypeVar("Record")

SELECT_TOMBSTONE = "SELECT DISTINCT photo_id, tombstone FROM photos WHERE photo_id = ?"
UNLESS_DELETED = "WHERE photo_id = ? IF tombstone = null"


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
        return [] if has_value(tombstone) else [row for rows in rows_by_year for row in rows][:limit]

    def _calls(self, query: str, partition: str, before: str | None, limit: int) -> list[Call]:
        bound = key(exclusive_upper_bound(before))
        return [(query, key(partition), year, bound, limit) for year in years(self._clock_ms())]


def first_record(kind: Callable[..., Record], rows: list[Row]) -> Record | None:
    """The record in the last column of the first row, if there is one."""
    return kind(**json.loads(rows[0][-1])) if has_value(rows) else None


def has_value(rows: list[Row]) -> bool:
    """Whether there is a row, and the last column of the first is not null."""
    return bool(rows) and rows[0][-1] is not None


def photo_of(**values: Any) -> Photo:
    return photo_from_json(values)
