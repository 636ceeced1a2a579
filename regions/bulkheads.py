"""What one upstream may cost the others: a bulkhead and a breaker for each server that this process calls.

At most `at_once` calls to one upstream are under way, so that one that is stalled holds no more than that many threads
or connections; a few more wait for a moment, and all others are refused at once, with Unavailable. So is everybody
while its breaker is open. Works between threads, and between greenlets where the standard library is patched.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType

from regions.breaker import Attempt, Breaker, BreakerLimits, BreakerState
from regions.errors import BadGateway, Unavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BulkheadLimits:
    """`at_once` calls, and `queued` more that wait for at most `queue_s`."""

    at_once: int
    queued: int
    queue_s: float
    breaker: BreakerLimits


class Bulkheads:
    """One for each upstream, by its name, made when it is first called. Only give it names that are bounded."""

    def __init__(
        self,
        limits: BulkheadLimits,
        clock_s: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._limits, self._clock_s, self._jitter = limits, clock_s, jitter
        self._by_name: dict[str, Bulkhead] = {}

    def of(self, upstream: str) -> "Bulkhead":
        made = self._by_name.get(upstream)
        return made or self._by_name.setdefault(upstream, Bulkhead(upstream, self._limits, self._clock_s, self._jitter))

    def refused(self) -> list[str]:
        """The upstreams that do not answer, and that are asked by probes and polls only.

        Not those that answer polls while nobody calls: they would be named until somebody needs them.
        """
        return sorted(name for name, one in list(self._by_name.items()) if one.refuses and not one.seems_back)


class Bulkhead:
    """Of one upstream. `clock_s` must be monotonic."""

    def __init__(
        self, upstream: str, limits: BulkheadLimits, clock_s: Callable[[], float], jitter: Callable[[], float]
    ) -> None:
        self._upstream, self._limits, self._clock_s = upstream, limits, clock_s
        self._breaker, self._made_s = Breaker(limits.breaker, jitter), clock_s()
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(limits.at_once)
        self._queued = 0

    @property
    def refuses(self) -> bool:
        return self._breaker.state is not BreakerState.CLOSED

    @property
    def seems_back(self) -> bool:
        return self._breaker.seems_back

    def answered_s(self) -> float:
        """How long ago a call was answered, or the first was made; polls do not count."""
        return self._clock_s() - max(self._breaker.call_answered_s, self._made_s)

    def silent_s(self) -> float | None:
        """For how long it has not answered; None if it is not refused."""
        since_s = self._breaker.silent_since_s
        return None if since_s is None else self._clock_s() - since_s

    def enter(self) -> "AdmittedCall":
        """Raises Unavailable, at once or after `queue_s`. What it returns must be closed: use it in a `with`."""
        with self._observed() as breaker:
            attempt = breaker.begin(self._clock_s())
            # At most one at a time, and all slots may be held by calls that got no answer. So it needs none.
            needs_slot = attempt is not None and not breaker.is_probe(attempt)
        if attempt is None:
            raise Unavailable(f"{self._upstream} does not answer at the moment")
        try:
            if needs_slot and not self._take_slot():
                raise Unavailable(f"too many requests wait for {self._upstream}")
        except BaseException:
            # Also if the greenlet is killed while it waits. It has not asked the upstream anything.
            self.end(attempt, Breaker.abandoned)
            raise
        return AdmittedCall(self, attempt, needs_slot)

    def poll(self) -> "AdmittedCall":
        """For a loop that asks one call at a time: it is never refused, and needs no slot."""
        with self._observed() as breaker:
            return AdmittedCall(self, breaker.begin_poll(self._clock_s()), has_slot=False)

    def end(self, attempt: Attempt, how: Callable[[Breaker, Attempt, float], None]) -> None:
        with self._observed() as breaker:
            how(breaker, attempt, self._clock_s())

    def leave(self) -> None:
        self._slots.release()

    def _take_slot(self) -> bool:
        if self._slots.acquire(blocking=False):
            return True
        with self._lock:
            if self._queued >= self._limits.queued:
                return False
            self._queued += 1
        try:
            return self._slots.acquire(timeout=self._limits.queue_s)
        finally:
            with self._lock:
                self._queued -= 1

    @contextmanager
    def _observed(self) -> Iterator[Breaker]:
        """The breaker, for one thread at a time. Logs when it opens and when it closes."""
        with self._lock:
            before = self.refuses
            yield self._breaker
            after = self.refuses
        if after and not before:
            log.warning("an upstream does not answer; calls to it are refused", extra={"upstream": self._upstream})
        if before and not after:
            log.warning("an upstream answers again", extra={"upstream": self._upstream})


class AdmittedCall:
    """A call that was let through. As a context it ends as answered, or, with Unavailable or BadGateway, as failed.

    Any other error is not the upstream's. A body that is read later holds the slot until `close`.
    """

    def __init__(self, bulkhead: Bulkhead, attempt: Attempt, has_slot: bool) -> None:
        self._bulkhead, self._has_slot = bulkhead, has_slot
        self._attempt: Attempt | None = attempt

    def answered(self) -> None:
        self._end(Breaker.answered)

    def close(self, error: BaseException | None = None) -> None:
        """Idempotent."""
        if isinstance(error, (Unavailable, BadGateway)):
            self._end(Breaker.failed)
        self._end(Breaker.answered if error is None else Breaker.abandoned)
        if self._has_slot:
            self._has_slot = False
            self._bulkhead.leave()

    def __enter__(self) -> "AdmittedCall":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(error)

    def _end(self, how: Callable[[Breaker, Attempt, float], None]) -> None:
        """Only the first end counts."""
        if self._attempt is not None:
            attempt, self._attempt = self._attempt, None
            self._bulkhead.end(attempt, how)
