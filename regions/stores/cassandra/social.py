"""Users, likes and comments in Cassandra. Follows are in `follows`.

A like or comment and the deletion of its photo may race, since they write different partitions. Both write first and
read or remove second: the like is written, then its writer reads the photo's tombstone and removes the like if there is
one; the deletion writes the tombstone, and then removes the likes. Whichever wrote last sees the other's write, so that
no like remains. A reader reads the tombstone together with the list, and so never shows one in between.

A like and a comment are also listed by their user. That entry is written first, so that none is missing, and may stay
longer: a reader leaves out an entry whose like or comment is not there.
"""

from functools import partial

from regions.events.messages import Event
from regions.records import Comment, User
from regions.stores.cassandra import columns
from regions.stores.cassandra.address import key
from regions.stores.cassandra.deletion import is_deleted
from regions.stores.cassandra.outbox import CassandraOutbox
from regions.stores.cassandra.partitions import partition_year
from regions.stores.cassandra.rows import YearlyLists
from regions.stores.cassandra.session import CassandraSession, Row, first_rows


class CassandraUsers:
    def __init__(self, session: CassandraSession, outbox: CassandraOutbox) -> None:
        self._session, self._outbox = session, outbox

    def add(self, user: User, event: Event | None = None) -> None:
        insert = f"INSERT INTO users (user_id, {columns.USER}) VALUES (?, {columns.placeholders(columns.USER)})"
        self._outbox.write_with_events([(insert, key(user.user_id), *columns.from_user(user))], event)

    def get(self, user_id: str) -> User | None:
        rows = self._session.execute(f"SELECT {columns.USER} FROM users WHERE user_id = ?", key(user_id))
        return columns.to_user(user_id, rows[0]) if rows else None

    def rename(self, user_id: str, name: str, event: Event | None = None) -> bool:
        return self._change(user_id, "name = ?", name, event)

    def mark_deleted(self, user_id: str, at_ms: int, event: Event | None = None) -> bool:
        return self._change(user_id, "name = '', country = '', deleted_at = ?", at_ms, event)

    def _change(self, user_id: str, assignments: str, value: object, event: Event | None) -> bool:
        update = f"UPDATE users SET {assignments} WHERE user_id = ? IF home_region != null AND deleted_at = null"
        change = partial(self._session.execute_conditional, (update, value, key(user_id)))
        return self._outbox.change_with_event(event, change)


class CassandraLikes:
    def __init__(self, session: CassandraSession, lists: YearlyLists, outbox: CassandraOutbox) -> None:
        self._session, self._lists, self._outbox = session, lists, outbox

    def add(self, photo_id: str, user_id: str, at_ms: int) -> None:
        by_user = "INSERT INTO likes_by_user (user_id, year, photo_id) VALUES (?, ?, ?)"
        self._session.execute(by_user, key(user_id), partition_year(photo_id), key(photo_id))
        insert = "INSERT INTO likes (photo_id, year, user_id, at) VALUES (?, ?, ?, ?)"
        self._session.execute(insert, key(photo_id), partition_year(user_id), key(user_id), at_ms)
        if is_deleted(self._session, photo_id):
            self.remove(photo_id, user_id)

    def remove(self, photo_id: str, user_id: str, event: Event | None = None) -> None:
        delete = "DELETE FROM likes WHERE photo_id = ? AND year = ? AND user_id = ?"
        self._outbox.write_with_events([(delete, key(photo_id), partition_year(user_id), key(user_id))], event)
        by_user = "DELETE FROM likes_by_user WHERE user_id = ? AND year = ? AND photo_id = ?"
        self._session.execute(by_user, key(user_id), partition_year(photo_id), key(photo_id))

    def has(self, photo_id: str, user_id: str) -> bool:
        return bool(self._liked(user_id, [(key(photo_id),)])) and not is_deleted(self._session, photo_id)

    def page(self, photo_id: str, before: str | None, limit: int) -> list[str]:
        query = "SELECT user_id FROM likes WHERE photo_id = ? AND year = ? AND user_id < ? LIMIT ?"
        return [user_id for (user_id,) in self._lists.newest_unless_deleted(query, photo_id, before, limit)]

    def by_user(self, user_id: str, before: str | None, limit: int) -> list[str]:
        query = "SELECT photo_id FROM likes_by_user WHERE user_id = ? AND year = ? AND photo_id < ? LIMIT ?"
        return self._lists.newest_of(query, user_id, before, limit, partial(self._liked, user_id))

    def _liked(self, user_id: str, listed: list[Row]) -> list[str]:
        query = "SELECT photo_id FROM likes WHERE photo_id = ? AND year = ? AND user_id = ?"
        year = partition_year(user_id)
        found = self._session.execute_concurrent((query, photo_id, year, key(user_id)) for (photo_id,) in listed)
        return [photo_id for (photo_id,) in first_rows(found)]


