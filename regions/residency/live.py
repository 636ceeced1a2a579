"""The residency policy that is in force now, read from the region's settings.

The setting is read for each decision, and parsed only when its version has changed. If it can't be read or parsed,
there is no policy, and `decide` denies everything.
"""

import logging
import threading

from regions.errors import PolicyError, Unavailable
from regions.residency import policy
from regions.stores.settings import POLICY, Settings

log = logging.getLogger(__name__)


class LivePolicy:
    """Never uses an old policy: it might allow what the new one forbids. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._parsed: tuple[int, policy.Policy | None] = (0, None)

    def current(self) -> policy.Policy | None:
        """None if no policy was published, if it does not parse, or if the settings are unavailable."""
        try:
            setting = self._settings.values.read(POLICY)
        except Unavailable as error:
            log.error("no policy: the settings are unavailable", extra={"error": error.detail})
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
    except Exception:  # the last line of defence: a text that breaks the parser must not allow anything
        log.exception("no policy: the parser failed")
    return None
