"""How long to wait before trying again. Pure: randomness is an argument."""

from collections.abc import Callable


def backoff_s(attempt: int, jitter: Callable[[], float], first_s: float = 0.1, most_s: float = 5.0) -> float:
    """`attempt` counts from 0, `jitter` gives numbers in [0, 1).

    Half of it is random (Brooker, "Exponential Backoff And Jitter", AWS 2015: equal jitter).
    """
    return float(min(most_s, first_s * 2 ** min(attempt, 16)) * (0.5 + jitter() / 2))
