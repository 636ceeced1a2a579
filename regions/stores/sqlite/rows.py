"""How the SQLite catalog reads and writes: records as JSON text, next to the columns that are searched by."""

import logging
import sqlite3
from collections.abc import Iterator
from typing import Any

from regions.events.messages import Event, to_text
from regions.records import Record, UnreadableRecord, from_json_text
from regions.stores.sqlite.database import Database

UNLESS_DELETED = "WHERE NOT EXISTS (SELECT 1 FROM tombstones WHERE photo_id = ?1)"
"""Part of every statement that writes something about a photo, so that no write can slip in after its deletion."""

log = logging.getLogger(__name__)


class Table:
    """What every table of the catalog does with the one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _write(self, statement: str, *values: Any) -> None:
        self._database.write(lambda connection: connection.execute(statement, values))

    def _texts(self, query: str, *values: Any) -> list[str]:
        with self._database.reading() as connection:
            return [text for (text,) in connection.execute(query, values)]

    def _records(self, kind: type[Record], query: str, *values: Any) -> list[Record]:
        return list(_readable(kind, self._texts(query, *values)))

    def _record(self, kind: type[Record], query: str, *values: Any) -> Record | None:
        """Raises UnreadableRecord."""
        texts = self._texts(query, *values)
        return from_json_text(kind, texts[0]) if texts else None


def put_in_outbox(connection: sqlite3.Connection, event: Event | None) -> None:
    """In the caller's transaction, so that a change and its event are one write."""
    if event is not None:
        row = (event.event_id, to_text(event))
        connection.execute("INSERT INTO outbox (event_id, event) VALUES (?, ?)", row)


def _readable(kind: type[Record], texts: list[str]) -> Iterator[Record]:
    """One record that can't be read is left out of a list, so that it does not take all others with it."""
    for text in texts:
        try:
            yield from_json_text(kind, text)
        except UnreadableRecord:
            log.exception("unreadable record")
