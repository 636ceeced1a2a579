"""Group commit: threads that hand something in at the same time share one commit, or one request to another region.

One thread commits, for all who wait. What comes during a commit is in the next one; nobody waits for company. So a
process hands over as much as its threads have, however long one round trip takes.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar

from regions.errors import Unavailable

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class _Waiting(NamedTuple, Generic[Item, Outcome]):
    item: Item
    weight: int
    outcome: "Future[Outcome]"


class GroupCommit(Generic[Item, Outcome]):
    """`commit_all` gets one group after the other, never two at once, and returns the outcome of each, in order: one
    that is an error is raised to the thread that handed that item in. What it raises, all of the group get.

    A group weighs at most `most`, unless it has a single item; `weigh` gives an item's weight, at least 1. Safe for
    threads. Who waits for longer than `wait_s` gets Unavailable. `name` is for the thread.
    """

    def __init__(
        self,
        commit_all: Callable[[Sequence[Item]], Sequence[Outcome | Exception]],
        most: int,
        wait_s: float,
        name: str,
        weigh: Callable[[Item], int] = lambda item: 1,
    ) -> None:
        self._commit_all, self._most, self._wait_s, self._weigh = commit_all, most, wait_s, weigh
        # Not longer than there are threads that hand in: each waits for its own, and takes it back if it waits for too
        # long.
        self._waiting: deque[_Waiting[Item, Outcome]] = deque()
        self._committer = ThreadPoolExecutor(1, name)

    def commit(self, item: Item) -> Outcome:
        """Returns when a commit with it has succeeded. Raises Unavailable; it may be committed nonetheless."""
        waiting = _Waiting[Item, Outcome](item, self._weigh(item), Future())
        self._waiting.append(waiting)
        self._committer.submit(self._commit_waiting)
        try:
            return waiting.outcome.result(self._wait_s)
        except TimeoutError as error:
            # ValueError: it is being committed at this moment.
            with suppress(ValueError):
                self._waiting.remove(waiting)
            raise Unavailable("too much is handed in at once") from error

    def close(self) -> None:
        """Returns when nothing is being committed any more. Idempotent."""
        self._committer.shutdown(wait=True)

    def _commit_waiting(self) -> None:
        """Runs once for each item, and finds nothing if an earlier run has committed it already."""
        group = self._next_group()
        if not group:
            return
        try:
            outcomes = self._commit_all([one.item for one in group])
        except BaseException as error:
            # For each thread that waits for this commit; raised here, nobody would see it.
            for one in group:
                one.outcome.set_exception(error)
            raise
        for one, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Exception):
                one.outcome.set_exception(outcome)
            else:
                one.outcome.set_result(outcome)

    def _next_group(self) -> list[_Waiting[Item, Outcome]]:
        group, left = list[_Waiting[Item, Outcome]](), self._most
        while self._waiting:
            try:
                one = self._waiting.popleft()
            except IndexError:
                # Who waited for the last one has taken it back.
                break
            if group and one.weight > left:
                self._waiting.appendleft(one)
                break
            group.append(one)
            left -= one.weight
        return group
