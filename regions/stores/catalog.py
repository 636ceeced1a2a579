"""The catalog port: one region's users, photos, follows, replicas, tombstones, audit log and outbox.

Every method is one write or one bounded read. A state change and its event are one write: the event goes
to the outbox in the same transaction and waits there until it is published (`regions.outbox`).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from regions.messages import Event
from regions.records import AuditEntry, Comment, Photo, Replica, Status, Tombstone, Upload, User
from regions.stores.finding import Finding


@dataclass(frozen=True, slots=True)
class Stone:
    """A tombstone and where it stands in the region's order of arrival; `position` starts at 1."""

    position: int
    tombstone: Tombstone


class Catalog(Protocol):
    """Every method raises `Unavailable` where the store can't be reached. What has returned survives kill -9.

    Lists are newest first, begin after the id `before` (from the newest where it is None) and hold at most `limit`.
    """

    def add_user(self, user: User) -> None: ...
    def user(self, user_id: str) -> User | None: ...

    def begin_photo(self, photo: Photo, upload: Upload) -> None:
        """A new photo in status `uploading`, with the upload that will bring it."""
        ...

    def upload(self, photo_id: str) -> Upload | None:
        """The upload that brought or brings this photo; None once it was aborted."""
        ...

    def abandon_photo(self, photo_id: str) -> None:
        """Forgets a photo that is still `uploading`, and its upload. Does nothing to any other."""
        ...

    def expired_uploads(self, before_ms: int, limit: int) -> list[Upload]:
        """Uploads of photos that are still `uploading` although they expired before then, oldest first."""
        ...

    def photo(self, photo_id: str) -> Photo | None:
        """None where it never was, or has a tombstone."""
        ...

    def photos(self, photo_ids: Collection[str]) -> dict[str, Photo]:
        """Those of these photos that `photo` would give, by id."""
        ...

    def photos_of(self, owner_id: str, before: str | None, limit: int) -> list[Photo]:
        """The owner's `ready` photos."""
        ...

    def change_photo(self, photo: Photo, expected: Collection[Status], event: Event | None) -> bool:
        """Replaces the photo and puts `event` in the outbox, in one write; False if its status is not `expected`."""
        ...

    def keep_copy(self, photo: Photo) -> None:
        """A photo of another region whose metadata may rest here. Does nothing where there is a tombstone."""
        ...

    def bury(self, tombstone: Tombstone, event: Event | None) -> bool:
        """Deletes the photo's metadata, likes, comments and upload for ever: the tombstone wins over all later writes.

        The event goes to the outbox in the same write. False, and no event, where it is buried already.
        """
        ...

    def tombstone(self, photo_id: str) -> Tombstone | None: ...

    def tombstones_after(self, position: int, limit: int) -> list[Stone]:
        """Oldest first, by the order in which they came to this region."""
        ...

    def like(self, photo_id: str, user_id: str, at_ms: int) -> None:
        """Idempotent."""
        ...

    def unlike(self, photo_id: str, user_id: str) -> None:
        """Idempotent."""
        ...

    def likes(self, photo_id: str, before: str | None, limit: int) -> list[str]:
        """The ids of those who like it, highest id first."""
        ...

    def add_comment(self, comment: Comment) -> None: ...
    def comments(self, photo_id: str, before: str | None, limit: int) -> list[Comment]: ...

    def set_following(self, follower_id: str, author_id: str, following: bool, event: Event) -> None:
        """Kept in the follower's home region, from both sides. Idempotent, but for the event, told each time."""
        ...

    def following(self, follower_id: str, before: str | None, limit: int) -> list[str]:
        """Whom this user of ours follows, highest id first."""
        ...

    def is_following(self, follower_id: str, author_ids: Collection[str]) -> set[str]:
        """Those of these authors whom the user follows."""
        ...

    def followers_here(self, author_id: str, before: str | None, limit: int) -> list[str]:
        """Which of our own users follow this author, highest id first."""
        ...

    def note_follower_region(self, author_id: str, region: str) -> None:
        """Kept in the author's home region: somebody in that region follows them. Idempotent."""
        ...

    def follower_regions(self, author_id: str) -> set[str]: ...

    def record_replica(self, replica: Replica) -> None:
        """One replica for each photo and region; the last one told stays. Does nothing where there is a tombstone."""
        ...

    def forget_replica(self, photo_id: str, region: str) -> None: ...
    def replicas(self, photo_id: str) -> list[Replica]: ...

    def append_audit(self, entries: Iterable[AuditEntry]) -> None: ...
    def audit(self, photo_id: str, limit: int) -> list[AuditEntry]:
        """The newest `limit` entries, oldest of them first."""
        ...

    def outbox(self, limit: int) -> list[Event]:
        """Events that are not known to be published, oldest first."""
        ...

    def published(self, events: Sequence[Event]) -> None:
        """Takes these off the outbox. Idempotent."""
        ...

    def examine(self) -> list[Finding]:
        """What is well with the store and what is not, found by reading and by writing something of its own.

        What is wrong is a finding and never raised. Bounded in time; leaves nothing behind.
        """
        ...

    def close(self) -> None: ...
