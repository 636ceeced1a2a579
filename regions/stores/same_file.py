"""Notices that a file of an open store was removed or replaced, for example since its disk was unmounted."""

import os
from pathlib import Path

from regions.errors import StoreMissing, Unavailable


class SameFile:
    """The file that is at `path` when this is made. Raises StoreMissing if there is none, OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._found = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            raise StoreMissing("there is no store here") from None

    def require(self) -> None:
        """Costs one `stat`. Raises Unavailable if the path leads to another file now, or to none. If the same file
        comes back, all is well again."""
        try:
            same = os.path.samestat(os.stat(self._path), self._found)
        except OSError:
            same = False
        if not same:
            raise Unavailable("the store was removed or replaced while it was in use")
