"""Records of a catalog, named by numbers: the higher a number, the newer the id."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from regions import ids
from regions.events import messages
from regions.events.messages import Event
from regions.records import Photo, Status, Tombstone, Upload
from regions.stores.catalog import Catalog, RecordCopy


@dataclass
class Samples:
    """Records for the suites of one catalog. Only the methods that start with `create` write to it."""

    catalog: Catalog

    def user_id(self, number: int) -> str:
        return ids.to_public(ids.USER, number)

    def photo_id(self, number: int) -> str:
        return ids.to_public(ids.PHOTO, number)

    def comment_id(self, number: int) -> str:
        return ids.to_public(ids.COMMENT, number)

    def photo(self, number: int, owner: int = 1) -> Photo:
        photo_id, owner_id = self.photo_id(number), self.user_id(owner)
        return Photo(photo_id, owner_id, "eu", "eu-west", Status.UPLOADING, "a caption", 9, None, number)

    def event(self, photo: Photo) -> Event:
        return messages.photos_uploaded(photo, 50)

    def tombstone(self, photo: Photo) -> Tombstone:
        return Tombstone(photo.photo_id, photo.owner_id, 99)

    def follow(self, follower_id: str, author_id: str, following: bool = True, at_ms: int = 1) -> Event:
        return messages.follow_changed(follower_id, author_id, following, at_ms)

    def create(self, photo: Photo, expires_at_ms: int = 10_000) -> Upload:
        upload = Upload(photo.photo_id, f"multipart-{photo.photo_id}", "a.jpg", 9, 5, expires_at_ms)
        self.catalog.photos.create(photo, upload)
        return upload

    def create_ready(self, number: int, owner: int = 1) -> Photo:
        """Created and changed to `ready`, without an event."""
        photo = self.photo(number, owner)
        self.create(photo)
        photo = replace(photo, status=Status.READY)
        assert self.catalog.photos.update(photo, {Status.UPLOADING}, None)
        return photo


def all_pages(page: Callable[[str | None], list[str]]) -> list[str]:
    """All ids of a list, read in pages that each start after the last id of the one before. No id may come twice."""
    found: list[str] = []
    while more := page(found[-1] if found else None):
        found += more
        assert len(found) == len(set(found))
    return found


def all_followers(catalog: Catalog, author_id: str, limit: int = 100) -> list[str]:
    """A walk over all pages, sorted. No id may come twice, and no page may have more than `limit`."""
    page, cursor = catalog.follows.local_followers(author_id, None, limit)
    found = list(page)
    while cursor is not None:
        page, cursor = catalog.follows.local_followers(author_id, cursor, limit)
        assert len(page) <= limit
        found += page
    assert len(found) == len(set(found))
    return sorted(found)


def all_copies(catalog: Catalog, home: str, kind: str, limit: int = 100) -> list[RecordCopy]:
    """A walk over all pages, sorted. No record may come twice, and no page may have more than `limit`."""
    found, cursor = catalog.copies.of_home(home, kind, None, limit)
    while cursor is not None:
        page, cursor = catalog.copies.of_home(home, kind, cursor, limit)
        assert len(page) <= limit
        found += page
    assert len({(one.about, one.part) for one in found}) == len(found)
    return sorted(found, key=lambda one: (one.about, one.part))
