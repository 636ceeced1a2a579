"""A correct system in miniature, and clients at work on it: makes histories that must be accepted.

Three homes, users of each, and an edge for each user. Everything that docs/consistency.md allows happens: answers are
lost before or after the effect, or the effect comes later; a request that took long is sent twice; deletions and photos
travel for as long as they may, longer while a part is away, and are seen or not seen at random on their way.

Times are simulated, and all chance comes from `dice`.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from tests.builders.history import NOT_FOUND, Absence, Completion, Feed, Operation, Verb
from tests.builders.promises import Bounds, Moments

HOMES = 3
_KINDS = {
    Verb.UPLOAD: 6, Verb.DELETE: 3, Verb.LIKE: 6, Verb.UNLIKE: 4, Verb.COMMENT: 5, Verb.UNCOMMENT: 3, Verb.FOLLOW: 5,
    Verb.UNFOLLOW: 2, Verb.RENAME: 2, Verb.PHOTO: 8, Verb.PHOTOS: 6, Verb.LIKES: 8, Verb.COMMENTS: 8, Verb.FEED: 12,
    Verb.FOLLOWING: 3, Verb.NAME: 3, Verb.IMAGE: 10,
}  # fmt: skip
"""How often each is chosen."""


def home_of(made_id: str) -> str:
    """Of this world's ids: `p-HOME-NUMBER`, `u-HOME-NUMBER`."""
    return made_id.split("-")[1]


@dataclass
class _Photo:
    photo_id: str
    owner: str
    caption: str
    ready: bool = False
    ready_at_s: float = 0.0
    gone: bool = False
    likes: set[str] = field(default_factory=set)
    comments: list[str] = field(default_factory=list)


