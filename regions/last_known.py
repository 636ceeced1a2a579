"""What the settings last said, for those who had better go on with it while the settings are away.

Not for the residency policy: by an old one bytes may cross that a new one forbids (`regions.residency.live`).
"""

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from regions.errors import Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")


class LastKnown(Generic[T]):
    """Asks every time: `LastKnown(settings.values.read)` or `LastKnown(settings.services.healthy)`.

    Keeps the last answer for each name.

    Safe to share between threads.
    """

    def __init__(self, ask: Callable[[str], T]) -> None:
        self._ask = ask
        self._answers: dict[str, T] = {}

    def get(self, name: str) -> T:
        """That nothing is there is an answer too. Raises Unavailable where there was no answer yet."""
        try:
            answer = self._ask(name)
        except Unavailable as error:
            if name not in self._answers:
                raise
            log.warning("going on with what was last known", extra={"of": name, "error": error.detail})
            return self._answers[name]
        self._answers[name] = answer
        return answer
