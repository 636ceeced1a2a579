"""Clients at work on a running system, each doing one thing after another by its dice; all of it is recorded."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any
from zlib import crc32

from darkroom.client.client import Client, ClientError
from regions.waiting import attempts
from tests.builders.accounts import PASSPHRASE
from tests.builders.history import NOT_FOUND, Completion, Feed, History, Listed, OpenOperation, Verb
from tests.conftest import Person, draw_photo

READS = {
    Verb.PHOTO: 4, Verb.PHOTOS: 4, Verb.LIKES: 8, Verb.COMMENTS: 8, Verb.FEED: 12, Verb.FOLLOWING: 3, Verb.NAME: 3,
    Verb.IMAGE: 10,
}  # fmt: skip
"""How often each is chosen."""
ALL = READS | {
    Verb.UPLOAD: 4, Verb.DELETE: 3, Verb.LIKE: 7, Verb.UNLIKE: 5, Verb.COMMENT: 6, Verb.UNCOMMENT: 4, Verb.FOLLOW: 4,
    Verb.UNFOLLOW: 2, Verb.RENAME: 1,
}  # fmt: skip
_MAY_BE_GONE = (Verb.PHOTO, Verb.LIKES, Verb.COMMENTS, Verb.IMAGE)
"""No user ever is."""
_PAGE = 100
_TRIES = 6
_RECENT = 8
_MOST_WAITING = 2
_MOST_PHOTOS = 60
"""Of one owner, fewer than a new follower finds in the feed."""
_REFUSED = (400, 403, 409, 422, 429, 451)
"""The statuses of a write that was refused before it did anything. A 404 may be that of a second attempt."""


@dataclass
class Album:
    """What there is to talk about; all participants add to it."""

    owners: dict[str, str] = field(default_factory=dict)
    """By photo, oldest first."""
    images: dict[str, str] = field(default_factory=dict)
    """The path of each photo that was seen ready."""
    deleted: set[str] = field(default_factory=set)
    """Perhaps: somebody has asked for it."""
    comments: dict[str, str] = field(default_factory=dict)
    """The photo, by text: of those that may still be there."""
    comment_ids: dict[str, str] = field(default_factory=dict)
    """By text."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def recent(self, count: int) -> list[str]:
        with self.lock:
            return list(self.owners)[-count:]

    def alive(self) -> list[str]:
        """The latest that may still be there, and were seen ready."""
        with self.lock:
            return [photo_id for photo_id in self.owners if self._is_alive(photo_id)][-_RECENT:]

    def _is_alive(self, photo_id: str) -> bool:
        return photo_id in self.images and photo_id not in self.deleted


