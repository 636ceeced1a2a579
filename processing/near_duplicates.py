"""Whether an owner has another photo that looks the same: asked of an actor, which knows the newest photos.

Of two equal photos under way at once, the one that is asked about first is the original. Only originals are named. The
actor remembers what it has answered, so a photo that is processed again gets the same answer; and what is recorded in
the catalog wins over that, so no two photos are near-duplicates of each other, even if the actor and a processor died
in between.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from processing.fingerprints import PERCEPTUAL_BITS
from processing.moderation import DISTANCE_BITS
from regions.batches import Batches, Waiting
from regions.cluster.actors import SharedActor
from regions.errors import Unavailable
from regions.records import Fingerprint, Status
from regions.stores.catalog import Photos

NEWEST = 200
"""How many photos of an owner a new one is compared with."""
MOST_PHOTOS = 200_000
"""How many the actor knows, of all owners: about 40 MB, in a worker that also decodes photos."""

_ASK_EVERY_S = 0.05
_TRIES = 5
_HEX_DIGITS = PERCEPTUAL_BITS // 4


def actor_name(region: str) -> str:
    return f"fingerprints-{region}"


@dataclass(frozen=True, slots=True)
class Question:
    owner_id: str
    photo_id: str
    perceptual_hash: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`near_duplicate_of` is None if the owner has nothing like it."""

    near_duplicate_of: str | None


@dataclass(slots=True)
class _Known:
    bits: bytes
    near_duplicate_of: str | None


@dataclass(slots=True)
class _Owner:
    photos: dict[str, _Known] = field(default_factory=dict)

    def nearest(self, photo_id: str, bits: bytes) -> str | None:
        """Of the originals that look like it the most similar one, and of several the oldest.

        A near-duplicate whose original is not among these photos counts as one, unless that original is this photo.
        """
        not_named = self.photos.keys() | {photo_id}
        ids = sorted(other for other, known in self.photos.items() if known.near_duplicate_of not in not_named)
        if not ids:
            return None
        others = np.frombuffer(b"".join(self.photos[other].bits for other in ids), np.uint64).reshape(len(ids), -1)
        bits_apart = np.bitwise_count(others ^ np.frombuffer(bits, np.uint64)).sum(axis=1)
        nearest = int(bits_apart.argmin())
        return ids[nearest] if bits_apart[nearest] <= DISTANCE_BITS else None

    def add(self, photo_id: str, known: _Known) -> None:
        self.photos[photo_id] = known
        if len(self.photos) > NEWEST:
            del self.photos[min(self.photos)]


Lesson = tuple[str, Sequence[Fingerprint]]
"""An owner's id, and the fingerprints of their newest photos."""


class Fingerprints:
    """The actor: 12,000 answers/s on one core, for owners with 200 photos. One call runs at a time.

    It forgets the owners who were not asked about for the longest.
    """

    def __init__(self, most_photos: int = MOST_PHOTOS) -> None:
        self._most_photos = most_photos
        self._owners: OrderedDict[str, _Owner] = OrderedDict()
        self._photos = 0

    def find(self, questions: Sequence[Question]) -> list[Answer | None]:
        """None for a photo whose owner it does not know: teach it, and ask again."""
        return [self._find(question) for question in questions]

    def teach(self, lessons: Sequence[Lesson]) -> None:
        """Changes nothing of an owner whom it knows: another processor was faster, and photos have been added since."""
        for owner_id, fingerprints in lessons:
            if owner_id not in self._owners:
                self._teach(owner_id, fingerprints)

    def _teach(self, owner_id: str, fingerprints: Sequence[Fingerprint]) -> None:
        owner = self._owners[owner_id] = _Owner()
        for known in fingerprints:
            # Up to version 0.2, hashes were shorter; they can't be compared.
            if len(known.perceptual_hash) == _HEX_DIGITS:
                owner.add(known.photo_id, _Known(bytes.fromhex(known.perceptual_hash), known.near_duplicate_of))
        self._photos += len(owner.photos)
        self._forget_owners()

    def forget(self, owner_id: str, *photo_ids: str) -> None:
        if owner := self._owners.get(owner_id):
            self._photos -= sum(owner.photos.pop(photo_id, None) is not None for photo_id in photo_ids)

    def _find(self, question: Question) -> Answer | None:
        owner = self._owners.get(question.owner_id)
        if owner is None:
            return None
        self._owners.move_to_end(question.owner_id)
        if question.photo_id not in owner.photos:
            bits, before = bytes.fromhex(question.perceptual_hash), len(owner.photos)
            near_duplicate_of = owner.nearest(question.photo_id, bits)
            owner.add(question.photo_id, _Known(bits, near_duplicate_of))
            self._photos += len(owner.photos) - before
            self._forget_owners()
            return Answer(near_duplicate_of)
        return Answer(owner.photos[question.photo_id].near_duplicate_of)

    def _forget_owners(self) -> None:
        while self._photos > self._most_photos and len(self._owners) > 1:
            _, forgotten = self._owners.popitem(last=False)
            self._photos -= len(forgotten.photos)


