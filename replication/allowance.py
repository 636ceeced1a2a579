"""What one lane may do in this process, for the threads that do it: they wait here until it is their turn.

Fresh photos come before those that were processed again; deletions and follows wait for nothing here. What a process
may do is decided elsewhere (`budget`), for a second or more at a time: no photo and no byte is asked about.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from regions.errors import Unavailable
from replication.budget import NOTHING, LaneLimits

# How much of a second's bytes may go at once after a rest.
_BURST_S = 0.25


class Allowance:
    """Any number of threads may use it. Until the first `allow`, nothing is copied. `clock_s` never goes back."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._changed = threading.Condition()
        self._limits = NOTHING
        self._copying, self._waiting = Counter[bool](), Counter[bool]()
        """How many photos are copied, and wait to be: fresh ones under False, and again processed ones under True."""
        self._short_of_bytes = 0
        self._spare_bytes, self._filled_s = 0.0, clock_s()
        self._sent_bytes = 0
        self._is_closed = False

    @property
    def limits(self) -> LaneLimits:
        return self._limits

    @property
    def sent_bytes(self) -> int:
        return self._sent_bytes

    @property
    def copying_now(self) -> int:
        return self._copying.total()

    def allow(self, limits: LaneLimits) -> None:
        """From now on. What is being copied goes on, also in a lane that is paused."""
        with self._changed:
            self._limits = limits
            self._changed.notify_all()

    def close(self) -> None:
        """Those that wait for their turn get Unavailable, now and later; bytes wait no more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def require_asking(self) -> None:
        """Raises Unavailable while another process finds out whether the destination answers again."""
        if not self._limits.asks:
            raise Unavailable("the destination does not answer another replicator, which asks it again")

    def may_begin(self, backfill: bool) -> bool:
        """Whether a copy that begins now would not wait for long: of fresh ones, each has its turn within a while."""
        with self._changed:
            return self._has_slot(backfill) or not (backfill or self._limits.paused)

    @contextmanager
    def copying(self, backfill: bool) -> Iterator[None]:
        """Around one photo: waits until there is a slot for it. Raises Unavailable if the process is stopping."""
        with self._changed:
            self._waiting[backfill] += 1
            try:
                self._changed.wait_for(lambda: self._is_closed or self._has_slot(backfill))
            finally:
                self._waiting[backfill] -= 1
                self._let_backfill_look()
            if self._is_closed:
                raise Unavailable("this process is stopping")
            self._copying[backfill] += 1
        try:
            yield
        finally:
            with self._changed:
                self._copying[backfill] -= 1
                self._changed.notify_all()

    def spend(self, n_bytes: int) -> None:
        """Before so many bytes are sent: waits until they may be."""
        with self._changed:
            self._short_of_bytes += 1
            try:
                while (wait_s := self._until_bytes_s()) > 0:
                    self._changed.wait(wait_s)
            finally:
                self._short_of_bytes -= 1
                self._let_backfill_look()
            # May go below zero: then the next one waits. So a piece may be larger than what is spare at any time.
            self._spare_bytes -= n_bytes
            self._sent_bytes += n_bytes

    def _has_slot(self, backfill: bool) -> bool:
        if self._limits.paused:
            return False
        if not backfill:
            return self._copying[False] < self._limits.width
        nothing_fresh_waits = not self._waiting[False] and not self._short_of_bytes
        return nothing_fresh_waits and self._copying[True] < self._limits.backfill_width

    def _let_backfill_look(self) -> None:
        if self._waiting[True]:
            self._changed.notify_all()

    def _until_bytes_s(self) -> float:
        now_s, rate = self._clock_s(), self._limits.bytes_per_s
        passed_s, self._filled_s = now_s - self._filled_s, now_s
        if rate is None or self._is_closed:
            self._spare_bytes = 0.0
            return 0.0
        self._spare_bytes = min(self._spare_bytes + passed_s * rate, rate * _BURST_S)
        return max(0.0, -self._spare_bytes / rate)
