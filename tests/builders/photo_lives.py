"""Does every photo appear once, stay, and once it is deleted never come back? Pure.

A photo is absent, then there for its owner (hidden), then ready for everybody, and then gone for good. What its home
answers is one order for all clients; edges, and feeds in other regions, hear of the photo's end within a bound.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from tests.builders.history import NOT_FOUND, Completion, Operation, Verb
from tests.builders.promises import Guarantee, HomeOf, Moments, Violation, of_stale_read

READY_STATUS = "ready"


class State(Enum):
    ABSENT = "absent"
    HIDDEN = "hidden"
    THERE = "there"
    """Ready, or hidden from all but the owner, who asks."""
    READY = "ready"


@dataclass(frozen=True, slots=True)
class PhotoSight:
    state: State
    at_home: bool
    operation: Operation


@dataclass
class Life:
    """What operations say of one photo, in the order in which operations began."""

    photo_id: str
    owner: str = ""
    upload: Operation | None = None
    deletes: list[Operation] = field(default_factory=list)
    sights: list[PhotoSight] = field(default_factory=list)

    @property
    def acknowledged_s(self) -> float:
        """From when on its owner can count on it."""
        is_acknowledged = self.upload is not None and self.upload.completion is Completion.OK
        return self.upload.returned_s if is_acknowledged else math.inf

    def first_ready(self) -> Operation | None:
        """The sight by whose end the photo surely was ready."""
        return _first_to_end(sight.operation for sight in self.sights if sight.state is State.READY)

    def first_gone(self) -> Operation | None:
        """By whose end it surely was deleted: an acknowledged deletion, or the first who missed it."""
        acknowledged = [delete for delete in self.deletes if delete.completion is Completion.OK]
        ready = self.first_ready()
        missed = [
            sight.operation
            for sight in self.sights
            if ready is not None
            and (sight.state, sight.at_home) == (State.ABSENT, True)
            and sight.operation.invoked_s > ready.returned_s
            and self.may_be_deleted(sight.operation)
        ]
        return _first_to_end([*acknowledged, *missed])

    def may_be_deleted(self, read: Operation) -> bool:
        """Whether a deletion may have taken effect before the read returned."""
        return any(delete.invoked_s < read.returned_s for delete in self.deletes)


def violations(done: Sequence[Operation], home_of: HomeOf, moments: Moments) -> Iterator[Violation]:
    """`done` is in the order in which operations began, and has none that failed."""
    lives = _lives(done, home_of)
    for life in lives.values():
        yield from _of_life(life, moments)
    for follower in sorted({one.process for one in done if one.verb is Verb.FEED}):
        yield from _of_feed([one for one in done if one.process == follower], lives, moments)


def captions(operation: Operation) -> Iterator[tuple[str, str]]:
    """The photos of which an operation says the caption: (photo, caption)."""
    if operation.verb is Verb.UPLOAD and operation.target:
        yield operation.target, operation.value
    elif operation.verb is Verb.PHOTOS:
        yield from ((photo_id, caption) for photo_id, _, caption in operation.value)
    elif operation.verb is Verb.FEED:
        yield from ((photo_id, caption) for photo_id, _, caption in operation.value.photos)


def _lives(done: Sequence[Operation], home_of: HomeOf) -> dict[str, Life]:
    lives: dict[str, Life] = {}

    def life(photo_id: str, owner: str = "") -> Life:
        found = lives.setdefault(photo_id, Life(photo_id))
        found.owner = found.owner or owner
        return found

    for one in done:
        if one.verb is Verb.UPLOAD and one.target:
            life(one.target, one.process).upload = one
        elif one.verb is Verb.DELETE:
            life(one.target).deletes.append(one)
        elif one.verb in (Verb.PHOTOS, Verb.FEED):
            for photo_id, owner, _ in one.value if one.verb is Verb.PHOTOS else one.value.photos:
                is_home = one.verb is Verb.PHOTOS or home_of(photo_id) == home_of(one.process)
                life(photo_id, owner).sights.append(PhotoSight(State.READY, is_home, one))
        elif one.verb is Verb.IMAGE:
            state = State.READY if one.value else State.ABSENT
            life(one.target).sights.append(PhotoSight(state, False, one))
        elif one.verb in (Verb.PHOTO, Verb.LIKES, Verb.COMMENTS):
            life(one.target).sights.append(PhotoSight(_state(one), True, one))
    _add_missing(done, lives)
    return lives


def _add_missing(done: Sequence[Operation], lives: dict[str, Life]) -> None:
    """An owner's list says also of those that are not in it that they are not there."""
    photos_of: dict[str, list[Life]] = defaultdict(list)
    for life in lives.values():
        photos_of[life.owner].append(life)
    for one in done:
        if one.verb is Verb.PHOTOS:
            listed = {photo_id for photo_id, _, _ in one.value}
            for life in photos_of[one.target]:
                if life.photo_id not in listed:
                    life.sights.append(PhotoSight(State.ABSENT, True, one))


