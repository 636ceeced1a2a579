"""An event log whose consumers jump over nothing in silence.

A log keeps its events for some weeks, and not until everybody has read them: a lane whose destination was away for
longer, or a group that is new, finds that its next event is gone. Then it is in the log of the process, and
written down in the settings (`gap_records`), before anything behind the gap is read. If a process dies in between, the
next one finds the same gap, or a larger one, as its group has not gone on.
"""

import logging
from collections.abc import Callable, Sequence

from regions.errors import Unavailable
from regions.events.gap_records import from_text, key_of, to_text, with_gaps
from regions.stores.events import Consumer, Delivery, EventLog, Gap, LogConsumer
from regions.stores.settings import Values
from regions.waiting import attempts

log = logging.getLogger(__name__)

_WRITE_WITHIN_S = 5.0


class GapRecordingEvents:
    """The same event log, with gaps recorded in `values`."""

    def __init__(self, events: EventLog, values: Values, clock_ms: Callable[[], int]) -> None:
        self._events, self._values, self._clock_ms = events, values, clock_ms
        self.publish, self.lag = events.publish, events.lag
        self.check_health, self.close = events.check_health, events.close

    def consumer(self, topic: str, group: str, member: str) -> Consumer:
        def record(gaps: Sequence[Gap]) -> None:
            record_gaps(self._values, group, topic, gaps, self._clock_ms())

        return GapRecordingConsumer(self._events.consumer(topic, group, member), record)


class GapRecordingConsumer:
    """`record` raises Unavailable until it has written the gaps down; until then nothing behind them is read."""

    def __init__(self, consumer: LogConsumer, record: Callable[[Sequence[Gap]], None]) -> None:
        self._consumer, self._record = consumer, record
        self.commit, self.owned = consumer.commit, consumer.owned
        self.generation, self.close = consumer.generation, consumer.close

    def poll(self, limit: int, timeout_s: float) -> list[Delivery]:
        if gaps := self._consumer.gaps():
            self._record(gaps)
            for gap in gaps:
                self._consumer.skip(gap)
        return self._consumer.poll(limit, timeout_s)


def record_gaps(values: Values, group: str, topic: str, gaps: Sequence[Gap], at_ms: int) -> None:
    """Durable when it returns. Raises Unavailable."""
    events = sum(gap.end - gap.first for gap in gaps)
    log.error("the log was trimmed before they were read", extra={"group": group, "topic": topic, "events": events})
    key = key_of(group, topic)
    for _ in attempts(_WRITE_WITHIN_S):
        found = values.read(key)
        record = with_gaps(from_text(group, topic, found.value if found else ""), gaps, at_ms)
        if values.write(key, to_text(record), found.version if found else 0):
            return
    raise Unavailable("others record gaps all the time")
