"""The outbox of the Cassandra catalog: intents in small partitions, and each event in the partition of its photo.

A photo's change and its event must be one write. A conditional write (Paxos) reaches only one partition, so the event
is a row of the photo's own partition. But the sweep can't search all photos for events. So before the change, an entry
that names the photo is written where the sweep can find it: the *intent*. There are three steps:

1. The intent ("this photo may get an event") is written into the outbox partition of the current minute.
2. One conditional batch on the photo's partition changes the status and adds the event as a row, under the intent's id.
3. When the event has been published, its row is removed, and then the intent.

What a crash leaves behind:

- Before 2: an intent without an event. Nothing changed and there is nothing to publish. The sweep drops the intent when
  it is ten minutes old, after a serial read: that completes a batch which was cut off, and so may show an event.
- Between 2 and 3: an intent with its event. The sweep publishes it.
- Within 3: an intent without an event again.

A change that needs no condition (a follow) stores its event in the intent itself, and both are written in one logged
batch. A change of another table that needs one (an account) can't be in a batch with anything else. So its event is
stored in an intent before it, which is marked as unfinished until the change has returned. If its process dies in
between, the sweep publishes the event after 20 seconds, whether the change was made or not.

The intent of a deletion is marked until the deletion is complete. The sweep finishes a deletion that is still marked
after 20 seconds, and only then publishes its event.

    outbox ((minute, shard), intent_id)   an intent; `deletion_unfinished` while its change or deletion is not complete
    photos (photo_id, event_id)           the event, with the id of the intent
    outbox_minutes                        which minutes may hold intents

Cassandra keeps a marker for each deleted row for a while, and a read must skip them all. With one partition per minute,
the sweep reads only minutes that may hold intents, and not the markers of the others. A minute that is found empty is
closed when it ended two minutes ago. The clocks of a region's processes must not differ by more, and a process must not
be suspended for longer between making an intent's id and writing the intent: it would write into a closed minute, which
the sweep no longer reads.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from regions.events.messages import Event, from_text, to_text
from regions.stores.cassandra.address import key
from regions.stores.cassandra.partitions import OUTBOX_MS, OUTBOX_SHARDS, TimeUuidGenerator, shard_of, time_uuid_ms
from regions.stores.cassandra.session import Call, CassandraSession

_CLOSE_AFTER_MS = 120_000
# Far longer than any request takes: the process that wrote such an intent has died or got Unavailable.
_DROP_AFTER_MS = 600_000
# A deletion takes a few writes with a deadline each; a process that has not finished by then has probably died. If it
# is only slow, both finish the deletion, and its tombstone is listed twice.
_RESUME_AFTER_MS = 20_000
_MINUTES_AT_ONCE = 8
# Some intents have no event. Reading so many more than the limit keeps them from hiding the events behind them.
_EXTRA_INTENTS = 100
_MOST_REMEMBERED = 10_000

PUT_EVENT = "INSERT INTO photos (photo_id, event_id, event) VALUES (?, ?, ?)"
_GET_EVENT = "SELECT event FROM photos WHERE photo_id = ? AND event_id = ?"
_PUT_INTENT = (
    "INSERT INTO outbox (minute, shard, intent_id, photo_id, event, deletion_unfinished) VALUES (?, ?, ?, ?, ?, ?)"
)


class Intent(NamedTuple):
    minute: int
    shard: int
    intent_id: UUID
    photo_id: str | None
    event: str | None
    deletion_unfinished: bool | None


class CassandraOutbox:
    """`resume_deletion` finishes a deletion that was cut off; it returns False if the photo has no tombstone."""

    def __init__(
        self,
        session: CassandraSession,
        uuids: TimeUuidGenerator,
        clock_ms: Callable[[], int],
        resume_deletion: Callable[[str], bool],
    ) -> None:
        self._session, self._uuids, self._clock_ms = session, uuids, clock_ms
        self._resume_deletion = resume_deletion
        self._recorded_minute = -1
        # The intents under which this process saw or wrote an event, so that `remove` need not search for them. Several
        # for one text, if the same follow was changed twice within a millisecond.
        self._intents_by_text: OrderedDict[str, set[Intent]] = OrderedDict()
        self._lock = threading.Lock()

    def write_intent(self, photo_id: str, deletion_unfinished: bool = False) -> Intent:
        """When this returns, the intent is durable, and the change that it announces may be made."""
        intent = self._new_intent(photo_id, photo_id, None, deletion_unfinished)
        self._session.execute(_PUT_INTENT, *intent)
        return intent

    def write_with_events(self, calls: Sequence[Call], *events: Event | None) -> None:
        """Makes these writes and puts the events, if there are any, into the outbox.

        All in one logged batch: eventually all or none.
        """
        made = [event for event in events if event is not None]
        if not made:
            self._session.execute_concurrent(calls)
            return
        intents = [(self._new_intent(event.key, None, to_text(event), False), to_text(event)) for event in made]
        self._session.execute_batch([*calls, *((_PUT_INTENT, *intent) for intent, _ in intents)])
        for intent, text in intents:
            self.remember(intent, text)

    def add(self, event: Event) -> None:
        self.write_with_events((), event)

    def change_with_event(self, event: Event | None, change: Callable[[], bool]) -> bool:
        """Makes a conditional change, with its event; returns what `change` returns. If False, there is no event."""
        if event is None:
            return change()
        intent = self._new_intent(event.key, None, to_text(event), True)
        self._session.execute(_PUT_INTENT, *intent)
        if not change():
            self.remove_intent(intent)
            return False
        self.remember(intent, to_text(event))
        self.mark_complete(intent)
        return True

    def remember(self, intent: Intent, text: str) -> None:
        """Notes that the event with this text exists under the intent."""
        with self._lock:
            self._intents_by_text.setdefault(text, set()).add(intent)
            while len(self._intents_by_text) > _MOST_REMEMBERED:
                self._intents_by_text.popitem(last=False)

    def remove_intent(self, intent: Intent) -> None:
        """When there is nothing to publish."""
        self._session.execute(*_removal(intent))

    def mark_complete(self, intent: Intent) -> None:
        """When the change or deletion is complete, so that its event may be published."""
        self._session.execute(_PUT_INTENT, *intent._replace(deletion_unfinished=False))

    def pending(self, limit: int) -> list[Event]:
        """Oldest first. Also finishes deletions, and drops intents without an event, when they are old enough."""
        minutes = [minute for (minute,) in self._session.execute("SELECT minute FROM outbox_minutes WHERE one = 0")]
        found: list[Event] = []
        for start in range(0, len(minutes), _MINUTES_AT_ONCE):
            intents = self._intents(minutes[start : start + _MINUTES_AT_ONCE], limit + _EXTRA_INTENTS)
            for intent, text in self._with_events(intents):
                self.remember(intent, text)
                found.append(from_text(text))
            if len(found) >= limit:
                break
        return found[:limit]

    def remove(self, events: Sequence[Event]) -> None:
        """Deletes the event before its intent: the sweep drops a lone intent, but would never find a lone event."""
        texts = [to_text(event) for event in events]
        if any(text not in self._intents_by_text for text in texts):
            # Another process wrote it. `pending` remembers the intents of all that it finds; what it does not find was
            # removed already.
            self.pending(_MOST_REMEMBERED)
        with self._lock:
            intents = [intent for text in texts for intent in self._intents_by_text.pop(text, ())]
        # The row was written by Paxos, with the coordinator's time; a delete with an older time, from a driver whose
        # clock is behind, would have no effect. Nobody writes the row again, so its delete may have a future time.
        delete = "DELETE FROM photos USING TIMESTAMP ? WHERE photo_id = ? AND event_id = ?"
        time_us = (self._clock_ms() + _CLOSE_AFTER_MS) * 1000
        rows = [(intent.photo_id, intent.intent_id) for intent in intents if intent.photo_id is not None]
        self._session.execute_concurrent((delete, time_us, *row) for row in rows)
        self._session.execute_concurrent(map(_removal, intents))

    def _new_intent(self, shard_key: str, photo_id: str | None, event: str | None, unfinished: bool) -> Intent:
        intent_id = self._uuids.next()
        minute = time_uuid_ms(intent_id) // OUTBOX_MS
        if minute != self._recorded_minute:
            self._session.execute("INSERT INTO outbox_minutes (one, minute) VALUES (0, ?)", minute)
            self._recorded_minute = minute
        return Intent(minute, shard_of(key(shard_key)), intent_id, photo_id, event, unfinished)

    def _intents(self, minutes: list[int], limit: int) -> list[Intent]:
        """The intents of these minutes, oldest first. Closes each minute that is empty and old enough."""
        query = (
            "SELECT minute, shard, intent_id, photo_id, event, deletion_unfinished FROM outbox"
            " WHERE minute = ? AND shard = ? LIMIT ?"
        )
        calls = [(query, minute, shard, limit) for minute in minutes for shard in range(OUTBOX_SHARDS)]
        found = [Intent(*row) for rows in self._session.execute_concurrent(calls) for row in rows]
        old = {minute for minute in minutes if (minute + 1) * OUTBOX_MS + _CLOSE_AFTER_MS < self._clock_ms()}
        for minute in old - {intent.minute for intent in found}:
            self._session.execute("DELETE FROM outbox_minutes WHERE one = 0 AND minute = ?", minute)
        return sorted(found, key=lambda intent: (intent.intent_id.time, intent.intent_id.bytes))

    def _with_events(self, intents: list[Intent]) -> Iterator[tuple[Intent, str]]:
        """Each intent that has an event to publish, with the event's text."""
        intents = [intent for intent in intents if not intent.deletion_unfinished or self._is_ready(intent)]
        calls = [(_GET_EVENT, i.photo_id, i.intent_id) for i in intents if i.photo_id is not None]
        responses = iter(self._session.execute_concurrent(calls))
        for intent in intents:
            rows = next(responses) if intent.photo_id is not None else [(intent.event,)]
            if rows:
                yield intent, rows[0][0]
            elif self._age_ms(intent) > _DROP_AFTER_MS:
                self._drop_unless_event(intent)

    def _is_ready(self, intent: Intent) -> bool:
        """Whether the event of this unfinished change or deletion may now be published, or its intent dropped.

        If its process has probably died, the deletion is finished here. A photo without a tombstone means that the
        conditional write was never made, or may still arrive: then the intent waits until it may be dropped.
        """
        if self._age_ms(intent) < _RESUME_AFTER_MS:
            return False
        if intent.photo_id is None:
            return True
        if self._resume_deletion(intent.photo_id):
            self.mark_complete(intent)
            return True
        return self._age_ms(intent) > _DROP_AFTER_MS

    def _drop_unless_event(self, intent: Intent) -> None:
        """The serial read completes a conditional write that was cut off; if it shows an event, the intent stays."""
        if not self._session.execute_serial(_GET_EVENT, intent.photo_id, intent.intent_id):
            self.remove_intent(intent)

    def _age_ms(self, intent: Intent) -> int:
        return self._clock_ms() - time_uuid_ms(intent.intent_id)


def _removal(intent: Intent) -> Call:
    return "DELETE FROM outbox WHERE minute = ? AND shard = ? AND intent_id = ?", *intent[:3]
