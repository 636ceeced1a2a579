"""Copies of other regions' records in the SQLite catalog."""

import json
from collections.abc import Sequence
from sqlite3 import Connection

from regions.stores.catalog import RecordCopy
from regions.stores.sqlite.rows import UNLESS_DELETED, Table

_PUT = f"""INSERT INTO copies (about, kind, part, home, version, document) SELECT ?, ?, ?, ?, ?, ? {UNLESS_DELETED}
           ON CONFLICT (about, kind, part) DO UPDATE SET version = excluded.version, document = excluded.document
           WHERE excluded.version > version"""
_GET = "SELECT version, document FROM copies WHERE about = ? AND kind = ? AND part = ?"
_PAGE = """SELECT home, kind, about, part, version, document FROM copies
           WHERE home = ? AND kind = ? AND (about, part) > (?, ?) ORDER BY about, part LIMIT ?"""


class SqliteCopies(Table):
    def put(self, copies: Sequence[RecordCopy]) -> list[int | None]:
        with self._database.writing() as connection:
            return [_put(connection, copy) for copy in copies]

    def of_home(self, home: str, kind: str, after: str | None, limit: int) -> tuple[list[RecordCopy], str | None]:
        """By name; the cursor is the last name of the page."""
        position = json.loads(after) if after else ("", "")
        with self._database.reading() as connection:
            rows = connection.execute(_PAGE, (home, kind, *position, limit)).fetchall()
        found = [RecordCopy(*row) for row in rows]
        return found, json.dumps((found[-1].about, found[-1].part)) if len(found) == limit else None


def _put(connection: Connection, copy: RecordCopy) -> int | None:
    name = copy.about, copy.kind, copy.part
    connection.execute(_PUT, (*name, copy.home, copy.version, copy.document))
    found = connection.execute(_GET, name).fetchone()
    return None if found is None or found == (copy.version, copy.document) else int(found[0])
