"""The outbox: an event is written together with the state change that it reports, and stays until it is published.

The request that wrote it publishes it at once; `run_once` publishes what a crash left behind. So an event may be
published twice but is never lost; consumers are idempotent.
"""

import logging
from collections.abc import Callable

from regions.errors import Unavailable
from regions.events.messages import Event
from regions.stores.catalog import Catalog
from regions.stores.events import Events

log = logging.getLogger(__name__)

_SWEEP_AFTER_MS = 2_000
_SWEEP_LIMIT = 200


class Outbox:
    def __init__(self, catalog: Catalog, events: Events, clock_ms: Callable[[], int]) -> None:
        self._catalog, self._events, self._clock_ms = catalog, events, clock_ms

    def publish(self, event: Event) -> None:
        """Publishes an event that is in the outbox already. Unavailable is only logged: `run_once` will publish it."""
        try:
            self._publish([event])
        except Unavailable as error:
            log.warning("event left to the sweep", extra={"event_id": event.event_id, "error": error.detail})

    def run_once(self) -> int:
        """Publishes events that have waited longer than a request takes; returns how many.

        Raises Unavailable. Safe to run in any number of processes at once.
        """
        stale = [event for event in self._catalog.outbox.pending(_SWEEP_LIMIT) if self._is_stale(event)]
        if stale:
            self._publish(stale)
        return len(stale)

    def _is_stale(self, event: Event) -> bool:
        """An event from the future is stale too: it was written before the clock stepped back."""
        return not 0 <= self._clock_ms() - event.at_ms < _SWEEP_AFTER_MS

    def _publish(self, events: list[Event]) -> None:
        self._events.publish(events)
        self._catalog.outbox.remove(events)
