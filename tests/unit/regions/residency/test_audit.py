"""Pure rules of the audit log: which entries are new."""

from dataclasses import replace

from regions.records import AuditEntry
from regions.residency.audit import new_entries
from regions.residency.policy import Action

ENTRY = AuditEntry("p", Action.SERVE, "lisbon", True, "policy:3", "v1", 1000)


def test_an_entry_that_was_never_logged_is_new():
    assert new_entries([ENTRY], []) == [ENTRY]


def test_an_entry_that_repeats_the_last_one_at_another_time_is_not_new():
    assert new_entries([replace(ENTRY, at_ms=2000)], [ENTRY]) == []


def test_an_entry_that_repeats_one_before_the_last_is_new():
    denied = replace(ENTRY, allowed=False, at_ms=1500)
    again = replace(ENTRY, at_ms=2000)
    assert new_entries([again], [ENTRY, denied]) == [again]


def test_entries_of_other_records_actions_and_places_are_new():
    others = [replace(ENTRY, photo_id="q"), replace(ENTRY, action=Action.CACHE), replace(ENTRY, place="porto")]
    assert new_entries(others, [ENTRY]) == others
