"""Copies of other regions' records, in Cassandra.

Of two writes of a cell Cassandra keeps the one with the later timestamp. That is the record's version here, so that the
highest version counts without a read before the write and without Paxos. A record that is gone is an empty text and no
deleted cell: Cassandra forgets what it has deleted (`gc_grace_seconds`), and an older version that comes late would
then count again.

    copies ((about, year), kind, part)    `year` is that of `part`, so that a much-liked photo is not one partition

Versions are milliseconds, and the timestamps of other writes microseconds. So a deletion of a photo's rows wins over
every copy. And as with likes, both write first and read or remove second: the copy is written, then its writer reads
the photo's tombstone and removes the rows again if there is one.

A walk goes by token, through the records of all homes and kinds, and leaves out the others: who walks reads all of
them, one home and kind after another. An index would be one more write for each copy.
"""

import json
from collections.abc import Iterable, Sequence

from regions.stores.cassandra.address import key
from regions.stores.cassandra.partitions import partition_year
from regions.stores.cassandra.rows import SELECT_TOMBSTONE, to_tombstone
from regions.stores.cassandra.session import CassandraSession, Row
from regions.stores.catalog import RecordCopy

_PUT = (
    "INSERT INTO copies (about, year, kind, part, home, version, document) VALUES (?, ?, ?, ?, ?, ?, ?)"
    " USING TIMESTAMP ?"
)
_GET = "SELECT version, document FROM copies WHERE about = ? AND year = ? AND kind = ? AND part = ?"
_REMOVE = "DELETE FROM copies WHERE about = ? AND year = ?"
_COLUMNS = "token(about, year), about, year, kind, part, home, version, document"
_IN_PARTITION = f"SELECT {_COLUMNS} FROM copies WHERE about = ? AND year = ? AND (kind, part) > (?, ?) LIMIT ?"
_BEHIND = f"SELECT {_COLUMNS} FROM copies WHERE token(about, year) > ? LIMIT ?"
# No row has it.
_BEFORE_ALL = -(1 << 63)


class CassandraCopies:
    def __init__(self, session: CassandraSession) -> None:
        self._session = session

    def put(self, copies: Sequence[RecordCopy]) -> list[int | None]:
        names = [_primary_key(copy) for copy in copies]
        self._session.execute_concurrent(
            (_PUT, *name, copy.home, copy.version, copy.document or "", copy.version)
            for name, copy in zip(names, copies, strict=True)
        )
        deleted = self._deleted({about for about, *_ in names})
        self._session.execute_concurrent((_REMOVE, about, year) for about, year, *_ in names if about in deleted)
        found = self._session.execute_concurrent((_GET, *name) for name in names)
        return [_other_version(copy, rows) for copy, rows in zip(copies, found, strict=True)]

    def of_home(self, home: str, kind: str, after: str | None, limit: int) -> tuple[list[RecordCopy], str | None]:
        token, rows = _BEFORE_ALL, list[Row]()
        if after is not None:
            token, *position = json.loads(after)
            rows = self._session.execute(_IN_PARTITION, *position, limit)
        if len(rows) < limit:
            rows += self._session.execute(_BEHIND, token, limit - len(rows))
        cursor = json.dumps(rows[-1][:5]) if len(rows) == limit else None
        return [_to_copy(row) for row in rows if (row[5], row[3]) == (home, kind)], cursor

    def _deleted(self, abouts: Iterable[str]) -> set[str]:
        found = self._session.execute_concurrent((SELECT_TOMBSTONE, about) for about in abouts)
        return {tombstone.photo_id for tombstone in map(to_tombstone, found) if tombstone is not None}


def _primary_key(copy: RecordCopy) -> tuple[str, int, str, str]:
    return key(copy.about), partition_year(copy.part), copy.kind, copy.part


def _other_version(copy: RecordCopy, rows: list[Row]) -> int | None:
    if not rows or rows[0] == (copy.version, copy.document or ""):
        return None
    return int(rows[0][0])


def _to_copy(row: Row) -> RecordCopy:
    _, about, _, kind, part, home, version, document = row
    return RecordCopy(home, kind, about, part, version, document or None)
