"""Clients at work on a running system, each doing one thing after another by its dice; all of it is recorded."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any
from zlib import crc32

from darkroom.client.client import Client, ClientError
from tests.builders.accounts import PASSPHRASE
from tests.builders.history import NOT_FOUND, Feed, History, Kind, Listed, Outcome, Recording
from tests.conftest import Person, draw_photo

READS = {
    Kind.PHOTO: 4, Kind.PHOTOS: 4, Kind.LIKES: 8, Kind.COMMENTS: 8, Kind.FEED: 12, Kind.FOLLOWING: 3, Kind.NAME: 3,
    Kind.IMAGE: 10,
}  # fmt: skip
"""How often each is chosen."""
ALL = READS | {
    Kind.UPLOAD: 4, Kind.DELETE: 3, Kind.LIKE: 7, Kind.UNLIKE: 5, Kind.COMMENT: 6, Kind.UNCOMMENT: 4, Kind.FOLLOW: 4,
    Kind.UNFOLLOW: 2, Kind.RENAME: 1,
}  # fmt: skip
_PAGE = 100
_TRIES = 6
_RECENT = 8
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
    comments: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By text: the photo and the comment's id."""
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

    def work(self, kinds: dict[Kind, int], until: Callable[[], bool]) -> None:
        """One thing after another."""
        while not until():
            self.do(self._dice.choices(list(kinds), list(kinds.values()))[0])

    def do(self, kind: Kind) -> None:
        if (chosen := self._choose(kind)) is not None:
            self.act(kind, *chosen)

    def look_at_everything(self) -> None:
        self.act(Kind.FEED, self.id)
        self.act(Kind.FOLLOWING, self.id)
        for user in self._everybody:
            self.act(Kind.NAME, user)
            self.act(Kind.PHOTOS, user)
        for photo_id in list(self._album.owners):
            self.act(Kind.PHOTO, photo_id)
            self.act(self._dice.choice((Kind.LIKES, Kind.COMMENTS)), photo_id)
            if photo_id in self._album.images:
                self.act(Kind.IMAGE, photo_id)

    def wait_for_own_photos(self, give_up: Callable[[], bool]) -> None:
        """Looks at each until it is ready or gone."""
        for photo_id, owner in list(self._album.owners.items()):
            while owner == self.id and not give_up():
                if self.act(Kind.PHOTO, photo_id) in ("ready", NOT_FOUND):
                    break

    def act(self, kind: Kind, target: str, value: Any = None) -> Any:
        """Returns what a read has seen."""
        with self._history.recorded(self.id, kind, target, value, self._edge) as recording:
            try:
                self._act(kind, target, value, recording)
                recording.outcome = Outcome.OK
            except ClientError as error:
                if kind.is_read and error.status == 404:
                    recording.value, recording.outcome = False if kind is Kind.IMAGE else NOT_FOUND, Outcome.OK
                elif kind.is_read or error.status in _REFUSED:
                    recording.outcome = Outcome.FAILED
        return recording.value if recording.outcome is Outcome.OK else ...

    def _choose(self, kind: Kind) -> tuple[str, Any] | None:
        """The target and the value; None if there is nothing yet."""
        self._made += 1
        mark = f"{self.id} {self._made}"
        if kind is Kind.UPLOAD:
            is_full = list(self._album.owners.values()).count(self.id) >= _MOST_PHOTOS
            return None if is_full else ("", mark)
        if kind is Kind.RENAME:
            return self.id, mark
        if kind in (Kind.FEED, Kind.FOLLOWING):
            return self.id, None
        if kind in (Kind.FOLLOW, Kind.UNFOLLOW):
            return self._dice.choice([user for user in self._everybody if user != self.id]), None
        if kind in (Kind.PHOTOS, Kind.NAME):
            return self._dice.choice(self._everybody), None
        if kind is Kind.UNCOMMENT:
            comments = list(self._album.comments.items())
            texts = [text for text, (photo_id, _) in comments if self._may_remove(text, photo_id)][-_RECENT:]
            return (self._album.comments[text := self._dice.choice(texts)][0], text) if texts else None
        photo_ids = self._photos_for(kind)
        return (self._dice.choice(photo_ids), mark if kind is Kind.COMMENT else None) if photo_ids else None

    def _photos_for(self, kind: Kind) -> list[str]:
        """Who looks does so also at what was deleted, and at what was deleted a while ago."""
        if kind.is_read:
            looked_at = self._album.recent(self._dice.choice((_RECENT, 6 * _RECENT)))
            return [one for one in looked_at if kind is not Kind.IMAGE or one in self._album.images]
        alive = self._album.alive()
        return [one for one in alive if self._album.owners[one] == self.id] if kind is Kind.DELETE else alive

    def _may_remove(self, text: str, photo_id: str) -> bool:
        is_own = text.startswith(f"{self.id} ") or self._album.owners.get(photo_id) == self.id
        return is_own and photo_id not in self._album.deleted

    def _act(self, kind: Kind, target: str, value: Any, recording: Recording) -> None:
        client, album = self._client, self._album
        match kind:
            case Kind.UPLOAD:
                self._upload(value, recording)
            case Kind.DELETE:
                album.deleted.add(target)
                client.delete(target)
            case Kind.LIKE:
                client.like(target)
            case Kind.UNLIKE:
                client.unlike(target)
            case Kind.COMMENT:
                album.comments[value] = target, client.comment(target, value)["id"]
            case Kind.UNCOMMENT:
                client.remove_comment(target, album.comments[value][1])
            case Kind.FOLLOW:
                client.follow(self.id, target)
            case Kind.UNFOLLOW:
                client.unfollow(self.id, target)
            case Kind.RENAME:
                client.rename(PASSPHRASE, value)
            case _:
                recording.value = self._read(kind, target)

    def _upload(self, caption: str, recording: Recording) -> None:
        """As a persistent app does it: one upload, resumed where it stopped. Raises ClientError."""
        photo = draw_photo(crc32(caption.encode()), 120, 90)

        def begun(upload_id: str) -> None:
            recording.target = upload_id

        for number in range(_TRIES):
            try:
                photo_id = self._client.upload(photo, caption, resume_id=recording.target or None, begun=begun)
                break
            except ClientError:
                # One whose beginning had no answer is not begun again: that would be another upload.
                if not recording.target or number == _TRIES - 1:
                    raise
        with self._album.lock:
            self._album.owners[photo_id] = self.id

    def _read(self, kind: Kind, target: str) -> Any:
        """Raises ClientError."""
        client = self._client
        if kind is Kind.PHOTO:
            photo = client.photo(target)
            if photo["status"] == "ready":
                self._album.images[target] = str(photo["variants"]["320"]).partition("/p/")[2]
            return photo["status"]
        if kind is Kind.LIKES:
            return tuple(_all_items(lambda before: client.likes(target, before, _PAGE)))
        if kind is Kind.COMMENTS:
            found = list(_all_items(lambda before: client.comments(target, before, _PAGE)))
            self._album.comments.update({one["text"]: (target, one["id"]) for one in found})
            return tuple(one["text"] for one in found)
        if kind is Kind.FOLLOWING:
            return tuple(_all_items(lambda before: client.following(target, before, _PAGE)))
        if kind is Kind.PHOTOS:
            return _listed(_all_items(lambda before: client.photos_of(target, before, _PAGE)))
        if kind is Kind.NAME:
            return client.user(target)["name"]
        if kind is Kind.IMAGE:
            return bool(client.image(f"{self._edge_url}/p/{self._album.images[target]}"))
        pages = list(_pages(lambda before: client.feed(target, before, _PAGE)))
        unavailable = tuple(photo_id for page in pages for photo_id in page["unavailable"])
        return Feed(_listed(one for page in pages for one in page["items"]), unavailable)


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
