"""The loop of a call that waits for something: attempts with growing pauses, until a deadline."""

import random
import time
from collections.abc import Iterator

from regions.retry import backoff_s


def attempts(within_s: float, first_s: float = 0.1, max_s: float = 5.0) -> Iterator[bool]:
    """Yields once for each attempt, with a growing pause before each but the first; True for the last attempt.

    The last attempt starts when `within_s` have passed, so that a caller sees what is true at the deadline, and there
    is always at least one. A pause never goes past the deadline.
    """
    deadline_s, attempt = time.monotonic() + within_s, 0
    while time.monotonic() < deadline_s:
        yield False
        attempt += 1
        left_s = deadline_s - time.monotonic()
        time.sleep(max(0.0, min(left_s, backoff_s(attempt, random.random, first_s, max_s))))
    yield True
