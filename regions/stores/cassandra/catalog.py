"""The catalog port over Cassandra.

What must change together lies in one partition, the photo's own, and is changed by one conditional write there;
`catalog_cassandra_schema` has the tables. Likes and comments are not asked before they are written whether their photo
has a tombstone: whoever writes one looks for the tombstone afterwards, and whoever buries deletes afterwards, so that
one of the two always sees the other; whoever reads them looks for the tombstone beside.
"""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from regions.clock import now_ms
from regions.errors import Unavailable
from regions.events.messages import Event, to_text
from regions.records import (
    AuditEntry,
    Comment,
    Photo,
    Replica,
    Status,
    Tombstone,
    Upload,
    User,
    photo_from_json,
    to_json,
)
from regions.stores.cassandra import health, schema
from regions.stores.cassandra.address import exclusive_upper_bound, key, parse_address
from regions.stores.cassandra.expiries import CassandraExpiries
from regions.stores.cassandra.outbox import PUT_EVENT, CassandraOutbox, Intent
from regions.stores.cassandra.partitions import TimeUuidGenerator, time_uuid_ms, year_at, year_of, years
from regions.stores.cassandra.session import Call, CassandraSession, Row, first_rows
from regions.stores.cassandra.tombstones import TombstoneLog
from regions.stores.catalog import TombstoneEntry
from regions.stores.health import CheckResult

Record = TypeVar("Record")

_PHOTO = "SELECT DISTINCT photo_id, record FROM photos WHERE photo_id = ?"
_TOMBSTONE = "SELECT DISTINCT photo_id, tombstone FROM photos WHERE photo_id = ?"
_UNLESS_BURIED = "WHERE photo_id = ? IF tombstone = null"
_FOLLOW = (
    "INSERT INTO following (follower_id, author_id) VALUES (?, ?)",
    "INSERT INTO followers (author_id, year, follower_id) VALUES (?, ?, ?)",
)
_UNFOLLOW = (
    "DELETE FROM following WHERE follower_id = ? AND author_id = ?",
    "DELETE FROM followers WHERE author_id = ? AND year = ? AND follower_id = ?",
)


