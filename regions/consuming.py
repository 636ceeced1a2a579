"""How every room reads the event log: at least once, a few at a time, committed after success.

A `handle` must be idempotent. When it raises Unavailable, a store is away, and the event waits for it however
long that takes; any other error counts as an attempt, and after `_ATTEMPTS` the event goes to the dead
letters with its error, so that one poisoned event never holds up the rest.
"""

import logging
import random
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from regions.clock import now_ms
from regions.errors import Unavailable
from regions.messages import Event, dead_letter
from regions.progress import CommitWindow
from regions.retry import backoff_s
from regions.stores.events import Delivery, Events

log = logging.getLogger(__name__)

Handle = Callable[[Event], None]
GiveUp = Callable[[Event, Exception], None]

_ATTEMPTS = 5
_IDLE_S = 1.0
_BUSY_S = 0.05


class Subscription:
    """One member of a group on one topic; `handle` runs on at most `width` threads at once."""

    def __init__(
        self,
        events: Events,
        topic: str,
        group: str,
        member: str,
        handle: Handle,
        width: int,
        give_up: GiveUp | None = None,
    ) -> None:
        self._events, self._topic, self._group = events, topic, group
        self._handle, self._give_up, self._width = handle, give_up, width
        self._consumer = events.consumer(topic, group, member)
        self._threads = ThreadPoolExecutor(width, thread_name_prefix=f"{topic}-{group}")
        self._window = CommitWindow()
        self._under_way: dict[Future[None], Delivery] = {}
        self._stop = threading.Event()

    def run_once(self, wait_s: float = 0.0) -> int:
        """Takes what there is room for, commits what is done; returns how many events are under way."""
        self._window.keep_only(self._consumer.owned())
        room = self._width - len(self._under_way)
        if room:
            timeout_s = min(wait_s, _BUSY_S) if self._under_way else wait_s
            for delivery in self._consumer.poll(room, timeout_s):
                self._window.start(delivery.partition, delivery.offset)
                self._under_way[self._threads.submit(self._work, delivery.event)] = delivery
        self._settle(0.0 if room else wait_s)
        return len(self._under_way)

    def run_forever(self, stop: threading.Event) -> None:
        """Until `stop` is set; what is under way then is finished and committed first."""
        while not stop.is_set():
            try:
                self.run_once(_IDLE_S)
            except Unavailable as error:
                log.warning("the event log does not answer", extra={"topic": self._topic, "error": error.detail})
                stop.wait(backoff_s(4, random.random))
        self.close()

    def close(self) -> None:
        self._stop.set()
        self._threads.shutdown(wait=True)
        try:
            self._settle(0.0)
            self._consumer.close()
        except Unavailable as error:
            log.warning("left without a commit", extra={"topic": self._topic, "error": error.detail})

    def _settle(self, wait_s: float) -> None:
        if not self._under_way:
            return
        done, _ = wait(self._under_way, timeout=wait_s, return_when=FIRST_COMPLETED)
        for future in done:
            delivery = self._under_way.pop(future)
            if future.exception() is not None:
                continue
            offset = self._window.finish(delivery.partition, delivery.offset)
            if offset is not None:
                self._consumer.commit(delivery.partition, offset)

    def _work(self, event: Event) -> None:
        """Returns when the event is done or among the dead letters; raises only when we are told to stop."""
        attempt, away = 0, 0
        while True:
            try:
                return self._handle(event)
            except Unavailable as error:
                away += 1
                self._pause(event, away, error)
            except Exception as error:  # noqa: BLE001 - whatever a poisoned event does to its handler ends here
                attempt += 1
                log.exception("attempt failed", extra={"event_id": event.event_id, "attempt": attempt})
                if attempt >= _ATTEMPTS:
                    return self._bury(event, error)
                self._pause(event, attempt, error)

    def _pause(self, event: Event, attempt: int, error: Exception) -> None:
        log.warning("will be tried again", extra={"event_id": event.event_id, "error": str(error)})
        if self._stop.wait(backoff_s(attempt, random.random)):
            raise error

    def _bury(self, event: Event, error: Exception) -> None:
        if self._give_up is not None:
            self._give_up(event, error)
        self._events.publish([dead_letter(event, self._group, repr(error), now_ms())])
