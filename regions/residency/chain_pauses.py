"""When the chain of a region is followed again that led to nothing: more and more rarely, for that region alone.

A region's report is asked for each second all the same, and counts as soon as nothing need be fetched for it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from regions.errors import StatementError
from regions.residency.chain import Links
from regions.retry import backoff_s

_FIRST_S, _MAX_S = 1.0, 60.0


class ChainPauses:
    """Any thread may call it; nobody waits for another. `clock_s` never goes back."""

    def __init__(self, clock_s: Callable[[], float], jitter: Callable[[], float]) -> None:
        self._clock_s, self._jitter = clock_s, jitter
        self._lock = threading.Lock()
        self._under_way: set[str] = set()
        self._failures: dict[str, int] = {}
        self._until_s: dict[str, float] = {}

    @contextmanager
    def following(self, region: str, links: Links) -> Iterator[None]:
        """Around all that is fetched by `links` for one answer of the region.

        Raises StatementError in a pause, and while another thread does the same for an answer of this region. What the
        block raises leads to a longer pause, unless no link came: a region that is just away is tried again at once.
        """
        with self._lock:
            if region in self._under_way or self._clock_s() < self._until_s.get(region, float("-inf")):
                raise StatementError("what its answer names is not fetched at the moment")
            self._under_way.add(region)
        try:
            yield
        except Exception:
            if links.count:
                self._lengthen(region)
            raise
        else:
            self._failures.pop(region, None)
        finally:
            self._under_way.discard(region)

    def _lengthen(self, region: str) -> None:
        failures = self._failures[region] = self._failures.get(region, 0) + 1
        self._until_s[region] = self._clock_s() + backoff_s(failures, self._jitter, _FIRST_S, _MAX_S)
