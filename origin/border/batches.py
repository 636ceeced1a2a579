"""Answers the items of a batch on threads, each by itself; each region has threads of its own here.

So one region's batches delay no other's, however many come and however slow the stores are.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from origin import fields, problems
from regions.border.batches import ANSWERS, PROBLEM
from regions.errors import Unavailable

AT_ONCE = 8
"""Of all batches of one region together: reads of the stores, which wait most of the time."""
DELETIONS_AT_ONCE = 2
"""Beside those: no deletion waits behind copies."""
WITHIN_S = 4.0
"""What has not begun by then is to be sent again: otherwise slow stores could make a batch late as a whole, each time,
and none of its items would ever be done."""

Answer = Callable[[fields.Document], Mapping[str, Any]]


class BatchThreads:
    """Of one origin process, `at_once` for each region, for any number of requests. `clock_s` is monotonic."""

    def __init__(self, at_once: int, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._at_once, self._clock_s = at_once, clock_s
        self._by_region: dict[str, ThreadPoolExecutor] = {}

    def answered(self, region: str, path: str, items: Sequence[fields.Document], answer: Answer) -> dict[str, Any]:
        """The response. An item whose `answer` raises gets its problem document; `path` is for the log."""
        give_up_s = self._clock_s() + WITHIN_S

        def answered(item: fields.Document) -> Mapping[str, Any]:
            if self._clock_s() > give_up_s:
                raise Unavailable("there was no time for this item; send it again")
            return answer(item)

        threads = self._threads(region)
        return {ANSWERS: [_outcome(one, path) for one in [threads.submit(answered, item) for item in items]]}

    def _threads(self, region: str) -> ThreadPoolExecutor:
        """Only for regions of a statement, of which there are at most 64."""
        made = self._by_region.get(region)
        return made or self._by_region.setdefault(region, ThreadPoolExecutor(self._at_once, f"border of {region}"))


def _outcome(answered: "Future[Mapping[str, Any]]", path: str) -> Mapping[str, Any]:
    error = answered.exception()
    return {PROBLEM: problems.of_item(error, path)} if isinstance(error, Exception) else answered.result()
