"""Follows in Cassandra, listed from both sides, with an author's followers in buckets of bounded size.

    following (follower_id, author_id)                     the authors whom a user follows
    followers ((author_id, level, bucket), follower_id)    the users who follow an author
    follower_levels (author_id)                            the author's level: where new followers are listed
    assigned_levels (follower_id, author_id)               the level of one pair of follower and author, for good

An author may have a hundred million followers, and most have a few. So the number of buckets grows: level L has 2^L of
them, and a follower's hash says which. New followers are listed at the author's current level. When that level has had
about 50,000 followers for each bucket, the level is raised by one; followers who are listed at a lower level stay
there. A reader of all followers walks through the levels, from 0 to the current one, and through their buckets.

A pair of follower and author is assigned a level at its first follow, by a conditional write, and keeps it, also when
the follow ends. So everything that ever happens to the pair happens to the same two rows:

- A follow writes both rows and its event in one logged batch, and an unfollow deletes both rows in one: eventually all
  or none, and all with one timestamp. Whatever runs at the same time or was cut off, the latest batch decides about
  both rows. So a user is listed exactly if they follow, and never twice.
- Nothing is moved and no second level is searched. An unfollow that deletes from all levels would leave a marker of
  each in the one bucket of level 0, and Cassandra refuses to read a partition with too many markers.
- A pair without a level was never followed. To be sure of that, an unfollow reads by Paxos, which first completes an
  assignment that is in progress; then it has nothing to delete.

What a crash leaves behind: an assigned level without a follow, which the next attempt uses. Or a raised level, which is
right even if the follow that raised it was never made.

A level is raised by the number of pairs that were assigned to it, and not by the rows of a bucket: those who follow and
unfollow again may all come back to their bucket. Counting each would be a conditional write on one row for all
followers of an author, so one follow in a thousand is counted, as a thousand. A process that wrote at the old level at
the moment of a raise does no harm: that level is still read.
"""

import random
from collections.abc import Collection

from regions.events.messages import Event
from regions.stores.cassandra import follower_buckets
from regions.stores.cassandra.address import key
from regions.stores.cassandra.follower_buckets import bucket_of, from_cursor, next_bucket, to_cursor
from regions.stores.cassandra.outbox import CassandraOutbox
from regions.stores.cassandra.session import Call, CassandraSession, first_rows
from regions.stores.paging import exclusive_upper_bound

_FOLLOW = (
    "INSERT INTO following (follower_id, author_id) VALUES (?, ?)",
    "INSERT INTO followers (author_id, level, bucket, follower_id) VALUES (?, ?, ?, ?)",
)
_UNFOLLOW = (
    "DELETE FROM following WHERE follower_id = ? AND author_id = ?",
    "DELETE FROM followers WHERE author_id = ? AND level = ? AND bucket = ? AND follower_id = ?",
)
_IN_BUCKET = (
    "SELECT follower_id FROM followers WHERE author_id = ? AND level = ? AND bucket = ? AND follower_id > ? LIMIT ?"
)
_ASSIGNED = "SELECT level FROM assigned_levels WHERE follower_id = ? AND author_id = ?"
# A page may pass so many buckets that are nearly empty, as they are after a raise.
_BUCKETS_PER_PAGE = 50
_MOST_ATTEMPTS_TO_COUNT = 10


