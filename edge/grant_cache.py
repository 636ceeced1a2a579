"""What the edge knows of images without asking: facts by image and place, and what was refused a moment ago."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from edge.freshness import NOT_FOUND_TTL_S
from edge.grants import ImageMeta, Key
from regions.errors import Problem

_MOST = 200_000

Value = TypeVar("Value")


class GrantCache:
    """Bounded: what was not asked for longest is forgotten, which costs a question. ImageMeta are those of a yes."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._facts: _Latest[ImageMeta] = _Latest()
        self._refused: _Latest[tuple[float, Problem]] = _Latest()

    def facts(self, key: Key, place: str) -> ImageMeta | None:
        return self._facts.get((key, place))

    def learn(self, key: Key, place: str, facts: ImageMeta) -> None:
        self._facts.put((key, place), facts)

    def refuse(self, key: Key, place: str, problem: Problem) -> None:
        """Remembered for a second only: a photo may be ready soon."""
        self._facts.remove((key, place))
        self._refused.put((key, place), (self._clock_s() + NOT_FOUND_TTL_S, problem))

    def refusal(self, key: Key, place: str) -> Problem | None:
        until_s, problem = self._refused.get((key, place)) or (0.0, None)
        return problem if self._clock_s() < until_s else None


class _Latest(Generic[Value]):
    """A map of bounded size."""

    def __init__(self) -> None:
        self._items: OrderedDict[tuple[Key, str], Value] = OrderedDict()

    def get(self, key: tuple[Key, str]) -> Value | None:
        if key in self._items:
            self._items.move_to_end(key)
        return self._items.get(key)

    def put(self, key: tuple[Key, str], value: Value) -> None:
        self._items[key] = value
        self._items.move_to_end(key)
        if len(self._items) > _MOST:
            self._items.popitem(last=False)

    def remove(self, key: tuple[Key, str]) -> None:
        self._items.pop(key, None)
