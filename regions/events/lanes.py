"""How a lane consumes the event log: its topics, and again what it had to set aside.

    lane = lanes.loops(events, lane_group("us-central"), process_name, {
        PHOTO_READY: LaneTopic(handle_ready, 4),
        PHOTO_DELETED: LaneTopic(handle_deleted, 4),
        FOLLOW_CHANGED: LaneTopic(handle_followed, 2),
    }, stop)
    daemon.run_together(lane, stop)

What a handler raises decides what becomes of its event:

    Unavailable    a store or the destination is away: it is tried again in its place, for as long as that lasts
    NotYet         nothing failed, but it is too early: it is set aside at once, with the delay that the handler chose
    anything else  it is tried `ATTEMPTS` times within seconds, and then set aside (`set_aside` says for how long)

What can't be read as an event goes to the dead letters, as everywhere. A handler is called with the event as it was
published first, whatever topic it came back from, and by any number of processes; `set_aside` says what that asks of
it. Nothing is lost if the process dies: an event is committed in its topic only after it was handled or set aside.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from regions.clock import now_ms
from regions.daemon import Loop
from regions.events.due import DelayedEvents
from regions.events.handling import Instruction, PublishFailure
from regions.events.messages import Event, Unreadable, dead_letter
from regions.events.set_aside import DELAYS, after_failure, parse
from regions.events.subscription import consume_with
from regions.events.work import HandleEvent, PauseS, ThreadedWork, jittered_s
from regions.stores.events import ConsumerSource

_AGAIN = 4
"""How many events that were set aside, of one delay, a lane handles at once."""


@dataclass(frozen=True, slots=True)
class LaneTopic:
    """`handle` is called with at most `concurrency` events of the topic at once, each on a thread.

    Events that were set aside go to `handle_again` instead, if there is one. It must not wait for long, because there
    may be deletions behind them.
    """

    handle: HandleEvent
    concurrency: int
    handle_again: HandleEvent | None = None


class LaneEvents(ConsumerSource, Protocol):
    """What a lane needs of an event log: as `Events` has it."""

    def publish(self, events: Sequence[Event]) -> None: ...


def loops(
    events: LaneEvents,
    group: str,
    process_name: str,
    topics: Mapping[str, LaneTopic],
    stop: threading.Event,
    clock_ms: Callable[[], int] = now_ms,
    pause_s: PauseS = jittered_s,
) -> list[Loop]:
    """The loops of the lane with this consumer group, for `daemon.run_together`: each topic has threads of its own.

    `pause_s` is the pause after an attempt, by its number.
    """
    last_step = SettingAside(events, group, clock_ms).take

    def loop(source: ConsumerSource, topic: str, one: LaneTopic) -> Loop:
        work = ThreadedWork(one.handle, last_step, one.concurrency, pause_s)
        return partial(consume_with, source, topic, group, process_name, work, one.concurrency, stop)

    again, delayed = LaneTopic(partial(_handle_again, group, topics), _AGAIN), DelayedEvents(events, clock_ms)
    return [
        *(loop(events, topic, one) for topic, one in topics.items()),
        *(loop(delayed, delay.topic, again) for delay in DELAYS),
    ]


class SettingAside:
    """The end of an event that a lane could not handle, for its work: publishes it as `set_aside` decides."""

    def __init__(self, events: LaneEvents, group: str, clock_ms: Callable[[], int]) -> None:
        self._events, self._group, self._clock_ms = events, group, clock_ms

    def take(self, event: Event | Unreadable, step: Instruction) -> None:
        if isinstance(step, PublishFailure):
            self._events.publish([self._published(event, step)])

    def _published(self, event: Event | Unreadable, failure: PublishFailure) -> Event:
        if isinstance(event, Unreadable):
            return dead_letter(event, self._group, failure.error, self._clock_ms())
        return after_failure(event, self._group, failure.error, failure.delay, self._clock_ms())


def _handle_again(group: str, topics: Mapping[str, LaneTopic], event: Event) -> None:
    """Raises UnreadableEvent, and KeyError for a topic that only a newer program's lanes read."""
    found = parse(event)
    if found.group == group:
        of_topic = topics[found.event.topic]
        (of_topic.handle_again or of_topic.handle)(found.event)