class CassandraFollows:
    def __init__(self, session: CassandraSession, outbox: CassandraOutbox) -> None:
        self._session, self._outbox = session, outbox

    def change(self, follower_id: str, author_id: str, following: bool, *events: Event) -> None:
        follower_id, author_id = key(follower_id), key(author_id)
        level = self._find_level(follower_id, author_id, assign=following)
        calls: list[Call] = []
        if level is not None:
            to_following, to_followers = _FOLLOW if following else _UNFOLLOW
            bucket = bucket_of(follower_id, level)
            calls = [(to_following, follower_id, author_id), (to_followers, author_id, level, bucket, follower_id)]
        self._outbox.write_with_events(calls, *events)

    def authors(self, follower_id: str, before: str | None, limit: int) -> list[str]:
        query = "SELECT author_id FROM following WHERE follower_id = ? AND author_id < ? LIMIT ?"
        bound = key(exclusive_upper_bound(before))
        return [author_id for (author_id,) in self._session.execute(query, key(follower_id), bound, limit)]

    def followed_among(self, follower_id: str, author_ids: Collection[str]) -> set[str]:
        query = "SELECT author_id FROM following WHERE follower_id = ? AND author_id = ?"
        found = self._session.execute_concurrent((query, key(follower_id), key(author_id)) for author_id in author_ids)
        return {author_id for (author_id,) in first_rows(found)}

    def local_followers(self, author_id: str, after: str | None, limit: int) -> tuple[list[str], str | None]:
        author_id, position = key(author_id), from_cursor(after)
        found: list[str] = []
        for _ in range(_BUCKETS_PER_PAGE):
            rows = self._session.execute(_IN_BUCKET, author_id, *position, limit - len(found))
            found += [follower_id for (follower_id,) in rows]
            if len(found) == limit:
                return found, to_cursor(position._replace(follower_id=found[-1]))
            position = next_bucket(position)
            # Read only now, the current level is not lower than that of any follow from before this walk.
            if position.bucket == 0 and position.level > self._current_level(author_id)[0]:
                return found, None
        return found, to_cursor(position)

    def add_follower_region(self, author_id: str, region: str) -> None:
        insert = "INSERT INTO follower_regions (author_id, region) VALUES (?, ?)"
        self._session.execute(insert, key(author_id), key(region))

    def follower_regions(self, author_id: str) -> set[str]:
        query = "SELECT region FROM follower_regions WHERE author_id = ?"
        return {region for (region,) in self._session.execute(query, key(author_id))}

    def _find_level(self, follower_id: str, author_id: str, assign: bool) -> int | None:
        """The pair's level. If it has none, assigns one, or else returns None: then it was never followed."""
        rows = self._session.execute(_ASSIGNED, follower_id, author_id)
        if not rows and assign and (level := self._assign_level(follower_id, author_id)) is not None:
            return level
        rows = rows or self._session.execute_serial(_ASSIGNED, follower_id, author_id)
        return rows[0][0] if rows else None

    def _assign_level(self, follower_id: str, author_id: str) -> int | None:
        """Assigns the author's current level to the pair; None if another process has just assigned one."""
        if random.randrange(follower_buckets.COUNT_ONE_IN) == 0:
            self._count(author_id)
        level, _ = self._current_level(author_id)
        insert = "INSERT INTO assigned_levels (follower_id, author_id, level) VALUES (?, ?, ?) IF NOT EXISTS"
        return level if self._session.execute_conditional((insert, follower_id, author_id, level)) else None

    def _count(self, author_id: str) -> None:
        """Counts a follow at the author's current level, which may raise the level.

        If others count at the same time, again and again, this one is not counted: the level is raised a little later.
        """
        change = "UPDATE follower_levels SET level = ?, assigned = ? WHERE author_id = ? IF level = ? AND assigned = ?"
        for _ in range(_MOST_ATTEMPTS_TO_COUNT):
            level, assigned = self._current_level(author_id)
            expected = (level, assigned) if level or assigned else (None, None)
            counted = follower_buckets.after_counting(level, assigned)
            if self._session.execute_conditional((change, *counted, author_id, *expected)):
                return

    def _current_level(self, author_id: str) -> tuple[int, int]:
        """The author's level, and how many follows that were counted were assigned to it; both 0 if there is no row."""
        rows = self._session.execute("SELECT level, assigned FROM follower_levels WHERE author_id = ?", author_id)
        return (rows[0][0], rows[0][1]) if rows else (0, 0)
