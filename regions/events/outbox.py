"""The outbox: no event is lost if a process dies between changing the catalog and publishing the event.

The catalog and the event log are two systems, and no transaction spans both. Published first, an event might report a
change that then fails; published after the change, it is lost if the process dies in between. So the event is stored
in the catalog first, in the same write as the change:

    1. A request writes the change and the event to the catalog: both are stored, or neither.
    2. It publishes the event to the event log.
    3. It removes the event from the outbox.

A process that dies after step 1 or 2 leaves the event in the outbox. `run_once` (the sweep) runs regularly in another
process, publishes every event that has waited for longer than a request takes, and removes it. If the death came
after step 2, or if the sweep meets a slow request, the event is published twice. It is never lost: delivery is at
least once, and consumers are idempotent.
"""

import logging
from collections.abc import Callable, Sequence

from regions.errors import Unavailable
from regions.events.messages import Event
from regions.stores.catalog import Catalog
from regions.stores.events import Events

log = logging.getLogger(__name__)

_SWEEP_AFTER_MS = 2_000
_SWEEP_LIMIT = 200


class OutboxPublisher:
    def __init__(self, catalog: Catalog, events: Events, clock_ms: Callable[[], int]) -> None:
        self._catalog, self._events, self._clock_ms = catalog, events, clock_ms

    def publish(self, *events: Event) -> None:
        """Publishes events that are in the outbox already. If a store is unavailable, leaves them to `run_once`."""
        try:
            self._publish(events)
        except Unavailable as error:
            event_ids = [event.event_id for event in events]
            log.warning("events left to the sweep", extra={"event_ids": event_ids, "error": error.detail})

    def publish_now(self, event: Event) -> None:
        """Publishes an event that is not in the outbox. While the event log is unavailable, puts it there.

        When this returns, the event is in one of the two; so what is done afterwards, such as an answer, says that it
        is. If the process dies before, it is lost: this is for what nobody relies on until the answer. Raises
        Unavailable if neither takes it.
        """
        try:
            self._events.publish([event])
        except Unavailable as error:
            log.warning("event left to the sweep", extra={"event_id": event.event_id, "error": error.detail})
            self._catalog.outbox.add(event)

    def run_once(self) -> int:
        """Publishes the events that have waited for more than 2 s, at most 200 of them; returns how many.

        Raises Unavailable. Safe to run in any number of processes at once.
        """
        now_ms = self._clock_ms()
        # An event from the future is due too: it was written before the clock was stepped back.
        stale = [
            event
            for event in self._catalog.outbox.pending(_SWEEP_LIMIT)
            if not 0 <= now_ms - event.at_ms < _SWEEP_AFTER_MS
        ]
        if stale:
            self._publish(stale)
        return len(stale)

    def _publish(self, events: Sequence[Event]) -> None:
        self._events.publish(events)
        self._catalog.outbox.remove(events)
