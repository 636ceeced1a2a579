"""The stamp of a store: the region that it belongs to, and an id of its own.

Only `regions.preparation` creates a store, and stamps it. Everybody else opens it, which creates nothing: a store
without a stamp is missing, and one with another region's stamp is refused. So the empty folder under a disk that is not
mounted, or another region's bucket, is never taken for the region's own store.

The adapters of each technology offer their stores as `StoreLocation`. Feeds on Redis carry no stamp: they may be lost
at any time and are filled again.
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from regions.errors import StoreMissing, WrongStore

Port = TypeVar("Port", covariant=True)

_ID_BYTES = 8
_STAMP = re.compile("([A-Za-z0-9_-]{1,40}) ([0-9]{1,3}) ([0-9a-f]{1,32})")


@dataclass(frozen=True, slots=True)
class StoreRegion:
    """The region that a store belongs to: its name, and its number in the topology."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"region {self.name} (number {self.number})"


@dataclass(frozen=True, slots=True)
class Stamp:
    """`store_id` tells a store from one that was created later at the same URL."""

    region: StoreRegion
    store_id: str

    def to_text(self) -> str:
        return f"{self.region.name} {self.region.number} {self.store_id}"


@dataclass(frozen=True, slots=True)
class StoreLocation(Generic[Port]):
    """A store's URL, and what can be done with the store there. All three raise Unavailable.

    - `open` also raises StoreMissing and WrongStore.
    - `read_stamp` gives None if there is no store, or nothing but its empty container (a folder, a bucket).
    - `create` makes what is missing of the store, sets the stamp if it has none, and brings an older schema up to date.
      It returns the stamp that the store then has: another process may have been first. Raises WrongStore if there is
      something without a stamp already, or a store of another region. Safe to repeat, and to run several times in
      parallel, with one id: of several ids, S3 and Kafka can't make one win.
    """

    open: Callable[[StoreRegion], Port]
    read_stamp: Callable[[], Stamp | None]
    create: Callable[[Stamp], Stamp]


class StampCheck:
    """For a store that is reached over a network only when it is used: checks its stamp before the first use.

    Any number of threads may call `require`; until the first success, each of them reads the stamp.
    """

    def __init__(self, ours: StoreRegion, read_stamp: Callable[[], Stamp | None]) -> None:
        self._ours, self._read_stamp = ours, read_stamp
        self._passed = False

    def require(self) -> None:
        """Raises StoreMissing, WrongStore, and what reading the stamp raises."""
        if not self._passed:
            require_region(self._read_stamp(), self._ours)
            self._passed = True


def new_id() -> str:
    return secrets.token_hex(_ID_BYTES)


def from_text(text: str) -> Stamp:
    """The inverse of `Stamp.to_text`. Raises WrongStore."""
    found = _STAMP.fullmatch(text.strip())
    if found is None:
        raise WrongStore("the store's stamp can't be read")
    return Stamp(StoreRegion(found[1], int(found[2])), found[3])


def require_region(found: Stamp | None, ours: StoreRegion) -> Stamp:
    """Raises StoreMissing without a stamp, WrongStore with that of another region."""
    if found is None:
        raise StoreMissing(f"there is no store of {ours} here")
    if found.region != ours:
        raise WrongStore(f"the store belongs to {found.region}, not to {ours}")
    return found