def _state(read: Operation) -> State:
    if read.value is NOT_FOUND:
        return State.ABSENT
    if read.verb is not Verb.PHOTO:
        return State.THERE
    return State.READY if read.value == READY_STATUS else State.HIDDEN


def _of_life(life: Life, moments: Moments) -> Iterator[Violation]:
    ready, gone = life.first_ready(), life.first_gone()
    gone_everywhere_s = moments.everywhere_s(gone.returned_s) if gone else math.inf
    for sight in life.sights:
        read, what = sight.operation, f"{life.photo_id} is {sight.state.value}"
        gone_s = math.inf if gone is None else gone.returned_s if sight.at_home else gone_everywhere_s
        if sight.state is State.ABSENT:
            yield from _of_absence(life, sight, ready, moments)
        elif read.invoked_s > gone_s:
            yield Violation(Guarantee.RESURRECTED, read, what, gone)
        elif sight.state is State.HIDDEN and ready is not None and read.invoked_s > ready.returned_s:
            yield Violation(of_stale_read(read, ready), read, f"{life.photo_id} is {read.value} again", ready)
        elif sight.state is State.HIDDEN and read.invoked_s > moments.ready_s(life.acknowledged_s):
            yield Violation(Guarantee.EVENTUAL, read, f"{life.photo_id} is {read.value}", life.upload)


def _of_absence(life: Life, sight: PhotoSight, ready: Operation | None, moments: Moments) -> Iterator[Violation]:
    read, what = sight.operation, f"{life.photo_id} is absent, and nobody deleted it"
    if life.may_be_deleted(read):
        return
    # A photo that is not public yet is a 404 to others, and an edge repeats that for a moment.
    patience_s = 0.0 if sight.at_home else moments.bounds.refused_s
    if ready is not None and read.invoked_s > ready.returned_s + patience_s:
        yield Violation(of_stale_read(read, ready), read, what, ready)
        return
    is_owners = read.process == life.owner and sight.at_home and read.verb is not Verb.PHOTOS
    if is_owners and read.invoked_s > life.acknowledged_s:
        yield Violation(Guarantee.READ_YOUR_WRITES, read, what, life.upload)


def _of_feed(done: Sequence[Operation], lives: dict[str, Life], moments: Moments) -> Iterator[Violation]:
    """Of what one follower did."""
    changes: dict[str, list[Operation]] = defaultdict(list)
    last_seen: dict[str, Operation] = {}
    for one in done:
        if one.verb in (Verb.FOLLOW, Verb.UNFOLLOW):
            changes[one.target].append(one)
    ready = {life.photo_id: found for life in lives.values() if life.owner in changes and (found := life.first_ready())}
    for read in done:
        if read.verb is not Verb.FEED:
            continue
        listed = {photo_id for photo_id, _, _ in read.value.photos}
        for photo_id in (last_seen.keys() | ready.keys()) - listed - set(read.value.unavailable):
            life = lives[photo_id]
            if life.may_be_deleted(read):
                continue
            seen, unfollows = last_seen.get(photo_id), [one for one in changes[life.owner] if one.verb is Verb.UNFOLLOW]
            if seen and not _may_be_between(unfollows, seen, read, moments):
                yield Violation(Guarantee.MONOTONIC_READS, read, f"{photo_id} is in the feed no more", seen)
                del last_seen[photo_id]
            elif (late := _late(life, ready.get(photo_id), changes[life.owner], read, moments)) is not None:
                yield Violation(Guarantee.EVENTUAL, read, f"{photo_id} is not in the feed", late)
        last_seen.update(dict.fromkeys(listed, read))


def _late(
    life: Life, ready: Operation | None, changes: Sequence[Operation], read: Operation, moments: Moments
) -> Operation | None:
    """What should have brought the photo into the feed by now; None if nothing must have."""
    unfollows = [one for one in changes if one.verb is Verb.UNFOLLOW]
    follows = [one for one in changes if one.verb is Verb.FOLLOW and one.completion is Completion.OK]
    lasting = (one for one in follows if not _may_be_between(unfollows, one, read, moments))
    follow = _first_to_end(lasting)
    if ready is None or follow is None:
        return None
    if read.invoked_s <= moments.everywhere_s(max(follow.returned_s, ready.returned_s)):
        return None
    return ready if ready.returned_s > follow.returned_s else follow


def _may_be_between(writes: Iterable[Operation], first: Operation, last: Operation, moments: Moments) -> bool:
    """Whether one of these may have taken effect after the first had begun, and before the last had returned."""
    return any(one.invoked_s < last.returned_s and moments.bounds.until_s(one) >= first.invoked_s for one in writes)


def _first_to_end(operations: Iterable[Operation]) -> Operation | None:
    return min(operations, key=lambda one: one.returned_s, default=None)