class CassandraComments:
    def __init__(self, session: CassandraSession, lists: YearlyLists, outbox: CassandraOutbox) -> None:
        self._session, self._lists, self._outbox = session, lists, outbox

    def add(self, comment: Comment) -> None:
        insert = (
            f"INSERT INTO comments (photo_id, year, comment_id, {columns.COMMENT})"
            f" VALUES (?, ?, ?, {columns.placeholders(columns.COMMENT)})"
        )
        by_author = "INSERT INTO comments_by_author (author_id, year, comment_id, photo_id) VALUES (?, ?, ?, ?)"
        author_id, year = key(comment.author_id), partition_year(comment.comment_id)
        self._session.execute(by_author, author_id, year, key(comment.comment_id), key(comment.photo_id))
        primary_key = _primary_key(comment.photo_id, comment.comment_id)
        self._session.execute(insert, *primary_key, *columns.from_comment(comment))
        if is_deleted(self._session, comment.photo_id):
            self.remove(comment.photo_id, comment.comment_id)

    def get(self, photo_id: str, comment_id: str) -> Comment | None:
        query = f"SELECT {columns.COMMENT} FROM comments WHERE photo_id = ? AND year = ? AND comment_id = ?"
        rows = self._session.execute(query, *_primary_key(photo_id, comment_id))
        return columns.to_comment(photo_id, comment_id, rows[0]) if rows else None

    def remove(self, photo_id: str, comment_id: str, event: Event | None = None) -> None:
        delete = "DELETE FROM comments WHERE photo_id = ? AND year = ? AND comment_id = ?"
        self._outbox.write_with_events([(delete, *_primary_key(photo_id, comment_id))], event)

    def page(self, photo_id: str, before: str | None, limit: int) -> list[Comment]:
        query = (
            f"SELECT comment_id, {columns.COMMENT} FROM comments"
            " WHERE photo_id = ? AND year = ? AND comment_id < ? LIMIT ?"
        )
        found = self._lists.newest_unless_deleted(query, photo_id, before, limit)
        return [columns.to_comment(photo_id, comment_id, values) for comment_id, *values in found]

    def by_author(self, author_id: str, before: str | None, limit: int) -> list[Comment]:
        query = (
            "SELECT comment_id, photo_id FROM comments_by_author"
            " WHERE author_id = ? AND year = ? AND comment_id < ? LIMIT ?"
        )
        return self._lists.newest_of(query, author_id, before, limit, self._existing)

    def _existing(self, listed: list[Row]) -> list[Comment]:
        query = (
            f"SELECT photo_id, comment_id, {columns.COMMENT} FROM comments"
            " WHERE photo_id = ? AND year = ? AND comment_id = ?"
        )
        found = self._session.execute_concurrent(
            (query, *_primary_key(photo_id, own_id)) for own_id, photo_id in listed
        )
        return [columns.to_comment(photo_id, own_id, values) for photo_id, own_id, *values in first_rows(found)]


def _primary_key(photo_id: str, comment_id: str) -> tuple[str, int, str]:
    return key(photo_id), partition_year(comment_id), key(comment_id)
