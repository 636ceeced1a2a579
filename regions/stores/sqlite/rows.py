"""How the SQLite catalog reads and writes: records as JSON text, next to the columns that are searched by."""

import json
import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

from regions.events.messages import Event, to_text
from regions.records import Photo, photo_from_json
from regions.stores.sqlite.database import Database

UNLESS_DELETED = "WHERE NOT EXISTS (SELECT 1 FROM tombstones WHERE photo_id = ?1)"
"""Part of every statement that writes something about a photo, so that no write can slip in after its deletion."""

Record = TypeVar("Record")


class Table:
    """What every table of the catalog does with the one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _write(self, statement: str, *values: Any) -> None:
        with self._database.writing() as connection:
            connection.execute(statement, values)

    def _texts(self, query: str, *values: Any) -> list[str]:
        with self._database.reading() as connection:
            return [text for (text,) in connection.execute(query, values)]

    def _records(self, kind: Callable[..., Record], query: str, *values: Any) -> list[Record]:
        return [kind(**json.loads(text)) for text in self._texts(query, *values)]

    def _record(self, kind: Callable[..., Record], query: str, *values: Any) -> Record | None:
        return next(iter(self._records(kind, query, *values)), None)


def put_in_outbox(connection: sqlite3.Connection, event: Event | None) -> None:
    """In the caller's transaction, so that a change and its event are one write."""
    if event is not None:
        row = (event.event_id, to_text(event))
        connection.execute("INSERT INTO outbox (event_id, event) VALUES (?, ?)", row)


def photo_of(**values: Any) -> Photo:
    return photo_from_json(values)
