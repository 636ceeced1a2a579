"""Hundreds of small photos for a region, good, damaged, forbidden and equal ones, and what became of each."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random

from regions.clock import now_ms
from regions.events import messages
from regions.records import Photo, Status, Tombstone
from tests.builders.rooms import Room

_HOUR_MS = 3_600_000

OWNERS = 60
"""Numbered from 1. The owners of equal photos follow: each of those has one group, and nothing else."""
GROUPS, EQUAL = 12, 4
_DAMAGED, _KNOWN_BAD = 24, 5


@dataclass(frozen=True, slots=True)
class Planned:
    """`outcome` is `ready`, or the reason's code; photos of one `group` are equal. `sha256` is what the client claims.

    `number` is the photo's, from 1 in the order of uploads.
    """

    number: int
    owner: int
    data: bytes
    outcome: str
    group: int | None = None
    sha256: str | None = None


class Plan:
    """What is uploaded. The same dice always plan the same."""

    def __init__(self, draw: Callable[..., bytes], dice: Random, photos: int) -> None:
        self._draw, self._dice = draw, dice
        kinds = [*self._equal(), *self._damaged(), *self._known_bad()]
        kinds += [("ready", self._picture(number), None, None) for number in range(photos - len(kinds))]
        dice.shuffle(kinds)
        self.photos = [
            Planned(number, self._owner(group), data, outcome, group, sha256)
            for number, (outcome, data, group, sha256) in enumerate(kinds, 1)
        ]

    @property
    def known_bad(self) -> str:
        """The list by which some are rejected."""
        return f"sha256 {hashlib.sha256(self._picture(30_000)).hexdigest()}"

    def one_more(self, group: int, number: int) -> Planned:
        return Planned(number, self._owner(group), self._picture(10_000 + group), "ready", group)

    def _equal(self) -> Iterator[tuple[str, bytes, int | None, str | None]]:
        for group in range(GROUPS):
            yield from [("ready", self._picture(10_000 + group), group, None)] * EQUAL

    def _damaged(self) -> Iterator[tuple[str, bytes, int | None, str | None]]:
        for number in range(20_000, 20_000 + _DAMAGED, 3):
            yield "truncated", self._picture(number)[:1_000], None, None
            yield "not-an-image", b"no photo %d" % number, None, None
            yield "checksum-mismatch", self._picture(number), None, "0" * 64

    def _known_bad(self) -> Iterable[tuple[str, bytes, int | None, str | None]]:
        return [("known-bad", self._picture(30_000), None, None)] * _KNOWN_BAD

    def _owner(self, group: int | None) -> int:
        return self._dice.randint(1, OWNERS) if group is None else OWNERS + 1 + group

    def _picture(self, seed: int) -> bytes:
        return self._draw(seed, width=200, height=150)


@dataclass
class Uploads:
    """What was uploaded to the region, by the photo's id; and when each upload was complete."""

    room: Room
    planned: dict[str, Planned] = field(default_factory=dict)
    complete_s: dict[str, float] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    _ended: set[str] = field(default_factory=set)

    def upload(self, *planned: Planned) -> None:
        """Any thread may call it."""
        for each in planned:
            owner_id = self.room.user_id(each.owner)
            photo, _ = self.room.uploaded(
                each.data, each.number, owner_id=owner_id, sha256=each.sha256, expires_at_ms=now_ms() + _HOUR_MS
            )
            self.complete_s[photo.photo_id] = time.time()
            self.planned[photo.photo_id] = each

    def delete(self, photo_id: str) -> None:
        """As the origin does; the replicator erases its objects."""
        stores, photo = self.room.stores, self.recorded(photo_id)
        assert photo is not None
        event = messages.photo_deleted(photo, self.room.clock_ms)
        assert stores.catalog.photos.delete(Tombstone(photo_id, photo.owner_id, self.room.clock_ms), event)
        stores.events.publish([event])
        stores.catalog.outbox.remove([event])
        self.deleted.add(photo_id)

    def recorded(self, photo_id: str) -> Photo | None:
        return self.room.stores.catalog.photos.get(photo_id)

    def all_recorded(self) -> dict[str, Photo]:
        """By id, without those that were deleted."""
        found = {photo_id: self.recorded(photo_id) for photo_id in list(self.planned)}
        return {photo_id: photo for photo_id, photo in found.items() if photo is not None}

    def under_way(self) -> list[str]:
        """In the order of uploads. What has ended is not asked about again."""
        for photo_id in list(self.planned):
            if photo_id not in self._ended:
                photo = self.recorded(photo_id)
                if photo is None or photo.status is not Status.PROCESSING:
                    self._ended.add(photo_id)
        return [photo_id for photo_id in list(self.planned) if photo_id not in self._ended]

    def ended(self) -> int:
        """How many; of those that were deleted too."""
        self.under_way()
        return len(self._ended)

    def ready(self) -> dict[str, Photo]:
        return {photo_id: photo for photo_id, photo in self.all_recorded().items() if photo.status is Status.READY}

    def ready_of(self, group: int) -> dict[str, Photo]:
        return {photo_id: photo for photo_id, photo in self.ready().items() if self.planned[photo_id].group == group}
