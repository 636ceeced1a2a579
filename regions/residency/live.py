"""The residency policy as it stands now: read from the settings, kept while unchanged, None when it can't be read."""

import logging
import threading

from regions.errors import PolicyError, Unavailable
from regions.residency import policy
from regions.stores.settings import POLICY, Settings

log = logging.getLogger(__name__)


class LivePolicy:
    """Asks the settings every time, since a decision on an old policy may move bytes that a new one forbids."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._parsed: tuple[int, policy.Policy | None] = (0, None)

    def current(self) -> policy.Policy | None:
        """None means that nothing may cross: no policy, one that does not parse, or settings that don't answer."""
        try:
            setting = self._settings.values.read(POLICY)
        except Unavailable as error:
            log.error("no policy: the settings do not answer", extra={"error": error.detail})
            return None
        if setting is None:
            return None
        with self._lock:
            if self._parsed[0] != setting.version:
                self._parsed = (setting.version, _parse(setting.value))
            return self._parsed[1]


def _parse(text: str) -> policy.Policy | None:
    try:
        return policy.parse(text, policy.FILE)
    except PolicyError as error:
        log.error("no policy: it does not parse", extra={"error": str(error)})
    except Exception:  # the last line of defence: whatever such a text does to the parser, nothing may cross by it
        log.exception("no policy: reading it went wrong")
    return None
