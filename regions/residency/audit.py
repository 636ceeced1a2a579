"""The audit log: every residency decision about a photo or profile is logged before the data moves.

If the log can't be written, the caller gets Unavailable instead of a decision, so no data moves without an entry. A
decision that is needed again and again (a popular photo, a feed that refreshes) is logged once an hour. A decision that
came out differently, or by another rule or policy, is logged at once.

`entries_of` and `new_entries` are pure; `AuditTrail` applies them to a catalog.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from cachetools import LRUCache

from regions.errors import Unavailable
from regions.records import AuditEntry, Photo, PhotoSummary, User
from regions.residency.decide import Decision, Subject, subject_of
from regions.residency.policy import Action
from regions.residency.rules import Rules
from regions.stores.catalog import Catalog

_LOG_AGAIN_AFTER_MS = 3600 * 1000
_MAX_REMEMBERED = 20_000


def entries_of(record_id: str, place: str, decisions: Mapping[Action, Decision], at_ms: int) -> list[AuditEntry]:
    """One entry for each decision on a photo or profile at a place."""
    return [
        AuditEntry(record_id, action, place, made.allowed, made.rule, made.policy_version, at_ms)
        for action, made in decisions.items()
    ]


def new_entries(entries: Sequence[AuditEntry], already_logged: Sequence[AuditEntry]) -> list[AuditEntry]:
    """Those entries that differ, in more than their time, from the last one logged for the record, action and place.

    `already_logged` is in the order of logging.
    """
    last = {_about(entry): entry for entry in already_logged}
    return [
        entry
        for entry in entries
        if (logged := last.get(_about(entry))) is None or replace(logged, at_ms=entry.at_ms) != entry
    ]


class AuditTrail:
    """Decides and logs. Remembers the last 20,000 entries that it logged; a new process starts without any."""

    def __init__(self, catalog: Catalog, clock_ms: Callable[[], int]) -> None:
        self._catalog, self._clock_ms = catalog, clock_ms
        self._logged: LRUCache[tuple[str, str, str], AuditEntry] = LRUCache(_MAX_REMEMBERED)
        self._lock = threading.Lock()

    def decide(
        self,
        rules: Rules,
        records: Sequence[Photo | PhotoSummary | User],
        actions: list[Action],
        place: str,
    ) -> dict[tuple[str, Action], Decision]:
        """The decision for each photo or profile (by its id) and each action at a place, "" for an unknown one.

        Logged before it returns.

        Raises Unavailable.
        """
        now_ms = self._clock_ms()
        by_record = {
            record.user_id if isinstance(record, User) else record.photo_id: {
                action: rules.decide(subject_of(record), action, place) for action in actions
            }
            for record in records
        }
        self._log(by_record, place, now_ms)
        return {
            (record_id, action): made
            for record_id, decisions in by_record.items()
            for action, made in decisions.items()
        }

    def decide_subject(
        self, rules: Rules, record_id: str, subject: Subject, actions: Iterable[Action], place: str
    ) -> dict[Action, Decision]:
        """The same for one photo or user whose record may lie elsewhere.

        Raises Unavailable also if nobody can tell now: that is no decision, and is not logged.
        """
        made = {action: rules.decide(subject, action, place) for action in actions}
        if undecided := next((decision for decision in made.values() if decision.passing), None):
            raise Unavailable(undecided.because)
        self._log({record_id: made}, place, self._clock_ms())
        return made

    def _log(self, by_record: Mapping[str, Mapping[Action, Decision]], place: str, now_ms: int) -> None:
        entries = [
            entry
            for record_id, decisions in by_record.items()
            for entry in entries_of(record_id, place, decisions, now_ms)
        ]
        if unlogged := new_entries(entries, self._logged_lately(entries)):
            self._catalog.audit.append(unlogged)
            # Only now: if the append failed, the next request must log the decision.
            with self._lock:
                self._logged.update({_about(entry): entry for entry in unlogged})

    def _logged_lately(self, entries: Sequence[AuditEntry]) -> list[AuditEntry]:
        with self._lock:
            logged = [(entry, self._logged.get(_about(entry))) for entry in entries]
        return [last for entry, last in logged if last and entry.at_ms - last.at_ms < _LOG_AGAIN_AFTER_MS]


def _about(entry: AuditEntry) -> tuple[str, str, str]:
    """What was decided on, whatever the decision."""
    return entry.photo_id, entry.action, entry.place
