"""How long to wait before trying again. Pure: randomness is an argument."""

from collections.abc import Callable


def backoff_s(attempt: int, jitter: Callable[[], float], first_s: float = 0.1, max_s: float = 5.0) -> float:
    """The pause after attempt number `attempt`, counted from 1: from `first_s` it doubles, up to `max_s`.

    `jitter` returns numbers in [0, 1). Half of the pause is random, so that processes that failed together don't all
    come back together (Brooker, "Exponential Backoff And Jitter", AWS 2015: equal jitter).
    """
    return float(min(max_s, first_s * 2 ** min(attempt - 1, 16)) * (0.5 + jitter() / 2))