class Participant:
    """`person` through the edge of that name: the API by `link`, images by `edge_url`."""

    def __init__(
        self, person: Person, edge: str, edge_url: str, link: Client, everybody: list[str], album: Album,
        history: History, dice: Random,
    ) -> None:  # fmt: skip
        self.id, self._edge, self._edge_url, self._client = person.id, edge, edge_url, link
        self._everybody, self._album, self._history, self._dice = everybody, album, history, dice
        self._made = 0

    def work(self, verbs: dict[Verb, int], until: Callable[[], bool]) -> None:
        """One thing after another."""
        while not until():
            self.do(self._dice.choices(list(verbs), list(verbs.values()))[0])

    def begin(self, within_s: float) -> None:
        """So that there is something to talk about: a photo, which is ready, and somebody whom they follow."""
        self.act(Verb.FOLLOW, self._everybody[self._everybody.index(self.id) - 1])
        self.do(Verb.UPLOAD)
        self.wait_for_own_photos(within_s)

    def do(self, verb: Verb) -> None:
        if (chosen := self._choose(verb)) is not None:
            self.act(verb, *chosen)

    def look_at_everything(self) -> None:
        self.act(Verb.FEED, self.id)
        self.act(Verb.FOLLOWING, self.id)
        for user in self._everybody:
            self.act(Verb.NAME, user)
            self.act(Verb.PHOTOS, user)
        for photo_id in list(self._album.owners):
            self.act(Verb.PHOTO, photo_id)
            self.act(self._dice.choice((Verb.LIKES, Verb.COMMENTS)), photo_id)
            if photo_id in self._album.images:
                self.act(Verb.IMAGE, photo_id)

    def wait_for_own_photos(self, within_s: float) -> None:
        """Looks at each until it is ready or gone."""
        waiting = {photo_id for photo_id, owner in list(self._album.owners.items()) if owner == self.id}
        for _ in attempts(within_s, max_s=1.0):
            waiting = {one for one in waiting if self.act(Verb.PHOTO, one) not in ("ready", NOT_FOUND)}
            if not waiting:
                return

    def act(self, verb: Verb, target: str, value: Any = None) -> Any:
        """Returns what a read has seen."""
        with self._history.recorded(self.id, verb, target, value, self._edge) as operation:
            try:
                self._act(verb, target, value, operation)
                operation.completion = Completion.OK
            except ClientError as error:
                if verb in _MAY_BE_GONE and error.status == 404:
                    operation.value, operation.completion = False if verb is Verb.IMAGE else NOT_FOUND, Completion.OK
                elif verb.is_read and error.status == 404:
                    raise
                elif verb.is_read or error.status in _REFUSED:
                    operation.completion = Completion.FAILED
        return operation.value if operation.completion is Completion.OK else ...

    def _choose(self, verb: Verb) -> tuple[str, Any] | None:
        """The target and the value; None if there is nothing yet."""
        self._made += 1
        mark = f"{self.id} {self._made}"
        if verb is Verb.UPLOAD:
            return ("", mark) if self._may_upload() else None
        if verb is Verb.RENAME:
            return self.id, mark
        if verb in (Verb.FEED, Verb.FOLLOWING):
            return self.id, None
        if verb in (Verb.FOLLOW, Verb.UNFOLLOW):
            return self._dice.choice([user for user in self._everybody if user != self.id]), None
        if verb in (Verb.PHOTOS, Verb.NAME):
            return self._dice.choice(self._everybody), None
        if verb is Verb.UNCOMMENT:
            comments = list(self._album.comments.items())
            mine = [(photo_id, text) for text, photo_id in comments if self._may_remove(text, photo_id)]
            return self._dice.choice(mine[-_RECENT:]) if mine else None
        photo_ids = self._photos_for(verb)
        return (self._dice.choice(photo_ids), mark if verb is Verb.COMMENT else None) if photo_ids else None

    def _may_upload(self) -> bool:
        """Few at a time, since nothing else can be done with photos that wait for a worker."""
        own = [photo_id for photo_id, owner in list(self._album.owners.items()) if owner == self.id]
        waiting = [photo_id for photo_id in own if photo_id not in self._album.images]
        return len(own) < _MOST_PHOTOS and len(set(waiting) - self._album.deleted) < _MOST_WAITING

    def _photos_for(self, verb: Verb) -> list[str]:
        """Who looks does so also at what was deleted, and at what was deleted a while ago."""
        if verb.is_read:
            looked_at = self._album.recent(self._dice.choice((_RECENT, 6 * _RECENT)))
            return [one for one in looked_at if verb is not Verb.IMAGE or one in self._album.images]
        alive = self._album.alive()
        return [one for one in alive if self._album.owners[one] == self.id] if verb is Verb.DELETE else alive

    def _may_remove(self, text: str, photo_id: str) -> bool:
        is_own = text.startswith(f"{self.id} ") or self._album.owners.get(photo_id) == self.id
        return is_own and photo_id not in self._album.deleted

    def _act(self, verb: Verb, target: str, value: Any, operation: OpenOperation) -> None:
        client, album = self._client, self._album
        match verb:
            case Verb.UPLOAD:
                self._upload(value, operation)
            case Verb.DELETE:
                album.deleted.add(target)
                client.delete(target)
            case Verb.LIKE:
                client.like(target)
            case Verb.UNLIKE:
                client.unlike(target)
            case Verb.COMMENT:
                album.comment_ids[value] = client.comment(target, value)["id"]
                album.comments[value] = target
            case Verb.UNCOMMENT:
                client.remove_comment(target, album.comment_ids[value])
                album.comments.pop(value, None)
            case Verb.FOLLOW:
                client.follow(self.id, target)
            case Verb.UNFOLLOW:
                client.unfollow(self.id, target)
            case Verb.RENAME:
                client.rename(PASSPHRASE, value)
            case _:
                operation.value = self._read(verb, target)

    def _upload(self, caption: str, operation: OpenOperation) -> None:
        """As a persistent app does it: one upload, resumed where it stopped. Raises ClientError."""
        photo = photo_of(caption)

        def begun(upload_id: str) -> None:
            operation.target = upload_id

        for number in range(_TRIES):
            try:
                photo_id = self._client.upload(photo, caption, resume_id=operation.target or None, begun=begun)
                break
            except ClientError:
                # One whose beginning had no answer is not begun again: that would be another upload.
                if not operation.target or number == _TRIES - 1:
                    raise
        with self._album.lock:
            self._album.owners[photo_id] = self.id

    def _read(self, verb: Verb, target: str) -> Any:
        """Raises ClientError."""
        client = self._client
        if verb is Verb.PHOTO:
            photo = client.photo(target)
            if photo["status"] == "ready":
                self._album.images[target] = str(photo["variants"]["320"]).partition("/p/")[2]
            return photo["status"]
        if verb is Verb.LIKES:
            return tuple(_all_items(lambda before: client.likes(target, before, _PAGE)))
        if verb is Verb.COMMENTS:
            found = list(_all_items(lambda before: client.comments(target, before, _PAGE)))
            self._album.comment_ids.update({one["text"]: one["id"] for one in found})
            return tuple(one["text"] for one in found)
        if verb is Verb.FOLLOWING:
            return tuple(_all_items(lambda before: client.following(target, before, _PAGE)))
        if verb is Verb.PHOTOS:
            return _listed(_all_items(lambda before: client.photos_of(target, before, _PAGE)))
        if verb is Verb.NAME:
            return client.user(target)["name"]
        if verb is Verb.IMAGE:
            return bool(client.image(f"{self._edge_url}/p/{self._album.images[target]}"))
        pages = list(_pages(lambda before: client.feed(target, before, _PAGE)))
        unavailable = tuple(photo_id for page in pages for photo_id in page["unavailable"])
        return Feed(_listed(one for page in pages for one in page["items"]), unavailable)


def photo_of(caption: str) -> bytes:
    """What a participant uploads with this caption."""
    return draw_photo(crc32(caption.encode()), 120, 90)


def _listed(photos: Iterator[dict[str, Any]]) -> tuple[Listed, ...]:
    return tuple((photo["id"], photo["owner"], photo["caption"]) for photo in photos)


def _pages(read: Callable[[str | None], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    before = None
    while True:
        yield (page := read(before))
        if (before := page["next"]) is None:
            return


def _all_items(read: Callable[[str | None], dict[str, Any]]) -> Iterator[Any]:
    return (item for page in _pages(read) for item in page["items"])
