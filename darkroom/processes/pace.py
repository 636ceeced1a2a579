"""Whether a request arrives, or a response is taken, fast enough. Pure: knows no socket and no clock.

The bytes are looked at again and again. From one `grace_s` to the next, at least `slowest_bytes_per_s` must have moved,
so that neither a client that stops, nor one that moves a byte now and then, nor one that was fast at first is waited
for. What is whole before the first `grace_s` has passed may be as slow as it likes.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PaceLimits:
    """The defaults: a part of 5 MiB may take 320 s, and half a head is waited for 10 s."""

    grace_s: float = 10.0
    slowest_bytes_per_s: float = 16 * 1024
    idle_s: float = 30.0
    """How long a connection stays open on which neither a request nor a response is under way."""


LIMITS = PaceLimits()


@dataclass(slots=True)
class Pace:
    """Of one request or response, from `since_s`, when it was first seen. `moved_bytes` had moved by then."""

    since_s: float
    moved_bytes: int = 0

    def is_too_slow(self, now_s: float, moved_bytes: int, limits: PaceLimits) -> bool:
        """`moved_bytes` are all so far. Never true before `grace_s` has passed since the last time that it was."""
        passed_s = now_s - self.since_s
        if passed_s < limits.grace_s:
            return False
        if moved_bytes - self.moved_bytes < passed_s * limits.slowest_bytes_per_s:
            return True
        self.since_s, self.moved_bytes = now_s, moved_bytes
        return False
