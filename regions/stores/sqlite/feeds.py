"""The feeds port over one SQLite file."""

from collections.abc import Collection

from regions.stores.feeds import CAP
from regions.stores.health import CheckResult
from regions.stores.paging import exclusive_upper_bound
from regions.stores.sqlite import health
from regions.stores.sqlite.database import Database, json_list

SCHEMA = """
CREATE TABLE IF NOT EXISTS feeds (
    user_id TEXT NOT NULL, photo_id TEXT NOT NULL, PRIMARY KEY (user_id, photo_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS complete_feeds (user_id TEXT PRIMARY KEY) WITHOUT ROWID;
"""

# Keeps the user's `?2` highest photo ids.
_TRIM = """DELETE FROM feeds WHERE user_id = ?1 AND photo_id <= (
    SELECT photo_id FROM feeds WHERE user_id = ?1 ORDER BY photo_id DESC LIMIT 1 OFFSET ?2
)"""


class SqliteFeeds:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, photo_id: str, user_ids: Collection[str]) -> None:
        with self._database.writing() as connection:
            rows = [(user_id, photo_id) for user_id in user_ids]
            connection.executemany("INSERT OR IGNORE INTO feeds (user_id, photo_id) VALUES (?, ?)", rows)
            connection.executemany(_TRIM, [(user_id, CAP) for user_id in user_ids])

    def page(self, user_id: str, before: str | None, limit: int) -> list[str] | None:
        query = "SELECT photo_id FROM feeds WHERE user_id = ? AND photo_id < ? ORDER BY photo_id DESC LIMIT ?"
        with self._database.reading() as connection:
            if not connection.execute("SELECT 1 FROM complete_feeds WHERE user_id = ?", (user_id,)).fetchone():
                return None
            return [
                photo_id for (photo_id,) in connection.execute(query, (user_id, exclusive_upper_bound(before), limit))
            ]

    def mark_complete(self, user_id: str) -> None:
        with self._database.writing() as connection:
            connection.execute("INSERT OR IGNORE INTO complete_feeds (user_id) VALUES (?)", (user_id,))

    def remove(self, photo_ids: Collection[str], user_id: str) -> None:
        removal = "DELETE FROM feeds WHERE user_id = ? AND photo_id IN (SELECT value FROM json_each(?))"
        with self._database.writing() as connection:
            connection.execute(removal, (user_id, json_list(photo_ids)))

    def check_health(self) -> list[CheckResult]:
        return health.check_health(self._database, SCHEMA)

    def close(self) -> None:
        self._database.close()
