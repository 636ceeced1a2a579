"""Holds a history to what docs/consistency.md promises, and returns what broke it. Pure.

No false alarms: what is reported can't have happened in a system that keeps the promises, whatever became of the
operations whose outcome is unknown. The reverse is not promised: a mistake may hide behind an unknown outcome.

`registers` judges likes, comments, follows and names, and `photo_lives` photos and feeds.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.builders import photo_lives
from tests.builders.history import NOT_FOUND, Absence, Completion, Operation, Verb
from tests.builders.promises import Bounds, Guarantee, HomeOf, Moments, Violation, of_stale_read
from tests.builders.registers import Sight, Stale, Write, initial, stale_sights

LIKE, COMMENT, FOLLOW, NAME = "like", "comment", "follow", "name"
Key = tuple[str, str, str]
"""A register: its kind, what it belongs to (a photo, a follower, a user), and which it is of those."""

_WRITES: Mapping[Verb, tuple[str, bool]] = {
    Verb.LIKE: (LIKE, True),
    Verb.UNLIKE: (LIKE, False),
    Verb.COMMENT: (COMMENT, True),
    Verb.UNCOMMENT: (COMMENT, False),
    Verb.FOLLOW: (FOLLOW, True),
    Verb.UNFOLLOW: (FOLLOW, False),
}
_LISTS = {Verb.LIKES: LIKE, Verb.COMMENTS: COMMENT, Verb.FOLLOWING: FOLLOW}


def check(
    operations: Iterable[Operation],
    absences: Sequence[Absence],
    names: Mapping[str, str],
    home_of: HomeOf,
    bounds: Bounds,
) -> list[Violation]:
    """Earliest first. `names` are those with which users signed up, by id."""
    is_blank = lambda one: one.completion is not Completion.OK and one.verb.is_read  # noqa: E731
    done = [one for one in operations if one.completion is not Completion.FAILED and not is_blank(one)]
    done.sort(key=lambda one: (one.invoked_s, one.returned_s))
    seen = _Registers(bounds)
    for operation in done:
        seen.add(operation)
    found = [_of_register(key, stale) for key, stale in seen.stale(names)]
    found += _listed_twice(done)
    found += _one_photo_for_each_upload(done)
    found += photo_lives.violations(done, home_of, Moments(bounds, absences))
    return sorted(found, key=lambda one: one.operation.invoked_s)


@dataclass
class _Registers:
    """What is written to each, and what is seen of it."""

    bounds: Bounds
    writes: dict[Key, list[Write]] = field(default_factory=lambda: defaultdict(list))
    sights: dict[Key, list[Sight]] = field(default_factory=lambda: defaultdict(list))
    lists: list[tuple[str, Operation]] = field(default_factory=list)

    def add(self, operation: Operation) -> None:
        if operation.verb in _WRITES:
            kind, value = _WRITES[operation.verb]
            self._write(_key_of(kind, operation), value, operation)
        elif operation.verb is Verb.RENAME:
            self._write((NAME, operation.target, ""), operation.value, operation)
        elif operation.verb is Verb.NAME:
            self.sights[NAME, operation.target, ""].append(Sight(operation.value, operation))
        elif operation.verb is Verb.FEED:
            for author in {owner for _, owner, _ in operation.value.photos}:
                self.sights[FOLLOW, operation.process, author].append(Sight(True, operation))
        elif operation.verb in _LISTS and operation.value is not NOT_FOUND:
            self.lists.append((_LISTS[operation.verb], operation))

    def stale(self, names: Mapping[str, str]) -> Iterator[tuple[Key, Stale]]:
        """A list says of each that ever was in it, or was to be, whether it is in it now."""
        members: dict[tuple[str, str], set[str]] = defaultdict(set)
        for kind, group, member in [*self.writes, *self.sights]:
            members[kind, group].add(member)
        for kind, read in self.lists:
            members[kind, read.target].update(read.value)
        for kind, read in self.lists:
            for member in members[kind, read.target]:
                self.sights[kind, read.target, member].append(Sight(member in read.value, read))
        for key, sights in self.sights.items():
            first = names.get(key[1]) if key[0] == NAME else False
            for stale in stale_sights([initial(first), *self.writes[key]], sights):
                yield key, stale

    def _write(self, key: Key, value: Any, operation: Operation) -> None:
        until_s, is_certain = self.bounds.until_s(operation), operation.completion is Completion.OK
        times = operation.invoked_s, operation.returned_s, until_s
        self.writes[key].append(Write(value, *times, certain=is_certain, by=operation))


def _key_of(kind: str, write: Operation) -> Key:
    if kind == FOLLOW:
        return kind, write.process, write.target
    return kind, write.target, write.process if kind == LIKE else write.value


def _of_register(key: Key, stale: Stale) -> Violation:
    kind, group, member = key
    read, what = stale.sight.operation, f"{kind} {member} of {group}".replace("  ", " ")
    if stale.evidence is None or stale.evidence.by is None:
        return Violation(Guarantee.WRITTEN, read, f"{what} is {stale.sight.value!r}, which nobody wrote")
    guarantee = of_stale_read(read, stale.evidence.by)
    return Violation(guarantee, read, f"{what} is {stale.sight.value!r}", stale.evidence.by)


def _listed_twice(done: Sequence[Operation]) -> Iterator[Violation]:
    for read in done:
        if read.verb in _LISTS and read.value is not NOT_FOUND:
            listed = list(read.value)
        elif read.verb is Verb.PHOTOS:
            listed = [photo_id for photo_id, _, _ in read.value]
        elif read.verb is Verb.FEED:
            listed = [photo_id for photo_id, _, _ in read.value.photos]
        else:
            continue
        for one, count in Counter(listed).items():
            if count > 1:
                yield Violation(Guarantee.ONCE, read, f"{one} is listed {count} times")


def _one_photo_for_each_upload(done: Sequence[Operation]) -> Iterator[Violation]:
    """A caption belongs to one upload, however often it was sent."""
    photo_of: dict[str, tuple[str, Operation]] = {}
    for operation in done:
        for photo_id, caption in photo_lives.captions(operation):
            first, by = photo_of.setdefault(caption, (photo_id, operation))
            if first != photo_id:
                yield Violation(Guarantee.ONCE, operation, f"{caption!r} is {first} and {photo_id}", by)
