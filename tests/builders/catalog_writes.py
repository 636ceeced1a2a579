"""Writes to a catalog by a process that a test kills, and checks of what is left of them.

A number stands for one user and one photo. The process calls `write_all`, which acknowledges each write when it has
returned. The test then reads the catalog with `CatalogContents`.
"""

import os
import threading
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count

from regions import ids
from regions.errors import Unavailable
from regions.events import messages
from regions.records import Photo, Status, Tombstone, Upload, User
from regions.stores.catalog import Catalog
from tests.builders.samples import all_followers

ALL_WRITES = {"user", "created", "changed", "liked", "deleted", "followed"}
"""Acknowledged for numbers that are divisible by 3; the photos of others are not deleted."""

EVERYTHING = 1_000_000


def acknowledge(write: str, number: int) -> None:
    os.write(1, f"{write} {number}\n".encode())


def acknowledgements(lines: Iterable[str]) -> dict[int, set[str]]:
    """The acknowledged writes of each number."""
    found = defaultdict(set)
    for line in lines:
        write, number = line.split()
        found[int(number)].add(write)
    return found


def write_all(catalog: Catalog, number: int) -> None:
    user_id, photo_id = ids.to_public(ids.USER, number), ids.to_public(ids.PHOTO, number)
    catalog.users.add(User(user_id, "Ana", "PT", "eu", "eu-west", 1))
    acknowledge("user", number)
    photo = Photo(photo_id, user_id, "eu", "eu-west", Status.UPLOADING, "", 9, None, number)
    catalog.photos.create(photo, Upload(photo_id, "m", "a.jpg", 9, 9, 1))
    acknowledge("created", number)
    processing = replace(photo, status=Status.PROCESSING)
    assert catalog.photos.update(processing, {Status.UPLOADING}, messages.photos_uploaded(photo, 1))
    acknowledge("changed", number)
    catalog.likes.add(photo_id, user_id, 1)
    acknowledge("liked", number)
    if number % 3 == 0:
        assert catalog.photos.delete(Tombstone(photo_id, user_id, 1), messages.photo_deleted(photo, 1))
        acknowledge("deleted", number)
    author_id = ids.to_public(ids.USER, number + 1)
    catalog.follows.change(user_id, author_id, True, messages.follow_changed(user_id, author_id, True, 1))
    acknowledge("followed", number)


def write_for_ever(catalog: Catalog) -> None:
    """Four threads, each of which writes numbers of its own, whether the store answers or not."""

    def write_from(first: int) -> None:
        for number in count(first, 4):
            try:
                write_all(catalog, number)
            except Unavailable:
                acknowledge("unavailable", number)
                threading.Event().wait(0.2)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write_from, range(4)))


def _listed(catalog: Catalog) -> set[str]:
    """The photos in the order of tombstones, which a reader reads in pages."""
    cursors: dict[int, int] = {}
    found: set[str] = set()
    while page := catalog.tombstones.after(cursors, EVERYTHING).entries:
        found |= {entry.tombstone.photo_id for entry in page}
        cursors |= {entry.chain: entry.position for entry in page}
    return found


class CatalogContents:
    """What the catalog holds about each number, compared with the events in its outbox."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._events = [(event.topic, event.key) for event in catalog.outbox.pending(EVERYTHING)]
        self._listed = _listed(catalog)

    def writes(self, number: int) -> set[str]:
        """The writes that took effect. Fails if a state is there without its event or an event without its state."""
        user_id, photo_id = ids.to_public(ids.USER, number), ids.to_public(ids.PHOTO, number)
        author_id = ids.to_public(ids.USER, number + 1)
        photo, deleted = self._catalog.photos.get(photo_id), self._catalog.tombstones.get(photo_id) is not None
        changed = deleted or (photo is not None and photo.status is Status.PROCESSING)
        followed = self._catalog.follows.authors(user_id, None, 9) == [author_id]
        likes = self._catalog.likes.page(photo_id, None, 9)
        assert changed == self._has_event("photos_uploaded", photo_id)
        assert deleted == self._has_event("photo_deleted", photo_id) == (photo_id in self._listed)
        assert followed == self._has_event("follow_changed", author_id)
        assert followed == (all_followers(self._catalog, author_id) == [user_id])
        assert (photo is None) == (self._catalog.uploads.get(photo_id) is None)
        assert not (deleted and likes)
        took_effect = {
            "user": self._catalog.users.get(user_id) is not None,
            "created": deleted or photo is not None,
            "changed": changed,
            "liked": deleted or likes == [user_id],
            "deleted": deleted,
            "followed": followed,
        }
        return {write for write, is_there in took_effect.items() if is_there}

    def _has_event(self, topic: str, key: str) -> bool:
        """Fails if the event is there twice."""
        assert self._events.count((topic, key)) <= 1
        return (topic, key) in self._events
