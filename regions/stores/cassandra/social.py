"""Users, likes, comments and follows in Cassandra.

A like or comment and the deletion of its photo may race, since they write different partitions. Both write first and
read or remove second: the like is written, then its writer reads the photo's tombstone and removes the like if there is
one; the deletion writes the tombstone, and then removes the likes. Whichever wrote last sees the other's write, so that
no like remains. A reader reads the tombstone together with the list, and so never shows one in between.

A like and a comment are also listed by their user. That entry is written first, so that none is missing, and may stay
longer: a reader leaves out an entry whose like or comment is not there.
"""

from collections.abc import Collection
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
from regions.stores.paging import exclusive_upper_bound

_FOLLOW = (
    "INSERT INTO following (follower_id, author_id) VALUES (?, ?)",
    "INSERT INTO followers (author_id, year, follower_id) VALUES (?, ?, ?)",
)
_UNFOLLOW = (
    "DELETE FROM following WHERE follower_id = ? AND author_id = ?",
    "DELETE FROM followers WHERE author_id = ? AND year = ? AND follower_id = ?",
)


class CassandraUsers:
    def __init__(self, session: CassandraSession) -> None:
        self._session = session

    def add(self, user: User) -> None:
        insert = f"INSERT INTO users (user_id, {columns.USER}) VALUES (?, {columns.placeholders(columns.USER)})"
        self._session.execute(insert, key(user.user_id), *columns.from_user(user))

    def get(self, user_id: str) -> User | None:
        rows = self._session.execute(f"SELECT {columns.USER} FROM users WHERE user_id = ?", key(user_id))
        return columns.to_user(user_id, rows[0]) if rows else None


class CassandraLikes:
    def __init__(self, session: CassandraSession, lists: YearlyLists) -> None:
        self._session, self._lists = session, lists

    def add(self, photo_id: str, user_id: str, at_ms: int) -> None:
        by_user = "INSERT INTO likes_by_user (user_id, year, photo_id) VALUES (?, ?, ?)"
        self._session.execute(by_user, key(user_id), partition_year(photo_id), key(photo_id))
        insert = "INSERT INTO likes (photo_id, year, user_id, at) VALUES (?, ?, ?, ?)"
        self._session.execute(insert, key(photo_id), partition_year(user_id), key(user_id), at_ms)
        if is_deleted(self._session, photo_id):
            self.remove(photo_id, user_id)

    def remove(self, photo_id: str, user_id: str) -> None:
        delete = "DELETE FROM likes WHERE photo_id = ? AND year = ? AND user_id = ?"
        self._session.execute(delete, key(photo_id), partition_year(user_id), key(user_id))
        by_user = "DELETE FROM likes_by_user WHERE user_id = ? AND year = ? AND photo_id = ?"
        self._session.execute(by_user, key(user_id), partition_year(photo_id), key(photo_id))

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
    def __init__(self, session: CassandraSession, lists: YearlyLists) -> None:
        self._session, self._lists = session, lists

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

    def remove(self, photo_id: str, comment_id: str) -> None:
        delete = "DELETE FROM comments WHERE photo_id = ? AND year = ? AND comment_id = ?"
        self._session.execute(delete, *_primary_key(photo_id, comment_id))

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


class CassandraFollows:
    def __init__(self, session: CassandraSession, lists: YearlyLists, outbox: CassandraOutbox) -> None:
        self._session, self._lists, self._outbox = session, lists, outbox

    def change(self, follower_id: str, author_id: str, following: bool, event: Event) -> None:
        statements = _FOLLOW if following else _UNFOLLOW
        following_key = key(follower_id), key(author_id)
        followers_key = key(author_id), partition_year(follower_id), key(follower_id)
        calls = [(statements[0], *following_key), (statements[1], *followers_key)]
        self._outbox.write_with_event(event, calls)

    def authors(self, follower_id: str, before: str | None, limit: int) -> list[str]:
        query = "SELECT author_id FROM following WHERE follower_id = ? AND author_id < ? LIMIT ?"
        bound = key(exclusive_upper_bound(before))
        return [author_id for (author_id,) in self._session.execute(query, key(follower_id), bound, limit)]

    def followed_among(self, follower_id: str, author_ids: Collection[str]) -> set[str]:
        query = "SELECT author_id FROM following WHERE follower_id = ? AND author_id = ?"
        found = self._session.execute_concurrent((query, key(follower_id), key(author_id)) for author_id in author_ids)
        return {author_id for (author_id,) in first_rows(found)}

    def local_followers(self, author_id: str, before: str | None, limit: int) -> list[str]:
        query = "SELECT follower_id FROM followers WHERE author_id = ? AND year = ? AND follower_id < ? LIMIT ?"
        return [follower_id for (follower_id,) in self._lists.newest(query, author_id, before, limit)]

    def add_follower_region(self, author_id: str, region: str) -> None:
        insert = "INSERT INTO follower_regions (author_id, region) VALUES (?, ?)"
        self._session.execute(insert, key(author_id), key(region))

    def follower_regions(self, author_id: str) -> set[str]:
        query = "SELECT region FROM follower_regions WHERE author_id = ?"
        return {region for (region,) in self._session.execute(query, key(author_id))}
