"""The statement in a region's settings: watched, and put back when it is not the highest that this region knows.

Who can write to the settings can remove the statement, or replace it by an older or a broken one. That is alarmed,
changes nothing, and is undone by the next round of any process that knows better.
"""

import logging
import threading
from contextlib import suppress

from regions import daemon
from regions.errors import BadRequest, NotFound, StatementError, Unavailable
from regions.residency import signatures
from regions.residency.chain import Links
from regions.residency.live import LiveRules
from regions.residency.statement import Statement
from regions.residency.statement_document import hash_of
from regions.stores.settings import STATEMENT, Setting, Settings, Values, history_key

log = logging.getLogger(__name__)

_WATCH_S = 3.0
_PAUSE_S = 0.5
_READ_AGAIN_S = 10.0


class SettingsStatement:
    """One thread runs `run_forever`."""

    def __init__(self, settings: Settings, rules: LiveRules) -> None:
        self._values, self._rules = settings.values, rules
        self._mark = 0
        self._read_at_s = float("-inf")
        self._holds: Statement | None = None
        self._stored: set[str] = set()

    def watch_once(self, timeout_s: float = 0.0) -> None:
        """Waits for a change, for at most `timeout_s`, unless the settings do not hold the highest statement that we
        know. Raises Unavailable, OSError."""
        self._rules.read_folder()
        highest = self._rules.highest
        asked_s = self._rules.clock_s()
        settled = self._holds is not None and highest is not None and self._holds.serial >= highest.serial
        # Who changes the store behind its port may leave no trace for a watch.
        settled = settled and asked_s - self._read_at_s < _READ_AGAIN_S
        mark = self._values.watch(STATEMENT, self._mark, timeout_s if settled else 0.0)
        if mark != self._mark or not settled:
            # A change in between is not missed: the mark is older than what is read, so the next round reads again.
            asked_s = self._read_at_s = self._rules.clock_s()
            self._holds = self._read_or_restore()
            self._mark = mark
        if self._holds is not None or self._rules.highest is None:
            self._rules.settings_hold(self._holds, asked_s)

    def start(self) -> None:
        """The first round, when a process starts. If it fails, the process has what its disk has."""
        try:
            self.watch_once()
        except Unavailable as error:
            log.error("the settings are unavailable", extra={"error": error.detail})
        except Exception:  # what somebody has done to the settings must not keep a process from starting
            log.exception("the settings can't be read")

    def run_forever(self, stop: threading.Event) -> None:
        daemon.run_forever(self._run_round, _PAUSE_S, stop, "statement in the settings", at_once=True)

    def _run_round(self) -> None:
        try:
            self.watch_once(_WATCH_S)
        except Unavailable:
            raise
        except Exception:  # without this loop the region would confirm nothing until the process is started again
            log.exception("a round of the watch failed")

    def _read_or_restore(self) -> Statement | None:
        """The statement that the settings hold now, which is none if they have no valid one and can't be corrected."""
        setting = self._values.read(STATEMENT)
        found = self._taken(setting)
        highest = self._rules.highest
        if self._rules.contradicts(found):
            log.error("ALARM: the statement in the settings was removed or replaced; the highest known is put back")
            found = None
        for statement in self._rules.current().statements:
            store_in_history(self._values, statement)
        if highest is None or (found is not None and found.serial >= highest.serial):
            return found
        written = self._values.write(STATEMENT, highest.signed, setting.version if setting else 0)
        log.warning("the settings have the highest statement again" if written else "the settings have changed")
        return highest if written else None

    def _taken(self, setting: Setting | None) -> Statement | None:
        if setting is None:
            return None
        try:
            return self._rules.take(setting.value, Links(lambda hash: from_history(self._values, hash)))
        except (StatementError, NotFound, BadRequest) as error:
            log.error("ALARM: the settings hold no valid statement; it is ignored", extra={"error": str(error)})
            return None


def from_history(values: Values, hash: str) -> str:
    """The signed text of a statement that was in the settings once. Raises NotFound, Unavailable."""
    setting = values.read(history_key(hash))
    if setting is None:
        raise NotFound(f"there is no statement {hash[:12]} in the history")
    return setting.value


def store_in_history(values: Values, statement: Statement) -> None:
    """Idempotent. What is in its place and is not it, by its hash, is replaced. Raises Unavailable."""
    key = history_key(statement.hash)
    setting = values.read(key)
    if setting is not None:
        with suppress(StatementError):
            if hash_of(signatures.unpack(setting.value)[0]) == statement.hash:
                return
    values.write(key, statement.signed, setting.version if setting else 0)
