"""A store of the benchmark's own."""

from typing import TypeVar

from regions.stores import stamp as stamps
from regions.stores.stamp import Stamp, StoreLocation, StoreRegion

Port = TypeVar("Port")

_OWNER = StoreRegion("bench", 0)


def created(location: StoreLocation[Port]) -> Port:
    """Creates the store if it is not there yet, and opens it."""
    location.create(Stamp(_OWNER, stamps.new_id()))
    return location.open(_OWNER)
