"""The outbox of the Cassandra catalog: intents in small partitions, and events next to what they report.

A conditional write (Paxos) can't reach two partitions, and an outbox that the sweep can read lies in other partitions
than the photo. So a change that has an event takes three steps:

1. An *intent* ("this photo may get an event") is written into the outbox partition of the current minute.
2. One conditional batch on the photo's partition changes the status and adds the event as a row, under the intent's id.
3. When the event is published, its row is removed, and then the intent.

What a crash leaves: before 2, an intent without an event. It reports nothing, and is dropped when it is ten minutes
old, after a serial read that finishes a batch which was cut off. Between 2 and 3, an intent with its event: the sweep
publishes it. Within 3, an intent without an event again.

A change that needs no condition (a follow) carries its event in the intent, and both are written in one logged batch.
The intent of a deletion is marked until the deletion is complete; the sweep completes one whose process died.

    outbox ((minute, shard), intent_id)   an intent; `deletion` while a deletion is not complete
    photos (photo_id, event_id)           the event, with the id of the intent
    outbox_minutes                        which minutes may hold intents

Partitions of a minute keep the sweep away from the markers that deleted rows leave. An empty one is closed when it is
two minutes old: the clocks of a region's processes must not differ by more.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from regions.events.messages import Event, from_text, to_text
from regions.stores.cassandra.address import key
from regions.stores.cassandra.partitions import OUTBOX_MS, OUTBOX_SHARDS, TimeUuidGenerator, shard_of, time_uuid_ms
from regions.stores.cassandra.session import Call, CassandraSession

_CLOSE_AFTER_MS = 120_000
# Far longer than any request takes: the process that wrote such an intent is dead, or got Unavailable.
_DROP_AFTER_MS = 600_000
# A deletion takes a few writes with a deadline each; who is not done by then has died.
_COMPLETE_AFTER_MS = 20_000
_MINUTES_AT_ONCE = 8
# Intents without an event are read beyond the limit, so that some of them do not hide the events behind.
_SLACK = 100
_KNOWN = 10_000

PUT_EVENT = "INSERT INTO photos (photo_id, event_id, event) VALUES (?, ?, ?)"
_PUT_INTENT = "INSERT INTO outbox (minute, shard, intent_id, photo_id, event, deletion) VALUES (?, ?, ?, ?, ?, ?)"


class Intent(NamedTuple):
    minute: int
    shard: int
    intent_id: UUID
    photo_id: str | None
    event: str | None
    deletion: bool | None


class CassandraOutbox:
    """`complete` finishes a deletion whose process died on the way; it returns False if the photo has no tombstone."""

    def __init__(
        self,
        session: CassandraSession,
        uuids: TimeUuidGenerator,
        clock_ms: Callable[[], int],
        complete: Callable[[str], bool],
    ) -> None:
        self._session, self._uuids, self._clock_ms, self._complete = session, uuids, clock_ms, complete
        self._noted_minute = -1
        # Where this process saw an event lie, so that `remove` need not look for it.
        self._places: OrderedDict[str, set[Intent]] = OrderedDict()
        self._lock = threading.Lock()

    def intend(self, photo_id: str, deletion: bool = False) -> Intent:
        """Written and durable: the change that the intent announces may now be made."""
        intent = self._intent(photo_id, photo_id, None, deletion)
        self._session.rows(_PUT_INTENT, *intent)
        return intent

    def publish_with(self, event: Event, calls: Iterable[Call]) -> None:
        """Writes all these and the event in one logged batch: all of them, or in the end none."""
        intent = self._intent(event.key, None, to_text(event), False)
        self._session.together([*calls, (_PUT_INTENT, *intent)])
        self.written(intent, event)

    def written(self, intent: Intent, event: Event) -> None:
        """The event of the intent was written."""
        self._remember(to_text(event), intent)

    def withdraw(self, intent: Intent) -> None:
        """There is nothing to publish."""
        self._session.rows(*_removal(intent))

    def completed(self, intent: Intent) -> None:
        """The deletion is complete, and its event may be published."""
        self._session.rows(_PUT_INTENT, *intent._replace(deletion=False))

    def pending(self, limit: int) -> list[Event]:
        """Oldest first. Completes deletions and drops what came to nothing, both only where it is old."""
        found: list[Event] = []
        minutes = self._minutes()
        for start in range(0, len(minutes), _MINUTES_AT_ONCE):
            some = minutes[start : start + _MINUTES_AT_ONCE]
            for intent, text in self._events(self._intents(some, limit + _SLACK)):
                self._remember(text, intent)
                found.append(from_text(text))
            if len(found) >= limit:
                break
        return found[:limit]

    def remove(self, events: Sequence[Event]) -> None:
        """The events go first: an intent alone is dropped in time, an event alone would stay for ever."""
        texts = [to_text(event) for event in events]
        if any(text not in self._places for text in texts):
            self.pending(_KNOWN)
        with self._lock:
            intents = [intent for text in texts for intent in self._places.pop(text, ())]
        delete = "DELETE FROM photos WHERE photo_id = ? AND event_id = ?"
        self._session.each((delete, i.photo_id, i.intent_id) for i in intents if i.photo_id is not None)
        self._session.each(map(_removal, intents))

    def _intent(self, about: str, photo_id: str | None, event: str | None, deletion: bool) -> Intent:
        intent_id = self._uuids.next()
        minute = time_uuid_ms(intent_id) // OUTBOX_MS
        if minute != self._noted_minute:
            self._session.rows("INSERT INTO outbox_minutes (one, minute) VALUES (0, ?)", minute)
            self._noted_minute = minute
        return Intent(minute, shard_of(key(about)), intent_id, photo_id, event, deletion)

    def _minutes(self) -> list[int]:
        return [minute for (minute,) in self._session.rows("SELECT minute FROM outbox_minutes WHERE one = 0")]

    def _intents(self, minutes: list[int], limit: int) -> list[Intent]:
        """Those of these minutes, oldest first. A minute that is found empty and old is closed."""
        query = (
            "SELECT minute, shard, intent_id, photo_id, event, deletion FROM outbox"
            " WHERE minute = ? AND shard = ? LIMIT ?"
        )
        asked = [(query, minute, shard, limit) for minute in minutes for shard in range(OUTBOX_SHARDS)]
        found = [Intent(*row) for rows in self._session.each(asked) for row in rows]
        old = {minute for minute in minutes if (minute + 1) * OUTBOX_MS + _CLOSE_AFTER_MS < self._clock_ms()}
        for minute in old - {intent.minute for intent in found}:
            self._session.rows("DELETE FROM outbox_minutes WHERE one = 0 AND minute = ?", minute)
        return sorted(found, key=lambda intent: (intent.intent_id.time, intent.intent_id.bytes))

    def _events(self, intents: list[Intent]) -> Iterator[tuple[Intent, str]]:
        """Each intent that has an event to publish, with the event."""
        intents = [intent for intent in intents if not intent.deletion or self._has_completed(intent)]
        query = "SELECT event FROM photos WHERE photo_id = ? AND event_id = ?"
        answers = iter(self._session.each((query, i.photo_id, i.intent_id) for i in intents if i.photo_id is not None))
        for intent in intents:
            rows = next(answers) if intent.photo_id is not None else [(intent.event,)]
            if rows:
                yield intent, rows[0][0]
            elif self._age_ms(intent) > _DROP_AFTER_MS:
                self._drop(intent)

    def _has_completed(self, intent: Intent) -> bool:
        if self._age_ms(intent) < _COMPLETE_AFTER_MS or intent.photo_id is None:
            return False
        if self._complete(intent.photo_id):
            self.completed(intent)
            return True
        return self._age_ms(intent) > _DROP_AFTER_MS

    def _drop(self, intent: Intent) -> None:
        """Unless a conditional write that was cut off comes to its end with the serial read."""
        query = "SELECT event FROM photos WHERE photo_id = ? AND event_id = ?"
        if not self._session.serial_rows(query, intent.photo_id, intent.intent_id):
            self.withdraw(intent)

    def _age_ms(self, intent: Intent) -> int:
        return self._clock_ms() - time_uuid_ms(intent.intent_id)

    def _remember(self, text: str, intent: Intent) -> None:
        with self._lock:
            self._places.setdefault(text, set()).add(intent)
            while len(self._places) > _KNOWN:
                self._places.popitem(last=False)


def _removal(intent: Intent) -> Call:
    return "DELETE FROM outbox WHERE minute = ? AND shard = ? AND intent_id = ?", *intent[:3]
