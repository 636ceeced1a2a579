"""The catalog port: one region's users, photos, follows, replicas, tombstones, audit log and outbox.

Their accounts (handles, credentials and sessions) are in `accounts`.

The catalog is a set of small tables, one Protocol each, all served by one session of one store. Every method is
one write or one bounded read. A state change and its event are one write: the event goes into the outbox with it,
and waits there until it is published (`regions.events.outbox`).

Every method raises `Unavailable` when the store can't be reached. A write that has returned survives kill -9. Lists
are newest first; they start after the id `before` (at the newest if it is None) and have at most `limit` entries.
Ids and `before` may be any text; the texts of records are such that UTF-8 can encode them, and stay as they are.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from regions.events.messages import Event
from regions.records import (
    AuditEntry,
    Comment,
    Fingerprint,
    Photo,
    PhotoSummary,
    Replica,
    Status,
    Tombstone,
    Upload,
    User,
)
from regions.stores.accounts import AccountErasures, EndedSessions, Handles, Sessions, UserCredentials
from regions.stores.health import CheckResult


@dataclass(frozen=True, slots=True)
class TombstoneEntry:
    """A tombstone and its place in the order in which tombstones arrived in this region.

    The order consists of chains, whose numbers are below `tombstone_cursors.MAX_CHAINS`. Processes that delete at the
    same time append to different chains, so there is no order between chains. Within a chain positions start at 1 and
    grow, perhaps with gaps.
    """

    chain: int
    position: int
    tombstone: Tombstone


@dataclass(frozen=True, slots=True)
class TombstonePage:
    """Tombstones after a reader's cursors; `complete` if there were no more when the store was asked."""

    entries: list[TombstoneEntry]
    complete: bool


class Users(Protocol):
    """With a change goes its event, if there is one, into the outbox.

    A change that returns False has none. If a change raises Unavailable, its event may be there although nothing has
    changed, but never the other way round.
    """

    def add(self, user: User, event: Event | None = None) -> None:
        """Adds the user, or replaces the one with this id."""
        ...

    def get(self, user_id: str) -> User | None: ...

    def rename(self, user_id: str, name: str, event: Event | None = None) -> bool:
        """False, and nothing changes, if the account is deleted or there is none."""
        ...

    def mark_deleted(self, user_id: str, at_ms: int, event: Event | None = None) -> bool:
        """Removes name and country for good; False if it was done before, or there is no such user."""
        ...


UPLOAD_SHARDS = 16


class Uploads(Protocol):
    def get(self, photo_id: str) -> Upload | None:
        """The upload by which this photo arrives or arrived; None if it was discarded."""
        ...

    def expired(self, before_ms: int, limit: int, shard: int) -> list[Upload]:
        """Uploads that expired before `before_ms` and whose photo is still `uploading`, oldest first.

        Each is in one of `UPLOAD_SHARDS` shards, so that several processes can look for them at once.
        """
        ...

    def discard(self, photo_id: str) -> bool:
        """Removes a photo that is still `uploading`, and its upload. Returns False and changes nothing if it is not."""
        ...


class Photos(Protocol):
    def create(self, photo: Photo, upload: Upload) -> None:
        """Adds a photo in status `uploading`, with the upload by which its bytes will arrive. Idempotent."""
        ...

    def get(self, photo_id: str) -> Photo | None:
        """None if it never existed or has a tombstone."""
        ...

    def summaries(self, photo_ids: Collection[str]) -> dict[str, PhotoSummary]:
        """Those of the photos that `get` would return, by id."""
        ...

    def by_owner(self, owner_id: str, before: str | None, limit: int) -> list[PhotoSummary]:
        """The owner's photos that others may see."""
        ...

    def fingerprints(self, owner_id: str, limit: int) -> list[Fingerprint]:
        """Of the newest `limit` photos of an owner who lives in this region, those that have a perceptual hash.

        All that were listed as ready, newest first, and perhaps some whose update to `ready` has not been made yet, or
        was cut off or refused: so look up a photo before you name it. None whose `delete` has returned. Whether it
        finds photos of owners who live elsewhere is up to the store.
        """
        ...

    def update(self, photo: Photo, expected: Collection[Status], event: Event | None) -> bool:
        """Replaces the photo and puts `event` into the outbox, in one write; False if its status is not `expected`."""
        ...

    def put_replica_metadata(self, photo: Photo) -> None:
        """Stores the metadata of another region's photo. Does nothing if the photo has a tombstone."""
        ...

    def delete(self, tombstone: Tombstone, event: Event | None) -> bool:
        """Deletes the photo's metadata, likes, comments, upload, and copies of records about it, forever: the tombstone
        wins over all later writes.

        The event goes into the outbox in the same write. False, and no event, if the photo has a tombstone already.
        """
        ...


