"""The last known value of a setting, for code that can continue with it while the settings are unavailable.

Not for the residency policy: an old policy may allow what the new one forbids (`regions.residency.live`).
"""

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from regions.errors import Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")


class LastKnown(Generic[T]):
    """`LastKnown(settings.values.read)` or `LastKnown(settings.services.healthy)`. Safe to share between threads.

    Reads each time, and falls back to the last value that it read for the same name.
    """

    def __init__(self, read: Callable[[str], T]) -> None:
        self._read = read
        self._values: dict[str, T] = {}

    def get(self, name: str) -> T:
        """The value; None and an empty list are values too. Raises Unavailable if none was ever read for the name."""
        try:
            value = self._read(name)
        except Unavailable as error:
            if name not in self._values:
                raise
            log.warning("using the last known value", extra={"what": name, "error": error.detail})
            return self._values[name]
        self._values[name] = value
        return value
