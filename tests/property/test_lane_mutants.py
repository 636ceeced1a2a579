"""The laws of a lane are tests that can fail: each of these mistakes, planted in the code of an end, breaks one."""

from types import ModuleType

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from origin.border import receiving
from regions.errors import Unprocessable
from replication import handlers, placement, records
from tests.builders.mutants import plant
from tests.property import test_lanes as laws
from tests.property import test_record_copies as of_records

ALL = st.just(laws.everything)
WINS = laws.test_a_tombstone_wins_in_any_order_of_steps, (ALL, ALL, laws.schedules)
EXACTLY = (
    laws.test_the_destination_gets_exactly_what_both_ends_allow,
    (laws.decisions, laws.decisions, laws.kills, st.booleans()),
)
COPIED = of_records.test_a_copy_ends_as_its_record, (of_records.clocks, of_records.histories)
REPLACED = laws.test_wrong_bytes_at_the_destination_are_replaced, ()
MUTANTS = {
    "the receiver gives out URLs without writing down until when": (
        receiving, "        if missing:\n", "        if False:\n", WINS,
    ),
    "the receiver does not look for a tombstone before it gives out URLs": (
        receiving, "        if self._is_deleted(offer.photo_id):\n            return DELETED\n        for one",
        "        for one",
        WINS,
    ),
    "a deletion is confirmed while a PUT may be under way": (
        receiving, "expires_at_ms + PUT_LASTS_MS", "expires_at_ms",
        (laws.test_a_deletion_is_not_confirmed_while_a_slow_put_may_end, ()),
    ),
    "a deletion looks until when a PUT may arrive before it writes the tombstone": (
        receiving,
        "        catalog.photos.delete(Tombstone(photo_id, \"\", deleted_at_ms), None)\n"
        "        until_ms = catalog.arrivals.until(photo_id)\n",
        "        until_ms = catalog.arrivals.until(photo_id)\n"
        "        catalog.photos.delete(Tombstone(photo_id, \"\", deleted_at_ms), None)\n",
        (laws.test_a_tombstone_wins_wherever_a_deletion_falls_into_a_copy, ()),
    ),
    "a deletion is confirmed at once": (
        receiving, "return until_ms if until_ms is not None and until_ms > self._clock_ms() else None", "return None",
        WINS,
    ),
    "a deletion erases nothing": (
        receiving, "        photo_objects.delete_all(self._stores.objects, photo_id)\n        return until_ms",
        "        return until_ms",
        WINS,
    ),
    "the owner's id crosses with a deletion": (
        receiving, 'Tombstone(photo_id, "", deleted_at_ms)', 'Tombstone(photo_id, "u_0000003XAJo", deleted_at_ms)',
        WINS,
    ),
    "the home removes its record of the replica before the deletion is confirmed": (
        handlers, "if not self._border.delete(photo_id, event.at_ms):",
        "if self._border.delete(photo_id, event.at_ms) is None:",
        WINS,
    ),
    "the receiver takes what the home allows": (
        receiving, "if not decision.allowed:", "if False:", EXACTLY,
    ),
    "the receiver keeps metadata without a decision": (
        receiving, "offer.metadata and answer.metadata and", "offer.metadata and", EXACTLY,
    ),
    "the receiver publishes references without a decision": (
        receiving, "offer.reference if answer.reference else None", "offer.reference", EXACTLY,
    ),
    "the home offers what it does not allow": (
        placement, "return action in decisions and decisions[action].allowed", "return action in decisions", EXACTLY,
    ),
    "a replica is recorded as complete whatever arrived": (
        placement, "raw=raw is ObjectState.STORED", "raw=True", EXACTLY,
    ),
    "wrong bytes are left in the way": (
        receiving, "objects.delete(wanted.bucket, key)", "pass", REPLACED,
    ),
    "a record is not read again when it was sent": (
        records, "if other_version is None and text_of(self._catalog, change.name) == text:",
        "if other_version is None:",
        (of_records.test_a_sender_that_is_overtaken_ends_with_the_last_state, ()),
    ),
    "who hears that another version is there is content": (
        records, "if other_version is None and text_of(", "if other_version is not None or text_of(", COPIED,
    ),
    "a record that has changed is sent again in the version before": (
        records, "least = max(version, other_version or 0) + 1", "least = 0", COPIED,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("module", "before", "after", "law"), MUTANTS.values(), ids=MUTANTS.keys())
def test_a_planted_mistake_breaks_a_law(monkeypatch, module: ModuleType, before: str, after: str, law: tuple):
    plant(monkeypatch, module, before, after)
    test, inputs = law
    if not inputs:
        broken = test
    else:

        @settings(max_examples=3000, deadline=None, database=None, phases=[Phase.generate])
        @given(st.tuples(*inputs))
        def broken(values):
            test.hypothesis.inner_test(*values)

    # Unprocessable: what should have been replaced is an error of the lane.
    with pytest.raises((AssertionError, Unprocessable)):
        broken()