class NearDuplicates:
    """A processor's side, on its event loop: all photos that ended within 50 ms are one call, and so are all owners."""

    def __init__(self, actor: SharedActor, photos: Photos, threads: Executor) -> None:
        self._actor, self._photos, self._threads = actor, photos, threads
        self._asked: Batches[Question, Answer | None] = Batches(self._ask, _ASK_EVERY_S)
        # Not the same: the first question would make the second one wait.
        self._asked_again: Batches[Question, Answer | None] = Batches(self._ask, _ASK_EVERY_S)
        self._lessons: Batches[Lesson, None] = Batches(self._teach_all, _ASK_EVERY_S)
        self._teaching: dict[str, asyncio.Task[None]] = {}

    async def find(self, owner_id: str, photo_id: str, perceptual_hash: str) -> str | None:
        """The id of the owner's original that this one looks like. Raises Unavailable: then the photo waits."""
        question = Question(owner_id, photo_id, perceptual_hash)
        asked = self._asked
        for _ in range(NEWEST + _TRIES):
            answer = await asked.put(question)
            asked = self._asked_again
            if answer is None:
                await self._teach(owner_id)
                continue
            named = answer.near_duplicate_of
            if named is None or await self._in_thread(self._may_be_named, named):
                return named
            # It was deleted, or has failed. Then this photo is the first of its kind again, and asked about once more.
            await self._actor.call("forget", owner_id, named, photo_id)
        raise Unavailable("the actor forgets owners faster than it learns them")

    def _may_be_named(self, photo_id: str) -> bool:
        """Also one that is not ready yet: of equal photos under way at once, one is the original."""
        photo = self._photos.get(photo_id)
        return photo is not None and photo.status not in (Status.FAILED, Status.REJECTED)

    async def _ask(self, asked: list[Waiting[Question, Answer | None]]) -> None:
        answers = await self._actor.call("find", [waiting.item for waiting in asked])
        for waiting, answer in zip(asked, answers, strict=True):
            waiting.resolve(answer)

    async def _teach(self, owner_id: str) -> None:
        """Once for all photos of the owner that wait."""
        if owner_id not in self._teaching:
            self._teaching[owner_id] = asyncio.create_task(self._load_and_teach(owner_id))
        await asyncio.shield(self._teaching[owner_id])

    async def _teach_all(self, lessons: list[Waiting[Lesson, None]]) -> None:
        await self._actor.call("teach", [waiting.item for waiting in lessons])
        for waiting in lessons:
            waiting.resolve(None)

    async def _load_and_teach(self, owner_id: str) -> None:
        try:
            newest = await self._in_thread(self._photos.fingerprints, owner_id, NEWEST)
            await self._lessons.put((owner_id, newest))
        finally:
            del self._teaching[owner_id]

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