class CassandraCatalog:
    """Where a conditional write was cut off and nobody can say whether it was done, it raises Unavailable.

    A change or a burial may so have been made although it raised; its event is then told by the sweep.
    """

    def __init__(self, url: str, login: tuple[str, str] | None = None, clock_ms: Callable[[], int] = now_ms) -> None:
        """`url` is `cassandra_address.Address`'s, `login` a name and its password. Makes or mends the schema.

        Raises Unavailable, TopologyError.
        """
        self._session = CassandraSession(parse_address(url), login)
        try:
            schema.migrate(self._session)
        except BaseException:
            self._session.close()
            raise
        self._clock_ms = clock_ms
        self._ticks = TimeUuidGenerator(clock_ms)
        self._outbox = CassandraOutbox(self._session, self._ticks, clock_ms, self._complete_burial)
        self._stones = TombstoneLog(self._session)
        self._expiries = CassandraExpiries(self._session, self._states)

    def add_user(self, user: User) -> None:
        self._session.rows("INSERT INTO users (user_id, record) VALUES (?, ?)", key(user.user_id), _text(user))

    def user(self, user_id: str) -> User | None:
        return _first(User, self._session.rows("SELECT record FROM users WHERE user_id = ?", key(user_id)))

    def begin_photo(self, photo: Photo, upload: Upload) -> None:
        begin = "UPDATE photos SET status = ?, record = ?, upload = ? WHERE photo_id = ? IF status = null"
        self._expiries.note(key(photo.photo_id), upload.expires_at_ms)
        self._list(photo)
        self._session.decide((begin, photo.status, _text(photo), _text(upload), key(photo.photo_id)))

    def upload(self, photo_id: str) -> Upload | None:
        query = "SELECT DISTINCT photo_id, upload FROM photos WHERE photo_id = ?"
        return _first(Upload, self._session.rows(query, key(photo_id)))

    def abandon_photo(self, photo_id: str) -> None:
        abandon = "DELETE status, record, upload FROM photos WHERE photo_id = ? IF status = 'uploading'"
        self._session.decide((abandon, key(photo_id)))

    def expired_uploads(self, before_ms: int, limit: int) -> list[Upload]:
        return self._expiries.expired(before_ms, limit)

    def photo(self, photo_id: str) -> Photo | None:
        return _first(_photo, self._session.rows(_PHOTO, key(photo_id)))

    def photos(self, photo_ids: Collection[str]) -> dict[str, Photo]:
        # All are here before the first is read: to work in between keeps the driver's thread from the interpreter,
        # and a page took a fifth longer.
        found = self._session.each((_PHOTO, key(photo_id)) for photo_id in photo_ids)
        return {photo_id: photo_from_json(json.loads(record)) for photo_id, record in first_rows(found) if record}

    def photos_of(self, owner_id: str, before: str | None, limit: int) -> list[Photo]:
        query = "SELECT photo_id FROM photos_by_owner WHERE owner_id = ? AND year = ? AND photo_id < ? LIMIT ?"
        found: list[Photo] = []
        while len(found) < limit:
            listed = self._newest(query, owner_id, before, limit)
            photos = self.photos([photo_id for (photo_id,) in listed])
            owned = [photos[photo_id] for (photo_id,) in listed if photo_id in photos]
            found += [photo for photo in owned if photo.status is Status.READY and photo.owner_id == owner_id]
            if len(listed) < limit:
                break
            before = listed[-1][0]
        return found[:limit]

    def change_photo(self, photo: Photo, expected: Collection[Status], event: Event | None) -> bool:
        if not expected:
            return False
        change = "UPDATE photos SET status = ?, record = ?, change_id = ? WHERE photo_id = ? IF status IN ?"
        statuses = [str(status) for status in expected]
        self._list(photo)
        intent = self._outbox.intend(key(photo.photo_id)) if event else None
        change_id = intent.intent_id if intent else self._ticks.next()
        call = (change, photo.status, _text(photo), change_id, key(photo.photo_id), statuses)
        return self._change(key(photo.photo_id), change_id, call, intent, event)

    def keep_copy(self, photo: Photo) -> None:
        self._list(photo)
        keep = f"UPDATE photos SET status = ?, record = ? {_UNLESS_BURIED}"
        self._session.decide((keep, photo.status, _text(photo), key(photo.photo_id)))

    def bury(self, tombstone: Tombstone, event: Event | None) -> bool:
        photo_id = key(tombstone.photo_id)
        bury = f"""UPDATE photos SET status = 'buried', tombstone = ?, record = null, upload = null, change_id = ?
                   {_UNLESS_BURIED}"""
        intent = self._outbox.intend(photo_id, burial=True)
        call = (bury, _text(tombstone), intent.intent_id, photo_id)
        if not self._change(photo_id, intent.intent_id, call, intent, event):
            return False
        self._finish_burial(tombstone)
        if event is None:
            self._outbox.withdraw(intent)
        else:
            self._outbox.completed(intent)
        return True

    def tombstone(self, photo_id: str) -> Tombstone | None:
        return _first(Tombstone, self._session.rows(_TOMBSTONE, key(photo_id)))

    def tombstones_after(self, position: int, limit: int) -> list[TombstoneEntry]:
        """In the rare case that a process died while it buried, a tombstone may come twice."""
        found = self._stones.after(position, limit)
        return [TombstoneEntry(taken, Tombstone(**json.loads(record))) for taken, record in found]

    def like(self, photo_id: str, user_id: str, at_ms: int) -> None:
        insert = "INSERT INTO likes (photo_id, year, user_id, at_ms) VALUES (?, ?, ?, ?)"
        self._session.rows(insert, key(photo_id), year_of(user_id), key(user_id), at_ms)
        if self._is_buried(photo_id):
            self.unlike(photo_id, user_id)

    def unlike(self, photo_id: str, user_id: str) -> None:
        delete = "DELETE FROM likes WHERE photo_id = ? AND year = ? AND user_id = ?"
        self._session.rows(delete, key(photo_id), year_of(user_id), key(user_id))

    def likes(self, photo_id: str, before: str | None, limit: int) -> list[str]:
        query = "SELECT user_id FROM likes WHERE photo_id = ? AND year = ? AND user_id < ? LIMIT ?"
        return [user_id for (user_id,) in self._newest_unless_buried(query, photo_id, before, limit)]

    def add_comment(self, comment: Comment) -> None:
        place = key(comment.photo_id), year_of(comment.comment_id), key(comment.comment_id)
        insert = "INSERT INTO comments (photo_id, year, comment_id, record) VALUES (?, ?, ?, ?)"
        self._session.rows(insert, *place, _text(comment))
        if self._is_buried(comment.photo_id):
            self._session.rows("DELETE FROM comments WHERE photo_id = ? AND year = ? AND comment_id = ?", *place)

    def comments(self, photo_id: str, before: str | None, limit: int) -> list[Comment]:
        query = "SELECT record FROM comments WHERE photo_id = ? AND year = ? AND comment_id < ? LIMIT ?"
        found = self._newest_unless_buried(query, photo_id, before, limit)
        return [Comment(**json.loads(record)) for (record,) in found]

    def set_following(self, follower_id: str, author_id: str, following: bool, event: Event) -> None:
        change = _FOLLOW if following else _UNFOLLOW
        here, there = (key(follower_id), key(author_id)), (key(author_id), year_of(follower_id), key(follower_id))
        self._outbox.tell_with(event, [(change[0], *here), (change[1], *there)])

    def following(self, follower_id: str, before: str | None, limit: int) -> list[str]:
        query = "SELECT author_id FROM following WHERE follower_id = ? AND author_id < ? LIMIT ?"
        return [
            author_id
            for (author_id,) in self._session.rows(query, key(follower_id), exclusive_upper_bound(before), limit)
        ]

    def is_following(self, follower_id: str, author_ids: Collection[str]) -> set[str]:
        query = "SELECT author_id FROM following WHERE follower_id = ? AND author_id = ?"
        found = self._session.each((query, key(follower_id), key(author_id)) for author_id in author_ids)
        return {author_id for (author_id,) in first_rows(found)}

    def followers_here(self, author_id: str, before: str | None, limit: int) -> list[str]:
        query = "SELECT follower_id FROM followers WHERE author_id = ? AND year = ? AND follower_id < ? LIMIT ?"
        return [follower_id for (follower_id,) in self._newest(query, author_id, before, limit)]

    def note_follower_region(self, author_id: str, region: str) -> None:
        insert = "INSERT INTO follower_regions (author_id, region) VALUES (?, ?)"
        self._session.rows(insert, key(author_id), key(region))

    def follower_regions(self, author_id: str) -> set[str]:
        query = "SELECT region FROM follower_regions WHERE author_id = ?"
        return {region for (region,) in self._session.rows(query, key(author_id))}

    def record_replica(self, replica: Replica) -> None:
        record = f"UPDATE photos SET replicas[?] = ? {_UNLESS_BURIED}"
        self._session.decide((record, key(replica.region), _text(replica), key(replica.photo_id)))

    def forget_replica(self, photo_id: str, region: str) -> None:
        # On a condition that is no question: a plain write's timestamp would not be in one order with the others'.
        forget = "DELETE replicas[?] FROM photos WHERE photo_id = ? IF replicas[?] != null"
        self._session.decide((forget, key(region), key(photo_id), key(region)))

    def replicas(self, photo_id: str) -> list[Replica]:
        rows = self._session.rows("SELECT DISTINCT photo_id, replicas FROM photos WHERE photo_id = ?", key(photo_id))
        return [Replica(**json.loads(record)) for _, replicas in rows for _, record in sorted((replicas or {}).items())]

    def append_audit(self, entries: Iterable[AuditEntry]) -> None:
        """Where it raises, some of them may have been written."""
        insert = "INSERT INTO audit (photo_id, year, entry_id, record) VALUES (?, ?, ?, ?)"
        ticked = ((entry, self._ticks.next()) for entry in entries)
        self._session.each(
            (insert, key(entry.photo_id), year_at(time_uuid_ms(tick)), tick, _text(entry)) for entry, tick in ticked
        )

    def audit(self, photo_id: str, limit: int) -> list[AuditEntry]:
        query = "SELECT record FROM audit WHERE photo_id = ? AND year = ? LIMIT ?"
        found = self._session.each((query, key(photo_id), year, limit) for year in years(self._clock_ms()))
        newest = [record for rows in found for (record,) in rows][:limit]
        return [AuditEntry(**json.loads(record)) for record in reversed(newest)]

    def outbox(self, limit: int) -> list[Event]:
        return self._outbox.pending(limit)

    def published(self, events: Sequence[Event]) -> None:
        self._outbox.published(events)

    def check_health(self) -> list[CheckResult]:
        return health.check_health(self._session)

    def close(self) -> None:
        self._session.close()

    def _change(self, photo_id: str, change_id: UUID, change: Call, intent: Intent | None, event: Event | None) -> bool:
        """The change and its event in one conditional write; the intent is withdrawn where nothing came of it."""
        calls = [change]
        if event is not None:
            calls.append((PUT_EVENT, photo_id, change_id, to_text(event)))
        try:
            changed = self._session.decide(*calls)
        except Unavailable:
            # Cut off. A serial read ends what was begun, and shows whether this change is the one that stands.
            query = "SELECT DISTINCT photo_id, change_id FROM photos WHERE photo_id = ?"
            if [(photo_id, change_id)] != self._session.serial_rows(query, photo_id):
                raise
            changed = True
        if intent is not None and not changed:
            self._outbox.withdraw(intent)
        elif intent is not None and event is not None:
            self._outbox.told(intent, event)
        return changed

    def _finish_burial(self, tombstone: Tombstone) -> None:
        """Safe to do again, but that the tombstone is then placed twice."""
        photo_id, owner_id = key(tombstone.photo_id), key(tombstone.owner_id)
        listing = "DELETE FROM photos_by_owner WHERE owner_id = ? AND year = ? AND photo_id = ?"
        calls: list[Call] = [(listing, owner_id, year_of(photo_id), photo_id)]
        for year in years(self._clock_ms()):
            calls.append(("DELETE FROM likes WHERE photo_id = ? AND year = ?", photo_id, year))
            calls.append(("DELETE FROM comments WHERE photo_id = ? AND year = ?", photo_id, year))
        self._session.each(calls)
        self._stones.place(_text(tombstone))

    def _complete_burial(self, photo_id: str) -> bool:
        tombstone = _first(Tombstone, self._session.serial_rows(_TOMBSTONE, photo_id))
        if tombstone is not None:
            self._finish_burial(tombstone)
        return tombstone is not None

    def _list(self, photo: Photo) -> None:
        """Before the photo is ready: a crash between leaves a line that `photos_of` passes over."""
        if photo.status is Status.READY:
            insert = "INSERT INTO photos_by_owner (owner_id, year, photo_id) VALUES (?, ?, ?)"
            self._session.rows(insert, key(photo.owner_id), year_of(photo.photo_id), key(photo.photo_id))

    def _is_buried(self, photo_id: str) -> bool:
        return _holds_stone(self._session.rows(_TOMBSTONE, key(photo_id)))

    def _states(self, photo_ids: list[str]) -> list[tuple[str | None, Upload | None]]:
        query = "SELECT DISTINCT photo_id, status, upload FROM photos WHERE photo_id = ?"
        found = self._session.each((query, photo_id) for photo_id in photo_ids)
        return [(rows[0][1], _first(Upload, rows)) if rows else (None, None) for rows in found]

    def _yearly(self, query: str, about: str, before: str | None, limit: int) -> list[Call]:
        return [(query, key(about), year, exclusive_upper_bound(before), limit) for year in years(self._clock_ms())]

    def _newest(self, query: str, about: str, before: str | None, limit: int) -> list[Row]:
        found = self._session.each(self._yearly(query, about, before, limit))
        return [row for rows in found for row in rows][:limit]

    def _newest_unless_buried(self, query: str, photo_id: str, before: str | None, limit: int) -> list[Row]:
        calls = self._yearly(query, photo_id, before, limit)
        stone, *found = self._session.each([(_TOMBSTONE, key(photo_id)), *calls])
        return [] if _holds_stone(stone) else [row for rows in found for row in rows][:limit]


def _first(kind: Callable[..., Record], rows: list[Row]) -> Record | None:
    """Of the record in the last column of the first row, where there is one."""
    return kind(**json.loads(rows[0][-1])) if rows and rows[0][-1] is not None else None


def _holds_stone(rows: list[Row]) -> bool:
    return bool(rows) and rows[0][-1] is not None


def _text(record: Any) -> str:
    return json.dumps(to_json(record), separators=(",", ":"))


def _photo(**values: Any) -> Photo:
    return photo_from_json(values)
