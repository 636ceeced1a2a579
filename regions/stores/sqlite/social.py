"""Users, likes, comments and follows in the SQLite catalog."""

import json
from collections.abc import Collection

from regions.events.messages import Event
from regions.records import Comment, User, to_json_text
from regions.stores.paging import exclusive_lower_bound, exclusive_upper_bound
from regions.stores.sqlite.database import json_list
from regions.stores.sqlite.rows import UNLESS_DELETED, Table, put_in_outbox


class SqliteUsers(Table):
    def add(self, user: User, event: Event | None = None) -> None:
        insert = "INSERT OR REPLACE INTO users (user_id, record) VALUES (?, ?)"
        with self._database.writing() as connection:
            connection.execute(insert, (user.user_id, to_json_text(user)))
            put_in_outbox(connection, event)

    def get(self, user_id: str) -> User | None:
        return self._record(User, "SELECT record FROM users WHERE user_id = ?", user_id)

    def rename(self, user_id: str, name: str, event: Event | None = None) -> bool:
        return self._change(user_id, {"name": name}, event)

    def mark_deleted(self, user_id: str, at_ms: int, event: Event | None = None) -> bool:
        return self._change(user_id, {"name": "", "country": "", "deleted_at_ms": at_ms}, event)

    def _change(self, user_id: str, values: dict[str, object], event: Event | None) -> bool:
        """Keeps the fields that only a newer program knows."""
        update = """UPDATE users SET record = json_patch(record, ?)
                    WHERE user_id = ? AND json_extract(record, '$.deleted_at_ms') IS NULL"""
        with self._database.writing() as connection:
            changed = connection.execute(update, (json.dumps(values), user_id)).rowcount == 1
            put_in_outbox(connection, event if changed else None)
            return changed


class SqliteLikes(Table):
    def add(self, photo_id: str, user_id: str, at_ms: int) -> None:
        self._write(
            f"INSERT OR IGNORE INTO likes (photo_id, user_id, at_ms) SELECT ?, ?, ? {UNLESS_DELETED}",
            photo_id,
            user_id,
            at_ms,
        )

    def remove(self, photo_id: str, user_id: str, event: Event | None = None) -> None:
        with self._database.writing() as connection:
            connection.execute("DELETE FROM likes WHERE photo_id = ? AND user_id = ?", (photo_id, user_id))
            put_in_outbox(connection, event)

    def has(self, photo_id: str, user_id: str) -> bool:
        return bool(self._texts("SELECT user_id FROM likes WHERE photo_id = ? AND user_id = ?", photo_id, user_id))

    def page(self, photo_id: str, before: str | None, limit: int) -> list[str]:
        query = "SELECT user_id FROM likes WHERE photo_id = ? AND user_id < ? ORDER BY user_id DESC LIMIT ?"
        return self._texts(query, photo_id, exclusive_upper_bound(before), limit)

    def by_user(self, user_id: str, before: str | None, limit: int) -> list[str]:
        query = "SELECT photo_id FROM likes WHERE user_id = ? AND photo_id < ? ORDER BY photo_id DESC LIMIT ?"
        return self._texts(query, user_id, exclusive_upper_bound(before), limit)


class SqliteComments(Table):
    def add(self, comment: Comment) -> None:
        row = (comment.photo_id, comment.comment_id, comment.author_id, to_json_text(comment))
        insert = "INSERT OR IGNORE INTO comments (photo_id, comment_id, author_id, record) SELECT ?, ?, ?, ?"
        self._write(f"{insert} {UNLESS_DELETED}", *row)

    def get(self, photo_id: str, comment_id: str) -> Comment | None:
        query = "SELECT record FROM comments WHERE photo_id = ? AND comment_id = ?"
        return self._record(Comment, query, photo_id, comment_id)

    def remove(self, photo_id: str, comment_id: str, event: Event | None = None) -> None:
        with self._database.writing() as connection:
            connection.execute("DELETE FROM comments WHERE photo_id = ? AND comment_id = ?", (photo_id, comment_id))
            put_in_outbox(connection, event)

    def page(self, photo_id: str, before: str | None, limit: int) -> list[Comment]:
        query = "SELECT record FROM comments WHERE photo_id = ? AND comment_id < ? ORDER BY comment_id DESC LIMIT ?"
        return self._records(Comment, query, photo_id, exclusive_upper_bound(before), limit)

    def by_author(self, author_id: str, before: str | None, limit: int) -> list[Comment]:
        query = "SELECT record FROM comments WHERE author_id = ? AND comment_id < ? ORDER BY comment_id DESC LIMIT ?"
        return self._records(Comment, query, author_id, exclusive_upper_bound(before), limit)


class SqliteFollows(Table):
    def change(self, follower_id: str, author_id: str, following: bool, *events: Event) -> None:
        statement = "DELETE FROM following WHERE follower_id = ? AND author_id = ?"
        if following:
            statement = "INSERT OR IGNORE INTO following (follower_id, author_id) VALUES (?, ?)"
        with self._database.writing() as connection:
            connection.execute(statement, (follower_id, author_id))
            for event in events:
                put_in_outbox(connection, event)

    def authors(self, follower_id: str, before: str | None, limit: int) -> list[str]:
        query = """SELECT author_id FROM following WHERE follower_id = ? AND author_id < ?
                   ORDER BY author_id DESC LIMIT ?"""
        return self._texts(query, follower_id, exclusive_upper_bound(before), limit)

    def followed_among(self, follower_id: str, author_ids: Collection[str]) -> set[str]:
        query = """SELECT author_id FROM following
                   WHERE follower_id = ? AND author_id IN (SELECT value FROM json_each(?))"""
        return set(self._texts(query, follower_id, json_list(author_ids)))

    def local_followers(self, author_id: str, after: str | None, limit: int) -> tuple[list[str], str | None]:
        """By id; the cursor is the last id of the page."""
        query = """SELECT follower_id FROM following WHERE author_id = ? AND follower_id > ?
                   ORDER BY follower_id LIMIT ?"""
        found = self._texts(query, author_id, exclusive_lower_bound(after), limit)
        return found, found[-1] if len(found) == limit else None

    def add_follower_region(self, author_id: str, region: str) -> None:
        self._write("INSERT OR IGNORE INTO follower_regions (author_id, region) VALUES (?, ?)", author_id, region)

    def follower_regions(self, author_id: str) -> set[str]:
        return set(self._texts("SELECT region FROM follower_regions WHERE author_id = ?", author_id))
