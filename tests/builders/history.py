"""What concurrent clients did and saw: a list of operations, each with the times between which it took effect.

The words are Jepsen's: a *process* does one operation at a time; an operation is *invoked* and *returns*. One that has
succeeded took effect between the two. One of unknown outcome (no answer, a 5xx) may have taken effect then, may do so
at any time later, or never.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

NOT_FOUND = None
"""What a read has seen that was answered 404."""


class Completion(StrEnum):
    OK = "ok"
    FAILED = "failed"
    """It has had no effect, and a read has seen nothing."""
    UNKNOWN = "unknown"


class Verb(StrEnum):
    """What `target` and `value` are of each operation."""

    UPLOAD = "upload"
    """The new photo's id, "" if it is not known; its caption, which no other upload has."""
    DELETE = "delete"
    """A photo."""
    LIKE = "like"
    UNLIKE = "unlike"
    COMMENT = "comment"
    """A photo; the text, which no other comment has."""
    UNCOMMENT = "remove comment"
    """A photo; the text of the comment that is removed."""
    FOLLOW = "follow"
    UNFOLLOW = "unfollow"
    """An author."""
    RENAME = "rename"
    """Oneself; the new name."""
    PHOTO = "read photo"
    """A photo; its status, or NOT_FOUND."""
    PHOTOS = "read photos"
    """An owner; a tuple of Listed."""
    LIKES = "read likes"
    """A photo; the users, or NOT_FOUND."""
    COMMENTS = "read comments"
    """A photo; the texts, or NOT_FOUND."""
    FEED = "read feed"
    """Oneself; a Feed."""
    FOLLOWING = "read following"
    """Oneself; the authors."""
    NAME = "read name"
    """A user; the name."""
    IMAGE = "read image"
    """A photo; whether it was shown."""

    @property
    def is_read(self) -> bool:
        return self.startswith("read")


Listed = tuple[str, str, str]
"""A photo in a list: its id, its owner and its caption."""


@dataclass(frozen=True, slots=True)
class Feed:
    """`unavailable` are photos whose home did not answer in time."""

    photos: tuple[Listed, ...]
    unavailable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """`process` is a user's id: each user is one process. `edge` is what it went through."""

    process: str
    verb: Verb
    target: str
    value: Any
    invoked_s: float
    returned_s: float
    completion: Completion = Completion.OK
    edge: str = ""

    def __str__(self) -> str:
        when = f"{self.invoked_s:8.3f} … {self.returned_s:8.3f}"
        return f"{when} {self.process} {self.verb} {self.target} {self.value!r} {self.completion} at {self.edge}"


@dataclass(frozen=True, slots=True)
class Absence:
    """A part was away: from the moment at which it was killed until its successor was running."""

    what: str
    from_s: float
    to_s: float


class History:
    """Collects operations of many threads. `clock_s` is any clock that goes on."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s, self._lock = clock_s, threading.Lock()
        self._operations: list[Operation] = []
        self.absences: list[Absence] = []

    @property
    def operations(self) -> list[Operation]:
        with self._lock:
            return list(self._operations)

    @contextmanager
    def recorded(self, process: str, verb: Verb, target: str, value: Any, edge: str) -> Iterator["OpenOperation"]:
        """For one operation. The block says in the OpenOperation what came of it; else that is unknown."""
        begun = OpenOperation(target, value)
        invoked_s = self._clock_s()
        try:
            yield begun
        finally:
            one = Operation(process, verb, begun.target, begun.value, invoked_s, self._clock_s())
            with self._lock:
                self._operations.append(replace(one, completion=begun.completion, edge=edge))

    @contextmanager
    def absence(self, what: str) -> Iterator[None]:
        from_s = self._clock_s()
        try:
            yield
        finally:
            self.absences.append(Absence(what, from_s, self._clock_s()))


@dataclass(slots=True)
class OpenOperation:
    target: str
    value: Any
    completion: Completion = Completion.UNKNOWN