@dataclass
class ConsistentWorld:
    """`run` gives the history of its clients."""

    dice: Random
    bounds: Bounds
    users: tuple[str, ...] = tuple(f"u-{number % HOMES}-{number}" for number in range(5))
    operations: list[Operation] = field(default_factory=list)
    absences: list[Absence] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._now_s = 0.0
        self._photos: dict[str, _Photo] = {}
        self._names = dict(self.names)
        self._following: set[tuple[str, str]] = set()
        self._feeds: dict[str, set[str]] = defaultdict(set)
        self._known_gone: set[tuple[str, str]] = set()

    @property
    def names(self) -> dict[str, str]:
        return {user: f"name of {user}" for user in self.users}

    def run(self, for_s: float, absences: int = 2) -> "ConsistentWorld":
        for number in range(absences):
            from_s = self.dice.uniform(0, for_s)
            self.absences.append(Absence(f"part {number}", from_s, from_s + self.dice.uniform(0.5, 3)))
        for user in self.users:
            self._at(self.dice.random(), lambda user=user: self._next(user, for_s))
        while self._queue:
            self._now_s, _, act = heapq.heappop(self._queue)
            act()
        return self

    def _at(self, at_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (at_s, next(self._numbers), act))

    def _next(self, user: str, until_s: float) -> None:
        """One operation of the user, and then the next one."""
        if self._now_s > until_s:
            return
        verb = self.dice.choices(list(_KINDS), list(_KINDS.values()))[0]
        if (chosen := self._choose(user, verb)) is None:
            self._at(self._now_s + 0.1, lambda: self._next(user, until_s))
            return
        target, value = chosen
        invoked_s, took_s = self._now_s, self.dice.choice((0.01, 0.1, 0.3, 1.5)) * self.dice.uniform(0.5, 1)
        returned_s = invoked_s + took_s
        self._at(returned_s + self.dice.uniform(0.001, 0.5), lambda: self._next(user, until_s))
        lost = self.dice.random() < 0.15
        if lost and not verb.is_read:
            self._lose(user, verb, target, value, invoked_s, returned_s)
            return
        at_s = self.dice.uniform(invoked_s, returned_s)
        self._at(at_s, lambda: self._finish(user, verb, target, value, invoked_s, returned_s, lost))
        if took_s > self.bounds.repeated_s and not verb.is_read and self.dice.random() < 0.5:
            again_s = self.dice.uniform(at_s, returned_s + self.bounds.late_s)
            self._at(again_s, lambda: self._write(user, verb, target, value))

    def _lose(self, user: str, verb: Verb, target: str, value: Any, invoked_s: float, returned_s: float) -> None:
        """It has an effect in time, later, or never."""
        known = target if verb is not Verb.UPLOAD or self.dice.random() < 0.5 else ""
        self.operations.append(Operation(user, verb, known, value, invoked_s, returned_s, Completion.UNKNOWN))
        if self.dice.random() < 0.7:
            latest_s = returned_s if self.dice.random() < 0.5 else returned_s + 20
            self._at(self.dice.uniform(invoked_s, latest_s), lambda: self._write(user, verb, target, value))

    def _finish(
        self, user: str, verb: Verb, target: str, value: Any, invoked_s: float, returned_s: float, lost: bool
    ) -> None:
        outcome = Completion.FAILED if lost else Completion.OK
        if verb.is_read:
            value = None if lost else self._read(user, verb, target)
        elif not self._write(user, verb, target, value):
            outcome = Completion.FAILED
        self.operations.append(Operation(user, verb, target, value, invoked_s, returned_s, outcome))

    def _choose(self, user: str, verb: Verb) -> tuple[str, Any] | None:
        """Target and value; None if there is nothing that it could be about."""
        number = next(self._numbers)
        if verb is Verb.UPLOAD:
            return f"p-{home_of(user)}-{number}", f"caption {number}"
        if verb is Verb.RENAME:
            return user, f"name {number}"
        if verb in (Verb.FEED, Verb.FOLLOWING):
            return user, None
        if verb in (Verb.FOLLOW, Verb.UNFOLLOW, Verb.PHOTOS, Verb.NAME):
            return self.dice.choice(self.users), None
        if not self._photos:
            return None
        photo = self.dice.choice([*self._photos.values()][-12:])
        if verb is Verb.DELETE and photo.owner != user:
            return None
        if verb is Verb.UNCOMMENT:
            return (photo.photo_id, self.dice.choice(photo.comments)) if photo.comments else None
        return photo.photo_id, f"comment {number}" if verb is Verb.COMMENT else None

    def _write(self, user: str, verb: Verb, target: str, value: Any) -> bool:
        """Whether the system takes it."""
        if verb is Verb.UPLOAD:
            if target not in self._photos:
                photo = self._photos[target] = _Photo(target, user, value)
                self._at(self._now_s + self.dice.uniform(0.1, 4), lambda: self._become_ready(photo))
        elif verb is Verb.RENAME:
            self._names[user] = value
        elif verb is Verb.FOLLOW:
            self._following.add((user, target))
            for photo in [*self._photos.values()]:
                if photo.owner == target and photo.ready:
                    self._bring(photo, user)
        elif verb is Verb.UNFOLLOW:
            self._following.discard((user, target))
        else:
            return self._write_about(self._photos.get(target), user, verb, value)
        return True

    def _write_about(self, photo: _Photo | None, user: str, verb: Verb, value: Any) -> bool:
        if photo is None or (photo.gone and verb is not Verb.DELETE):
            return False
        if verb is Verb.DELETE and not photo.gone:
            photo.gone = True
            for place in {*map(home_of, self.users), *self.users} - {home_of(photo.photo_id)}:
                self._at(self._within_bound_s(), lambda place=place: self._known_gone.add((place, photo.photo_id)))
        elif verb is Verb.LIKE:
            photo.likes.add(user)
        elif verb is Verb.UNLIKE:
            photo.likes.discard(user)
        elif verb is Verb.COMMENT and value not in photo.comments:
            photo.comments.append(value)
        elif verb is Verb.UNCOMMENT and value in photo.comments:
            photo.comments.remove(value)
        return True

    def _become_ready(self, photo: _Photo) -> None:
        if not photo.gone:
            photo.ready, photo.ready_at_s = True, self._now_s
            for user in self.users:
                self._bring(photo, user)

    def _bring(self, photo: _Photo, follower: str) -> None:
        """Into the feed of who follows the owner when it arrives."""

        def arrive() -> None:
            if (follower, photo.owner) in self._following:
                self._feeds[follower].add(photo.photo_id)

        if (follower, photo.owner) in self._following:
            self._at(self._within_bound_s(), arrive)

    def _within_bound_s(self) -> float:
        latest_s = Moments(self.bounds, self.absences).everywhere_s(self._now_s)
        return self.dice.uniform(self._now_s, latest_s)

    def _read(self, user: str, verb: Verb, target: str) -> Any:
        if verb is Verb.NAME:
            return self._names[target]
        if verb is Verb.FOLLOWING:
            return tuple(author for follower, author in sorted(self._following) if follower == user)
        if verb is Verb.PHOTOS:
            mine = [photo for photo in self._photos.values() if photo.owner == target and photo.ready]
            return tuple((photo.photo_id, photo.owner, photo.caption) for photo in mine if not photo.gone)
        if verb is Verb.FEED:
            return self._feed(user)
        return self._read_about(self._photos[target], user, verb)

    def _read_about(self, photo: _Photo, user: str, verb: Verb) -> Any:
        if verb is Verb.IMAGE:
            is_refused = self._now_s < photo.ready_at_s + self.bounds.refused_s and self.dice.random() < 0.5
            return photo.ready and not is_refused and self._is_shown(photo, user)
        if photo.gone or not (photo.ready or user == photo.owner):
            return NOT_FOUND
        if verb is Verb.LIKES:
            return tuple(sorted(photo.likes))
        if verb is Verb.COMMENTS:
            return tuple(photo.comments)
        return "ready" if photo.ready else "processing"

    def _feed(self, user: str) -> Feed:
        wanted = [self._photos[photo_id] for photo_id in sorted(self._feeds[user])]
        wanted = [photo for photo in wanted if (user, photo.owner) in self._following]
        away = [photo for photo in wanted if home_of(photo.photo_id) != home_of(user) and self.dice.random() < 0.1]
        shown = [photo for photo in wanted if photo not in away and self._is_shown_in_feed(photo, user)]
        listed = [(photo.photo_id, photo.owner, photo.caption) for photo in shown]
        return Feed(tuple(listed), tuple(photo.photo_id for photo in away))

    def _is_shown_in_feed(self, photo: _Photo, user: str) -> bool:
        if home_of(photo.photo_id) == home_of(user):
            return not photo.gone
        return self._is_shown(photo, home_of(user))

    def _is_shown(self, photo: _Photo, place: str) -> bool:
        """While a deletion is on its way to a place, the photo may be shown there, and again after it was not."""
        is_known = (place, photo.photo_id) in self._known_gone
        return not photo.gone or (not is_known and self.dice.random() < 0.7)