class Tombstones(Protocol):
    def get(self, photo_id: str) -> Tombstone | None: ...

    def after(self, cursors: Mapping[int, int], limit: int) -> TombstonePage:
        """At most `limit` tombstones in all, oldest first within each chain. A chain that has more than its share of a
        page does not keep the others from being read.

        `cursors` has the position up to which the caller has read each chain, and no entry for a chain of which it has
        read nothing. For the next call, it sets the cursor of each chain to the last position returned.

        Every tombstone is listed before its `delete` returns, and no reader misses it. It may be listed twice, if the
        process that deleted the photo died or did not reach the store in between. A cursor below 0 or beyond the end of
        its chain is not from this store, and counts as 0: it is better to read twice than to miss any.
        """
        ...


class Likes(Protocol):
    """Writes are idempotent, except that the event of a removal goes into the outbox each time, in the same write."""

    def add(self, photo_id: str, user_id: str, at_ms: int) -> None: ...
    def remove(self, photo_id: str, user_id: str, event: Event | None = None) -> None: ...
    def has(self, photo_id: str, user_id: str) -> bool: ...

    def page(self, photo_id: str, before: str | None, limit: int) -> list[str]:
        """The ids of the users who like the photo, highest id first."""
        ...

    def by_user(self, user_id: str, before: str | None, limit: int) -> list[str]:
        """The ids of this region's photos that the user likes, highest id first."""
        ...


class Comments(Protocol):
    def add(self, comment: Comment) -> None: ...
    def get(self, photo_id: str, comment_id: str) -> Comment | None: ...

    def remove(self, photo_id: str, comment_id: str, event: Event | None = None) -> None:
        """Idempotent, except that the event goes into the outbox each time, in the same write."""
        ...

    def page(self, photo_id: str, before: str | None, limit: int) -> list[Comment]: ...

    def by_author(self, author_id: str, before: str | None, limit: int) -> list[Comment]:
        """What the user has written about this region's photos."""
        ...


class Follows(Protocol):
    """Who follows whom. A follow is stored in the follower's home region, and can be listed from both sides."""

    def change(self, follower_id: str, author_id: str, following: bool, *events: Event) -> None:
        """Starts or ends a follow, and puts the events into the outbox in the same write.

        Idempotent, except for the events.
        """
        ...

    def authors(self, follower_id: str, before: str | None, limit: int) -> list[str]:
        """The authors whom the user follows, highest id first."""
        ...

    def followed_among(self, follower_id: str, author_ids: Collection[str]) -> set[str]:
        """Those of these authors whom the user follows."""
        ...

    def local_followers(self, author_id: str, after: str | None, limit: int) -> tuple[list[str], str | None]:
        """One page of a walk over this region's users who follow the author, and the cursor of the next page.

        The first page is after None; the last one has no cursor. A page has at most `limit` ids, in no particular
        order. It may have fewer, even none, and not be the last. Who follows during the whole walk is listed once; who
        starts or stops meanwhile, at most once. Raises BadRequest for a text that can't be a cursor.
        """
        ...

    def add_follower_region(self, author_id: str, region: str) -> None:
        """Records, in the author's home region, that a user in `region` follows the author. Idempotent."""
        ...

    def follower_regions(self, author_id: str) -> set[str]: ...


