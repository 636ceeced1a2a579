"""How every room reads the event log: at least once, a few at a time, committed after success.

A `handle` must be idempotent. When it raises Unavailable, a store is away, and the event waits for it however
long that takes; any other error counts as an attempt, and after `ATTEMPTS` the event goes to the dead
letters with its error, so that one poisoned event never holds up the rest. Events of one key are handled one
after the other, in their order; those of different keys side by side.
"""

import logging
import random
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from regions.clock import now_ms
from regions.errors import Unavailable
from regions.events.commit_window import CommitWindow
from regions.events.messages import Event, dead_letter
from regions.retry import backoff_s
from regions.stores.events import Delivery, Events

log = logging.getLogger(__name__)

Handle = Callable[[Event], None]
GiveUp = Callable[[Event, Exception], None]

ATTEMPTS = 5
# While one event waits for a store that is away, so many later ones may be done, all of which a crash would repeat.
MOST_UNCOMMITTED = 1_000

_IDLE_S = 1.0
_BUSY_S = 0.05
# As if it were the attempt of this number: 0.8 to 1.6 s.
_LONG = 4


def jittered_s(attempt: int) -> float:
    return backoff_s(attempt, random.random)


class Subscription:
    """One member of a group on one topic; `handle` runs on at most `width` threads at once.

    All methods are called by one thread. `give_up` is told of an event just before it goes to the dead letters,
    and again where that is repeated; `pause_s` says how long to wait after the attempt of that number, from 1 on.
    """

    def __init__(
        self,
        events: Events,
        topic: str,
        group: str,
        member: str,
        handle: Handle,
        width: int,
        give_up: GiveUp | None = None,
        pause_s: Callable[[int], float] = jittered_s,
    ) -> None:
        self._events, self._topic, self._group = events, topic, group
        self._handle, self._give_up, self._width, self._pause_s = handle, give_up, width, pause_s
        self._consumer = events.consumer(topic, group, member)
        self._threads = ThreadPoolExecutor(width, thread_name_prefix=f"{topic}-{group}")
        self._window = CommitWindow()
        self._waiting: list[Delivery] = []
        self._under_way: dict[Future[None], Delivery] = {}
        self._committable: dict[int, int] = {}
        self._stop = threading.Event()

    def run_once(self, wait_s: float = 0.0) -> int:
        """Takes what there is room for, commits what is done; returns how many events are under way.

        Raises Unavailable where the event log does not answer; call it again later, nothing is lost.
        """
        self._keep_owned()
        room = self._room()
        if room:
            timeout_s = min(wait_s, _BUSY_S) if self._under_way else wait_s
            for delivery in self._consumer.poll(room, timeout_s):
                self._window.start(delivery.partition, delivery.offset)
                self._waiting.append(delivery)
        self._start_waiting()
        self._settle(0.0 if room else wait_s)
        return len(self._waiting) + len(self._under_way)

    def run_forever(self, stop: threading.Event) -> None:
        """Until `stop` is set; what is under way then is finished and committed first."""
        while not stop.is_set():
            try:
                self.run_once(_IDLE_S)
            except Unavailable as error:
                log.warning("the event log does not answer", extra={"topic": self._topic, "error": error.detail})
                stop.wait(self._pause_s(_LONG))
            except Exception:  # the last line of defence: a process that goes on but no longer consumes helps nobody
                log.exception("a turn failed", extra={"topic": self._topic})
                stop.wait(self._pause_s(_LONG))
        self.close()

    def close(self) -> None:
        """Finishes and commits what is under way; what waits to be tried again goes to another member. Idempotent."""
        self._stop.set()
        self._waiting.clear()
        try:
            while self._under_way:
                self._keep_owned()
                self._settle(_IDLE_S)
            self._commit()
            self._consumer.close()
        except Unavailable as error:
            log.warning("left without a commit", extra={"topic": self._topic, "error": error.detail})
        self._threads.shutdown(wait=True)

    def _keep_owned(self) -> None:
        """Also tells the group that we live, however long the events under way may take."""
        owned = self._consumer.owned()
        self._window.keep_only(owned)
        self._waiting = [delivery for delivery in self._waiting if delivery.partition in owned]
        self._committable = {partition: self._committable[partition] for partition in owned & self._committable.keys()}

    def _room(self) -> int:
        taken = len(self._waiting) + len(self._under_way)
        return max(0, min(self._width - taken, MOST_UNCOMMITTED - len(self._window)))

    def _start_waiting(self) -> None:
        """Starts each event before which no other of its key is under way or waiting."""
        busy = {delivery.event.key for delivery in self._under_way.values()}
        still_waiting = []
        for delivery in self._waiting:
            if delivery.event.key in busy:
                still_waiting.append(delivery)
            else:
                self._under_way[self._threads.submit(self._work, delivery.event)] = delivery
            busy.add(delivery.event.key)
        self._waiting = still_waiting

    def _settle(self, wait_s: float) -> None:
        """Waits for the first event to be done, and commits what can be. What is not done was told to stop."""
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
        """Where the log does not answer, the offset stays committable for the next time."""
        for partition, offset in list(self._committable.items()):
            self._consumer.commit(partition, offset)
            del self._committable[partition]

    def _work(self, event: Event) -> None:
        """Returns when the event is done or among the dead letters; raises only when we are told to stop."""
        away = failed = 0
        while True:
            try:
                return self._handle(event)
            except Unavailable as error:
                away += 1
                self._pause(event, away, error)
            except Exception as error:  # whatever a poisoned event does to its handler ends here
                failed += 1
                log.exception("attempt failed", extra={"event_id": event.event_id, "attempt": failed})
                if failed >= ATTEMPTS:
                    return self._bury(event, error)
                self._pause(event, failed, error)

    def _bury(self, event: Event, error: Exception) -> None:
        away = 0
        while True:
            try:
                self._tell_given_up(event, error)
                return self._events.publish([dead_letter(event, self._group, repr(error), now_ms())])
            except Unavailable as unavailable:
                away += 1
                self._pause(event, away, unavailable)

    def _tell_given_up(self, event: Event, error: Exception) -> None:
        try:
            if self._give_up is not None:
                self._give_up(event, error)
        except Unavailable:
            raise
        except Exception:
            log.exception("giving up failed", extra={"event_id": event.event_id})

    def _pause(self, event: Event, attempt: int, error: Exception) -> None:
        log.warning("will be tried again", extra={"event_id": event.event_id, "error": str(error)})
        if self._stop.wait(self._pause_s(attempt)):
            raise error
