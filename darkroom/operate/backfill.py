"""Which photos `darkroom reprocess` is about, and how far it has come. Pure."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from regions import ids
from regions.errors import NotFound
from regions.records import rfc3339


@dataclass(frozen=True, slots=True)
class Selection:
    """A region's photos that were created from `since_ms` on and before `until_ms`; None for no bound.

    They are to have this recipe. With `retry_failed`, those that have failed are tried again, too.
    """

    recipe: int
    since_ms: int | None = None
    until_ms: int | None = None
    retry_failed: bool = False

    def has(self, photo_id: str, region_number: int) -> bool:
        """False also for another region's photo, of which a copy lies here: its home processes it."""
        try:
            made = ids.parse(ids.PHOTO, photo_id)
        except NotFound:
            return False
        return (
            made.region == region_number
            and (self.since_ms is None or made.at_ms >= self.since_ms)
            and (self.until_ms is None or made.at_ms < self.until_ms)
        )

    def __str__(self) -> str:
        since = f" since {rfc3339(self.since_ms)}" if self.since_ms is not None else ""
        until = f" until {rfc3339(self.until_ms)}" if self.until_ms is not None else ""
        return f"all photos{since}{until}{', also failed ones,' if self.retry_failed else ''} to recipe {self.recipe}"


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk over the raws in the order of their keys.

    `published` photos were found up to the key `after`, inclusive. It is finished when they are processed, too.
    """

    selection: Selection
    after: str = ""
    published: int = 0
    is_finished: bool = False

    def to_text(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))


def from_text(text: str) -> Walk | None:
    """The inverse of `Walk.to_text`. None for what this version can't read."""
    try:
        value = json.loads(text)
        return Walk(**{**value, "selection": Selection(**value["selection"])})
    except (ValueError, TypeError, KeyError):
        return None


def pages(keys: Iterable[str], after: str, size: int) -> Iterator[list[str]]:
    """The keys behind `after`, in order."""
    left = sorted(key for key in keys if key > after)
    return (left[start : start + size] for start in range(0, len(left), size))
