"""The residency policy that is in force now, held in memory and kept current by a watch of the region's settings.

Each decision needs the policy, so it is not read for each: one thread watches the setting, and reads it when it has
changed. A change is in force as soon as the watch has seen it, which takes a moment.

A watch that is silent proves nothing: the policy may have been tightened since. So each round of the watch that
succeeds is good for `LEASE_S`, counted from when its request was sent. After that there is no policy, and `decide`
denies everything. The same holds for a setting that is missing, or can't be read or parsed.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from regions import daemon
from regions.errors import PolicyError, Unavailable
from regions.residency import parsing
from regions.residency.policy import Policy
from regions.stores.settings import POLICY, Settings

log = logging.getLogger(__name__)

LEASE_S = 60.0
_WATCH_S = 3.0
_PAUSE_S = 0.5


class InForce(NamedTuple):
    """The policy, None if there is none, and the time of `clock_s` until which that is known to be so."""

    policy: Policy | None
    until_s: float


class LivePolicy:
    """Any thread may call `current`; one runs `run_forever`. `clock_s` never goes back."""

    def __init__(self, settings: Settings, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock_s = settings, clock_s
        self._mark = 0
        self._has_read = False
        # Replaced as a whole, so that a reader never sees the policy of one round with the time of another.
        self._in_force = InForce(None, float("-inf"))

    def current(self) -> InForce:
        """From memory. Its policy is None if none was published, if it does not parse, or if the watch is silent."""
        in_force = self._in_force
        return in_force if self._clock_s() < in_force.until_s else InForce(None, in_force.until_s)

    def watch_once(self, timeout_s: float = 0.0) -> None:
        """Waits for a change, for at most `timeout_s`; the first call does not wait. Raises Unavailable."""
        sent_s = self._clock_s()
        mark = self._settings.values.watch(POLICY, self._mark, timeout_s if self._has_read else 0.0)
        found = self._in_force.policy
        if mark != self._mark or not self._has_read:
            # A change in between is not missed: the mark is older than what is read, so the next round reads again.
            sent_s = self._clock_s()
            found = self._read()
            self._mark, self._has_read = mark, True
        self._in_force = InForce(found, sent_s + LEASE_S)

    def start(self) -> None:
        """The first round, when a process starts. If it fails, there is no policy until the loop has had a round."""
        try:
            self.watch_once()
        except Unavailable as error:
            log.error("no policy: the settings are unavailable", extra={"error": error.detail})

    def run_forever(self, stop: threading.Event) -> None:
        daemon.run_forever(self._run_round, _PAUSE_S, stop, "residency policy", at_once=True)

    def _run_round(self) -> None:
        try:
            self.watch_once(_WATCH_S)
        except Unavailable:
            raise
        except Exception:  # without this loop there would be no policy until the process is started again
            log.exception("a round of the watch failed")

    def _read(self) -> Policy | None:
        try:
            setting = self._settings.values.read(POLICY)
        except Unavailable:
            # It has changed, and the new policy is not known: it may forbid what the old one allows.
            self._in_force = InForce(None, float("-inf"))
            raise
        return _parse(setting.value) if setting else None


def _parse(text: str) -> Policy | None:
    try:
        return parsing.parse(text, parsing.FILE)
    except PolicyError as error:
        log.error("no policy: it does not parse", extra={"error": str(error)})
    except Exception:  # the last line of defence: a text that breaks the parser must not allow anything
        log.exception("no policy: the parser failed")
    return None