class Replicas(Protocol):
    def put(self, replica: Replica) -> None:
        """Stores one replica per photo and region; the latest write wins. Does nothing if the photo has a tombstone."""
        ...

    def remove(self, photo_id: str, region: str) -> None: ...
    def of_photo(self, photo_id: str) -> list[Replica]: ...


class Arrivals(Protocol):
    """Which copies of other regions' photos may still arrive here.

    An offer and a deletion of one photo may run at the same time, in two processes and without a common lock. Each
    writes first and reads then: the offer calls `expect` and then looks for a tombstone, the deletion writes its
    tombstone and then calls `until`. So at least one of the two sees the other.
    """

    def expect(self, photo_id: str, until_ms: int) -> None:
        """A copy of the photo may arrive until this Unix time. When it returns, every process sees it.

        Of several times the latest counts, in whatever order they come. An hour after it the record may be forgotten.
        """
        ...

    def until(self, photo_id: str) -> int | None:
        """The time up to which a copy may arrive, which may be over; None if none is expected, or it is forgotten."""
        ...


FORGET_AFTER_MS = 3_600_000
"""How long a record of `Arrivals` is kept at least after its time."""


@dataclass(frozen=True, slots=True)
class RecordCopy:
    """A record of the region `home`, as that region sent it. `document` is opaque here; None once the record is gone.

    `about` is the id of a user or photo of that home, and `part`, if the kind has parts, that of what the record says
    of it. The three name the record.
    """

    home: str
    kind: str
    about: str
    part: str
    version: int
    document: str | None


class Copies(Protocol):
    """Records of other regions, kept here for the day when their home is lost, and shown to nobody."""

    def put(self, copies: Sequence[RecordCopy]) -> list[int | None]:
        """Keeps each, unless there is one of the same name whose version is not lower, or a tombstone of the photo that
        it is about.

        For each copy, in order: None, or the version of the different one that is there instead. Of two with one
        version, either stays. Idempotent.
        """
        ...

    def of_home(self, home: str, kind: str, after: str | None, limit: int) -> tuple[list[RecordCopy], str | None]:
        """One page of a walk over that region's records of the kind, gone ones too, and the cursor of the next page.

        The first page is after None; the last one has no cursor. A page has at most `limit`, in no particular order. It
        may have fewer, even none, and not be the last.
        """
        ...


class AuditLog(Protocol):
    def append(self, entries: Iterable[AuditEntry]) -> None: ...

    def latest(self, photo_id: str, limit: int) -> list[AuditEntry]:
        """The newest `limit` entries about the photo, the oldest of them first."""
        ...


class OutboxTable(Protocol):
    """Events that were written with a state change and are not known to be published."""

    def add(self, event: Event) -> None:
        """For an event whose change was written before."""
        ...

    def pending(self, limit: int) -> list[Event]:
        """Oldest first."""
        ...

    def remove(self, events: Sequence[Event]) -> None:
        """Removes published events. Idempotent."""
        ...


class Requests(Protocol):
    """What repeatable requests have made, for a day."""

    def first(self, request: str, made: str, at_ms: int) -> str:
        """What is kept for the request: `made`, unless an earlier one is there. `at_ms` is the Unix time.

        If it raises Unavailable, it may be repeated, with something else made.
        """
        ...


@dataclass(frozen=True, slots=True)
class Catalog:
    """One region's tables, opened.

    `check_health` reads, and writes rows of its own that it deletes again; it never raises, and its time is bounded.
    `close` is idempotent.
    """

    users: Users
    uploads: Uploads
    photos: Photos
    tombstones: Tombstones
    likes: Likes
    comments: Comments
    follows: Follows
    replicas: Replicas
    arrivals: Arrivals
    copies: Copies
    audit: AuditLog
    outbox: OutboxTable
    handles: Handles
    credentials: UserCredentials
    sessions: Sessions
    ended_sessions: EndedSessions
    erasures: AccountErasures
    requests: Requests
    check_health: Callable[[], list[CheckResult]]
    close: Callable[[], None]
