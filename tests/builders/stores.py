"""Stores that belong to one region: created, if they are not there yet, and opened."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from regions.stores.directory import stamped_folder
from regions.stores.directory.objects import DirectoryObjects
from regions.stores.stamp import Stamp, StoreLocation, StoreRegion

REGION_OF_STORES = StoreRegion("eu-west", 1)
STAMP = Stamp(REGION_OF_STORES, "0123456789abcdef")

Port = TypeVar("Port")


def created(location: StoreLocation[Port]) -> Port:
    location.create(STAMP)
    return location.open(REGION_OF_STORES)


def opener(locate: Callable[..., StoreLocation[Port]], *arguments: Any) -> Callable[[], Port]:
    """Creates the store at `locate(*arguments)` and returns what opens one more handle on it. It can be pickled."""
    locate(*arguments).create(STAMP)
    return partial(_open, locate, *arguments)


def _open(locate: Callable[..., StoreLocation[Port]], *arguments: Any) -> Port:
    return locate(*arguments).open(REGION_OF_STORES)


def directory_objects(root: str, server_url: str, secret: bytes) -> DirectoryObjects:
    stamped_folder.create(Path(root), STAMP)
    return DirectoryObjects(root, server_url, secret)
