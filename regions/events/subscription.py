"""How every package consumes the event log: at least once, a few events at a time, committed after success.

An offset is committed only when its event and all earlier ones of the partition are done (`CommitWindow`). A crash or a
rebalance between handling and commit delivers the events behind the last commit again, so `handle` must be idempotent.

When `handle` raises Unavailable, a store is down: the event is retried for as long as that lasts. Any other error
counts as an attempt. After `ATTEMPTS` of them the event goes to the dead letters with its error, so that one poisoned
event does not block the rest for long. What can't be read as an event goes there at once. Nothing is skipped: an offset
is committed when its event is handled or is in the dead letters.

Events of one key are handled one after another, in order. Other keys run in parallel, as far as the number of events
that are handled at once allows: events that wait for their key count too.
"""

import logging
import random
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial

from regions import daemon
from regions.clock import now_ms
from regions.errors import Unavailable
from regions.events.commit_window import CommitWindow
from regions.events.messages import Event, Unreadable, dead_letter
from regions.retry import backoff_s
from regions.stores.events import Delivery, Events

log = logging.getLogger(__name__)

Handle = Callable[[Event], None]
GiveUp = Callable[[Event, Exception], None]

ATTEMPTS = 5
# While one event waits for a store, at most this many later ones are handled: a crash would repeat all of them.
MOST_UNCOMMITTED = 1_000

_IDLE_S = 1.0
_BUSY_S = 0.05
# The pause after a failed round is that of this attempt: 0.8 to 1.6 s.
_FAILED_ROUND_ATTEMPT = 5


def jittered_s(attempt: int) -> float:
    return backoff_s(attempt, random.random)


