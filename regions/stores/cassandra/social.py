"""Users, likes, comments and follows in Cassandra.

Likes and comments are written without asking whether their photo has a tombstone. Their writer looks for the tombstone
afterwards, and a deletion removes them after its tombstone, so that one of the two always sees the other; a reader
reads the tombstone at the same time.
"""

import json
from collections.abc import Collection

from regions.events.messages import Event
from regions.records import Comment, User, to_json_text
from regions.stores.cassandra.address import exclusive_upper_bound, key
from regions.stores.cassandra.deletion import is_deleted
from regions.stores.cassandra.outbox import CassandraOutbox
from regions.stores.cassandra.partitions import year_of
from regions.stores.cassandra.rows import YearlyLists, first_record
from regions.stores.cassandra.session import CassandraSession, first_rows

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
        self._session.rows("INSERT INTO users (user_id, record) VALUES (?, ?)", key(user.user_id), to_json_text(user))

    def get(self, user_id: str) -> User | None:
        return first_record(User, self._session.rows("SELECT record FROM users WHERE user_id = ?", key(user_id)))


class CassandraLikes:
    def __init__(self, session: CassandraSession, lists: YearlyLists) -> None:
        self._session, self._lists = session, lists

    def add(self, photo_id: str, user_id: str, at_ms: int) -> None:
        insert = "INSERT INTO likes (photo_id, year, user_id, at_ms) VALUES (?, ?, ?, ?)"
        self._session.rows(insert, key(photo_id), year_of(user_id), key(user_id), at_ms)
        if is_deleted(self._session, photo_id):
            self.remove(photo_id, user_id)

    def remove(self, photo_id: str, user_id: str) -> None:
        delete = "DELETE FROM likes WHERE photo_id = ? AND year = ? AND user_id = ?"
        self._session.rows(delete, key(photo_id), year_of(user_id), key(user_id))

    def page(self, photo_id: str, before: str | None, limit: int) -> list[str]:
        query = "SELECT user_id FROM likes WHERE photo_id = ? AND year = ? AND user_id < ? LIMIT ?"
        return [user_id for (user_id,) in self._lists.newest_unless_deleted(query, photo_id, before, limit)]


class CassandraComments:
    def __init__(self, session: CassandraSession, lists: YearlyLists) -> None:
        self._session, self._lists = session, lists

    def add(self, comment: Comment) -> None:
        place = key(comment.photo_id), year_of(comment.comment_id), key(comment.comment_id)
        insert = "INSERT INTO comments (photo_id, year, comment_id, record) VALUES (?, ?, ?, ?)"
        self._session.rows(insert, *place, to_json_text(comment))
        if is_deleted(self._session, comment.photo_id):
            self._session.rows("DELETE FROM comments WHERE photo_id = ? AND year = ? AND comment_id = ?", *place)

    def page(self, photo_id: str, before: str | None, limit: int) -> list[Comment]:
        query = "SELECT record FROM comments WHERE photo_id = ? AND year = ? AND comment_id < ? LIMIT ?"
        found = self._lists.newest_unless_deleted(query, photo_id, before, limit)
        return [Comment(**json.loads(record)) for (record,) in found]


class CassandraFollows:
    def __init__(self, session: CassandraSession, lists: YearlyLists, outbox: CassandraOutbox) -> None:
        self._session, self._lists, self._outbox = session, lists, outbox

    def change(self, follower_id: str, author_id: str, following: bool, event: Event) -> None:
        statements = _FOLLOW if following else _UNFOLLOW
        here, there = (key(follower_id), key(author_id)), (key(author_id), year_of(follower_id), key(follower_id))
        self._outbox.publish_with(event, [(statements[0], *here), (statements[1], *there)])

    def authors(self, follower_id: str, before: str | None, limit: int) -> list[str]:
        query = "SELECT author_id FROM following WHERE follower_id = ? AND author_id < ? LIMIT ?"
        return [
            author_id
            for (author_id,) in self._session.rows(query, key(follower_id), exclusive_upper_bound(before), limit)
        ]

    def followed_among(self, follower_id: str, author_ids: Collection[str]) -> set[str]:
        query = "SELECT author_id FROM following WHERE follower_id = ? AND author_id = ?"
        found = self._session.each((query, key(follower_id), key(author_id)) for author_id in author_ids)
        return {author_id for (author_id,) in first_rows(found)}

    def local_followers(self, author_id: str, before: str | None, limit: int) -> list[str]:
        query = "SELECT follower_id FROM followers WHERE author_id = ? AND year = ? AND follower_id < ? LIMIT ?"
        return [follower_id for (follower_id,) in self._lists.newest(query, author_id, before, limit)]

    def add_follower_region(self, author_id: str, region: str) -> None:
        insert = "INSERT INTO follower_regions (author_id, region) VALUES (?, ?)"
        self._session.rows(insert, key(author_id), key(region))

    def follower_regions(self, author_id: str) -> set[str]:
        query = "SELECT region FROM follower_regions WHERE author_id = ?"
        return {region for (region,) in self._session.rows(query, key(author_id))}
