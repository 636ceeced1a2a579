"""Every decision that lets data cross a border is on the audit log before the data moves.

A decision that is asked again and again (a popular photo, a feed that refreshes) is logged once an hour.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from regions.records import AuditEntry, Photo, User
from regions.residency.decide import Decision, decide, subject_of
from regions.residency.policy import Action, Policy
from regions.stores.catalog import Catalog
from regions.topology import Place

_AGAIN_MS = 3600 * 1000
_REMEMBERED = 20_000


class AuditTrail:
    def __init__(self, catalog: Catalog, clock_ms: Callable[[], int]) -> None:
        self._catalog, self._clock_ms = catalog, clock_ms
        self._seen: OrderedDict[tuple[str, str, str, str], int] = OrderedDict()
        self._lock = threading.Lock()

    def decide(
        self, policy: Policy | None, records: Sequence[Photo | User], actions: list[Action], place: Place
    ) -> dict[tuple[str, Action], Decision]:
        """The decision for each photo or profile, by its id, and action, written down."""
        now_ms = self._clock_ms()
        decisions = {
            (_id(record), action): decide(policy, subject_of(record), action, place)
            for record in records
            for action in actions
        }
        entries = [
            AuditEntry(record_id, action, place.name, made.allowed, made.rule, made.policy_version, now_ms)
            for (record_id, action), made in decisions.items()
        ]
        if fresh := [entry for entry in entries if self._is_fresh(entry)]:
            self._catalog.audit.append(fresh)
            self._remember(fresh)
        return decisions

    def _is_fresh(self, entry: AuditEntry) -> bool:
        with self._lock:
            logged_ms = self._seen.get(_key(entry))
        return logged_ms is None or entry.at_ms - logged_ms >= _AGAIN_MS

    def _remember(self, entries: list[AuditEntry]) -> None:
        with self._lock:
            for entry in entries:
                self._seen[_key(entry)] = entry.at_ms
                self._seen.move_to_end(_key(entry))
            while len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)


def _id(record: Photo | User) -> str:
    return record.photo_id if isinstance(record, Photo) else record.user_id


def _key(entry: AuditEntry) -> tuple[str, str, str, str]:
    return entry.photo_id, entry.action, entry.place, entry.rule + entry.policy_version
