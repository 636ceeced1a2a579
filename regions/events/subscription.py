"""How every package consumes the event log: at least once, many events at a time, committed after success.

An offset is committed only when its event and all earlier ones of the partition are done (`CommitWindow`). A crash or a
rebalance between handling and commit delivers the events behind the last commit again, so handling must be idempotent.
Nothing is skipped: an offset is committed when its event is handled, or published elsewhere with its error, as
`handling` says.

Events of one key are handled one after another, in order. Other keys run in parallel, as far as the number of events
that may be unfinished at once allows: events that wait for their key count too.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue

from regions import daemon
from regions.errors import Unavailable
from regions.events.commit_window import CommitWindow
from regions.events.messages import Unreadable
from regions.events.work import EventWork, HandleEvent, LastSteps, ThreadedWork, jittered_s
from regions.stores.events import ConsumerSource, Delivery, Events

log = logging.getLogger(__name__)

# While one event waits for a store, at most this many later ones are handled: a crash would repeat all of them.
MOST_UNCOMMITTED = 4_000

_IDLE_S = 1.0
_BUSY_S = 0.05
# The pause after a failed round is that of this attempt: 0.8 to 1.6 s.
_FAILED_ROUND_ATTEMPT = 5


class Subscription:
    """One member of a group on one topic, with at most `concurrency` unfinished events, which it hands to `work`.

    One thread calls all methods. A round costs what it does, whatever number of events is unfinished.

    After a rebalance, the events of a lost partition that have not started are dropped, and those under way finish but
    are not committed: the partition's new owner handles them again.
    """

    def __init__(
        self,
        events: ConsumerSource,
        topic: str,
        group: str,
        member: str,
        work: EventWork,
        concurrency: int,
        pause_s: Callable[[int], float] = jittered_s,
    ) -> None:
        self._topic, self._work, self._concurrency, self._pause_s = topic, work, concurrency, pause_s
        self._consumer = events.consumer(topic, group, member)
        self._window = CommitWindow()
        self._unfinished_by_key: dict[str, deque[Delivery]] = {}
        """The first of each key is under way."""
        self._unfinished = self._under_way = 0
        self._finished: SimpleQueue[tuple[Delivery, Future[None]]] = SimpleQueue()
        self._owned: set[int] = set()
        self._committable: dict[int, int] = {}

    def run_once(self, wait_s: float = 0.0) -> int:
        """Polls as many events as there is room for, commits finished ones; returns how many are not finished.

        Raises Unavailable if the event log does not respond. Call it again later; nothing is lost.
        """
        self._keep_owned()
        room = max(0, min(self._concurrency - self._unfinished, MOST_UNCOMMITTED - len(self._window)))
        if room:
            timeout_s = min(wait_s, _BUSY_S) if self._under_way else wait_s
            for delivery in self._consumer.poll(room, timeout_s):
                self._take(delivery)
        self._commit_finished(0.0 if room else wait_s)
        return self._unfinished

    def run_forever(self, stop: threading.Event) -> None:
        """Runs until `stop` is set, then finishes and commits the events under way."""
        while not stop.is_set():
            try:
                self.run_once(_IDLE_S)
            except Unavailable as error:
                log.warning("the event log does not respond", extra={"topic": self._topic, "error": error.detail})
                stop.wait(self._pause_s(_FAILED_ROUND_ATTEMPT))
            except Exception:  # the loop must not end: nobody would notice a process that has stopped consuming
                log.exception("a round failed", extra={"topic": self._topic})
                stop.wait(self._pause_s(_FAILED_ROUND_ATTEMPT))
        self.close()

    def close(self) -> None:
        """Finishes and commits the events under way. Events that wait for a retry go to another member. Idempotent."""
        self._work.stop()
        self._drop_waiting(lambda delivery: True)
        try:
            while self._under_way:
                self._keep_owned()
                self._commit_finished(_IDLE_S)
            self._commit()
        except Unavailable as error:
            log.warning("closed without a commit", extra={"topic": self._topic, "error": error.detail})
        try:
            self._consumer.close()
        except Unavailable as error:
            log.warning("the group was not left", extra={"topic": self._topic, "error": error.detail})
        self._work.close()

    def _keep_owned(self) -> None:
        """Drops lost partitions. `owned` also keeps this member in its group, however long its events take."""
        owned = self._consumer.owned()
        if owned == self._owned:
            return
        self._owned = owned
        self._window.keep_only(owned)
        self._drop_waiting(lambda delivery: delivery.partition not in owned)
        self._committable = {partition: self._committable[partition] for partition in owned & self._committable.keys()}

    def _drop_waiting(self, is_lost: Callable[[Delivery], bool]) -> None:
        for key, (first, *waiting) in self._unfinished_by_key.items():
            kept = [delivery for delivery in waiting if not is_lost(delivery)]
            self._unfinished -= len(waiting) - len(kept)
            self._unfinished_by_key[key] = deque([first, *kept])

    def _take(self, delivery: Delivery) -> None:
        """Starts the event, unless an earlier one of its key is not finished."""
        event = delivery.event
        if isinstance(event, Unreadable):
            log.error("not an event", extra={"topic": event.topic, "event_id": event.event_id, "error": event.error})
        self._window.start(delivery.partition, delivery.offset)
        self._unfinished += 1
        same_key = self._unfinished_by_key.setdefault(event.key, deque())
        same_key.append(delivery)
        if len(same_key) == 1:
            self._start(delivery)

    def _start(self, delivery: Delivery) -> None:
        self._under_way += 1
        future = self._work.start(delivery.event)
        future.add_done_callback(lambda done: self._finished.put((delivery, done)))

    def _commit_finished(self, wait_s: float) -> None:
        """Commits what is finished by now. If nothing is, waits up to `wait_s` for the first, if any is under way.

        One that failed is not committed, and neither is any later one of its partition: it is delivered again.
        """
        if self._under_way and self._finished.empty() and wait_s:
            with suppress(Empty):
                self._finish(*self._finished.get(timeout=wait_s))
        while not self._finished.empty():
            self._finish(*self._finished.get())
        self._commit()

    def _finish(self, delivery: Delivery, future: Future[None]) -> None:
        self._under_way -= 1
        self._unfinished -= 1
        same_key = self._unfinished_by_key[delivery.event.key]
        same_key.popleft()
        if same_key:
            self._start(same_key[0])
        else:
            del self._unfinished_by_key[delivery.event.key]
        if not future.cancelled() and future.exception() is None:
            offset = self._window.finish(delivery.partition, delivery.offset)
            if offset is not None:
                self._committable[delivery.partition] = offset

    def _commit(self) -> None:
        """If the log does not respond, the offset stays committable for the next call."""
        for partition, offset in list(self._committable.items()):
            self._consumer.commit(partition, offset)
            del self._committable[partition]


def consume(
    events: Events,
    topic: str,
    group: str,
    process_name: str,
    handle: HandleEvent,
    concurrency: int,
    stop: threading.Event,
) -> None:
    """Handles events on threads, as soon as the event log is available and until `stop` is set."""
    work = ThreadedWork(handle, LastSteps(events, group, None).take, concurrency)
    consume_with(events, topic, group, process_name, work, concurrency, stop)


def consume_with(
    events: ConsumerSource,
    topic: str,
    group: str,
    process_name: str,
    work: EventWork,
    concurrency: int,
    stop: threading.Event,
) -> None:
    """The same with work of one's own."""
    subscribe = partial(Subscription, events, topic, group, process_name, work, concurrency)
    subscription = daemon.open_when_available(subscribe, topic, stop)
    if subscription is not None:
        subscription.run_forever(stop)
