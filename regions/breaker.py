"""When to stop asking a server that does not answer, and when to try it again: a circuit breaker. Pure.

Closed, every call goes through. Open, none does, for a short while; then one call, the *probe*, finds out whether the
server answers again, while all others are still refused. An answer to any call closes the breaker, also to one that
began before it opened: so a server that was frozen for a moment is back with its first answer.

A frozen server fails no call until the calls' deadlines, and they may be long. So silence counts too: several calls
wait, and none was answered for `silent_s`. A server that is slow but answers somebody is not silent.

Loops that ask a server every second anyway are *polls*: they are never refused, so that a server that is back is found
without anybody's request. Their answers may come from memory while all else hangs, so they close nothing, and of what
was not answered they make up for polls alone; but they make a probe due.

Times are seconds of any clock that does not stand still. A step backwards makes a probe due early and does no harm.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from regions.retry import backoff_s

_CALLS_COUNT_S = 10.0
"""For so long after a call has failed, an answer to a poll does not mean that calls are answered: as long as one may
take, so that of calls that go on failing there is always one that counts."""


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """Opens after `failures` in a row; when `waiting` calls wait and the server is silent for `silent_s`; and with the
    first call that fails after such a silence.

    Stays open for `first_open_s`, and for twice as long after each probe that failed, up to `max_open_s`; half of that
    is random. A probe without an answer for `probe_s` counts as failed.
    """

    waiting: int
    silent_s: float
    failures: int = 5
    first_open_s: float = 0.25
    max_open_s: float = 2.0
    probe_s: float = 2.0


class BreakerState(Enum):
    CLOSED = "asks it"
    OPEN = "refuses"
    HALF_OPEN = "refuses, while a probe is under way"


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """One call that was let through. It ends with `answered`, `failed` or `abandoned`."""

    began_s: float
    is_poll: bool = False


class Breaker:
    """Not safe between threads. `jitter` returns numbers in [0, 1)."""

    def __init__(self, limits: BreakerLimits, jitter: Callable[[], float]) -> None:
        self._limits, self._jitter = limits, jitter
        # In the order in which they began.
        self._waiting: dict[Attempt, None] = {}
        self._answered_s = self.call_answered_s = -math.inf
        """To anything, and to a call that was no poll: when the last answer came."""
        self._call_failed_s, self._poll_answered_s = -math.inf, -math.inf
        """When the last call failed, and since when each poll that ended was answered."""
        self._failed = list[Attempt]()
        """Without an answer in between, while it is closed."""
        self._openings = 0
        self.silent_since_s: float | None = None
        """When the first call began of those that opened it, or the last answer to a call came; None while closed."""
        self._opened_s = self._retry_s = -math.inf
        self._probe: Attempt | None = None

    @property
    def state(self) -> BreakerState:
        if not self._openings:
            return BreakerState.CLOSED
        return BreakerState.HALF_OPEN if self._probe else BreakerState.OPEN

    @property
    def seems_back(self) -> bool:
        """Whether polls are answered, and nobody has called for a while: what is refused then, nobody knows."""
        return self._probe is None and self._poll_answered_s - self._call_failed_s >= _CALLS_COUNT_S

    def begin(self, now_s: float) -> Attempt | None:
        """None if the call is refused."""
        if not self._openings and self._is_silent(now_s):
            self._open(now_s)
        if self._openings and not self._probe_is_due(now_s):
            return None
        attempt = self._begun(Attempt(now_s))
        if self._openings:
            self._probe = attempt
        return attempt

    def is_probe(self, attempt: Attempt) -> bool:
        return attempt is self._probe

    def begin_poll(self, now_s: float) -> Attempt:
        return self._begun(Attempt(now_s, is_poll=True))

    def answered(self, attempt: Attempt, now_s: float) -> None:
        """Whatever the answer was."""
        self._waiting.pop(attempt, None)
        self._answered_s = now_s
        if attempt.is_poll:
            self._retry_s, self._poll_answered_s = min(self._retry_s, now_s), now_s
            self._failed = [one for one in self._failed if not one.is_poll]
            return
        self.call_answered_s = now_s
        self._openings, self._probe, self.silent_since_s = 0, None, None
        self._failed.clear()

    def failed(self, attempt: Attempt, now_s: float) -> None:
        """No answer came, or none that can be used. Of calls that began before it opened, nothing new is learnt."""
        self._waiting.pop(attempt, None)
        if attempt.is_poll:
            self._poll_answered_s = -math.inf
        else:
            self._call_failed_s = now_s
        if self._openings:
            if attempt is self._probe:
                self._open(now_s)
            return
        self._failed.append(attempt)
        was_silent = now_s - max(self._answered_s, attempt.began_s) >= self._limits.silent_s
        if len(self._failed) >= self._limits.failures or was_silent:
            self._open(now_s)

    def abandoned(self, attempt: Attempt, now_s: float) -> None:
        """The caller gave up for a reason of its own. If it was the probe, the next call is."""
        self._waiting.pop(attempt, None)
        if attempt is self._probe:
            self._probe, self._retry_s = None, now_s

    def _begun(self, attempt: Attempt) -> Attempt:
        self._waiting[attempt] = None
        return attempt

    def _is_silent(self, now_s: float) -> bool:
        if len(self._waiting) < self._limits.waiting:
            return False
        oldest = next(iter(self._waiting))
        return now_s - max(self._answered_s, oldest.began_s) >= self._limits.silent_s

    def _probe_is_due(self, now_s: float) -> bool:
        if self._probe is not None:
            if self._probe.began_s <= now_s < self._probe.began_s + self._limits.probe_s:
                return False
            self._open(now_s)
        return not self._opened_s <= now_s < self._retry_s

    def _open(self, now_s: float) -> None:
        if not self._openings:
            first_s = min(one.began_s for one in (*self._failed, *self._waiting))
            self.silent_since_s = max(self.call_answered_s, first_s)
        self._failed.clear()
        self._probe = None
        self._openings += 1
        pause_s = backoff_s(self._openings, self._jitter, self._limits.first_open_s, self._limits.max_open_s)
        self._opened_s, self._retry_s = now_s, now_s + pause_s