class Subscription:
    """One member of a group on one topic; `handle` runs on at most `concurrency` threads at once.

    One thread calls all methods. `give_up` is called just before an event goes to the dead letters, and again if that
    is repeated. `pause_s` gives the pause after an attempt by its number, from 1.

    After a rebalance, the events of a lost partition that have not started are dropped, and those under way finish but
    are not committed: the partition's new owner handles them again.
    """

    def __init__(
        self,
        events: Events,
        topic: str,
        group: str,
        member: str,
        handle: Handle,
        concurrency: int,
        give_up: GiveUp | None = None,
        pause_s: Callable[[int], float] = jittered_s,
    ) -> None:
        self._events, self._topic, self._group = events, topic, group
        self._handle, self._give_up, self._concurrency, self._pause_s = handle, give_up, concurrency, pause_s
        self._consumer = events.consumer(topic, group, member)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix=f"{topic}-{group}")
        self._window = CommitWindow()
        self._waiting: list[Delivery] = []
        self._under_way: dict[Future[None], Delivery] = {}
        self._committable: dict[int, int] = {}
        self._stop = threading.Event()

    def run_once(self, wait_s: float = 0.0) -> int:
        """Polls as many events as there is room for, commits finished ones; returns how many are not finished.

        Raises Unavailable if the event log does not respond. Call it again later; nothing is lost.
        """
        self._keep_owned()
        unfinished = len(self._waiting) + len(self._under_way)
        room = max(0, min(self._concurrency - unfinished, MOST_UNCOMMITTED - len(self._window)))
        if room:
            timeout_s = min(wait_s, _BUSY_S) if self._under_way else wait_s
            for delivery in self._consumer.poll(room, timeout_s):
                self._window.start(delivery.partition, delivery.offset)
                self._waiting.append(delivery)
        self._start_waiting()
        self._commit_finished(0.0 if room else wait_s)
        return len(self._waiting) + len(self._under_way)

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
        self._stop.set()
        self._waiting.clear()
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
        self._threads.shutdown(wait=True)

    def _keep_owned(self) -> None:
        """Drops lost partitions. `owned` also keeps this member in its group, however long its events take."""
        owned = self._consumer.owned()
        self._window.keep_only(owned)
        self._waiting = [delivery for delivery in self._waiting if delivery.partition in owned]
        self._committable = {partition: self._committable[partition] for partition in owned & self._committable.keys()}

    def _start_waiting(self) -> None:
        """Starts each event that has no earlier one of its key under way or waiting."""
        busy = {delivery.event.key for delivery in self._under_way.values()}
        still_waiting = []
        for delivery in self._waiting:
            if delivery.event.key in busy:
                still_waiting.append(delivery)
            else:
                self._under_way[self._threads.submit(self._work, delivery.event)] = delivery
            busy.add(delivery.event.key)
        self._waiting = still_waiting

    def _commit_finished(self, wait_s: float) -> None:
        """Waits until one event is done and commits the finished prefix.

        A future raises only if `close` interrupted the retries of its event. That event is not done.
        """
        if self._under_way:
            done, _ = wait(self._under_way, timeout=wait_s, return_when=FIRST_COMPLETED)
            for future in done:
                delivery = self._under_way.pop(future)
                if future.exception() is None:
                    offset = self._window.finish(delivery.partition, delivery.offset)
                    if offset is not None:
                        self._committable[delivery.partition] = offset
        self._commit()

    def _commit(self) -> None:
        """If the log does not respond, the offset stays committable for the next call."""
        for partition, offset in list(self._committable.items()):
            self._consumer.commit(partition, offset)
            del self._committable[partition]

    def _work(self, event: Event | Unreadable) -> None:
        """Returns when the event is handled or in the dead letters; raises only if the subscription is closing."""
        if isinstance(event, Unreadable):
            log.error("not an event", extra={"topic": event.topic, "event_id": event.event_id, "error": event.error})
            return self._publish_dead_letter(event, event.error)
        unavailable_count = failed = 0
        while True:
            try:
                return self._handle(event)
            except Unavailable as error:
                unavailable_count += 1
                self._pause(event, unavailable_count, error)
            except Exception as error:  # a poisoned event may raise anything in its handler
                failed += 1
                log.exception("attempt failed", extra={"event_id": event.event_id, "attempt": failed})
                if failed >= ATTEMPTS:
                    return self._give_up_on(event, error)
                self._pause(event, failed, error)

    def _give_up_on(self, event: Event, error: Exception) -> None:
        unavailable_count = 0
        while True:
            try:
                self._call_give_up(event, error)
                return self._publish_dead_letter(event, repr(error))
            except Unavailable as unavailable:
                unavailable_count += 1
                self._pause(event, unavailable_count, unavailable)

    def _publish_dead_letter(self, event: Event | Unreadable, error: str) -> None:
        """Tries for as long as it takes, whatever the error is: without a dead letter, the event would be lost."""
        failed = 0
        while True:
            try:
                return self._events.publish([dead_letter(event, self._group, error, now_ms())])
            except Exception as failure:
                failed += 1
                log.exception("a dead letter was not published", extra={"event_id": event.event_id})
                self._pause(event, failed, failure)

    def _call_give_up(self, event: Event, error: Exception) -> None:
        try:
            if self._give_up is not None:
                self._give_up(event, error)
        except Unavailable:
            raise
        except Exception:
            log.exception("giving up failed", extra={"event_id": event.event_id})

    def _pause(self, event: Event | Unreadable, attempt: int, error: Exception) -> None:
        log.warning("will be retried", extra={"event_id": event.event_id, "error": str(error)})
        if self._stop.wait(self._pause_s(attempt)):
            raise error


def consume(
    events: Events,
    topic: str,
    group: str,
    process_name: str,
    handle: Handle,
    concurrency: int,
    stop: threading.Event,
    give_up: GiveUp | None = None,
) -> None:
    """Subscribes as soon as the event log is available, and runs the subscription until `stop` is set."""
    subscribe = partial(Subscription, events, topic, group, process_name, handle, concurrency, give_up)
    subscription = daemon.open_when_available(subscribe, topic, stop)
    if subscription is not None:
        subscription.run_forever(stop)
