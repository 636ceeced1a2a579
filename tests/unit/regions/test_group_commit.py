"""Threads that hand something in at the same time share a commit."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from regions.errors import Unavailable
from regions.group_commit import GroupCommit


class SlowStore:
    """Each commit waits until the test releases it."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.ended = 0
        self.begun = threading.Semaphore(0)
        self.released = threading.Semaphore(0)
        self.error: Exception | None = None

    def commit_all(self, numbers):
        """The outcome of each is its double; a negative number fails."""
        self.groups.append(list(numbers))
        self.begun.release()
        assert self.released.acquire(timeout=20)
        self.ended += 1
        if self.error:
            raise self.error
        return [ValueError(str(number)) if number < 0 else 2 * number for number in numbers]


@pytest.fixture
def store():
    return SlowStore()


@pytest.fixture
def order(store):
    return GroupCommit(store.commit_all, 200, 20.0, "test")


@pytest.fixture
def threads():
    with ThreadPoolExecutor(300) as pool:
        yield pool


def hand_in_while_the_first_commits(store, order, threads, eventually, how_many: int):
    """The futures of what came while the first was being committed."""
    first = threads.submit(order.commit, 0)
    assert store.begun.acquire(timeout=20)
    others = [threads.submit(order.commit, number) for number in range(1, how_many + 1)]
    eventually(lambda: len(order._waiting) == how_many)
    store.released.release(how_many + 1)
    first.result(20)
    return others


def test_what_comes_during_a_commit_is_committed_together(store, order, threads, eventually):
    """In two commits instead of 51, each in the order in which they came."""
    for one in hand_in_while_the_first_commits(store, order, threads, eventually, 50):
        one.result(20)
    assert [len(group) for group in store.groups] == [1, 50]
    assert {one for group in store.groups for one in group} == set(range(51))


def test_a_commit_has_at_most_200(store, order, threads, eventually):
    """The others are committed next."""
    for one in hand_in_while_the_first_commits(store, order, threads, eventually, 250):
        one.result(20)
    assert [len(group) for group in store.groups] == [1, 200, 50]


def test_a_failed_commit_fails_each_of_its_items_and_no_other(store, order, threads, eventually):
    """And the next commit is not affected."""
    store.error = Unavailable("no response")
    first = threads.submit(order.commit, 0)
    assert store.begun.acquire(timeout=20)
    others = [threads.submit(order.commit, number) for number in (1, 2)]
    eventually(lambda: len(order._waiting) == 2)
    store.released.release(2)
    for one in (first, *others):
        with pytest.raises(Unavailable):
            one.result(20)
    store.error = None
    store.released.release()
    order.commit(3)
    assert store.groups[-1] == [3]


def test_a_commit_that_fails_does_not_fail_the_items_of_the_next(store, order, threads, eventually):
    first = threads.submit(order.commit, 0)
    assert store.begun.acquire(timeout=20)
    others = [threads.submit(order.commit, number) for number in range(1, 251)]
    eventually(lambda: len(order._waiting) == 250)
    store.released.release()
    first.result(20)
    assert store.begun.acquire(timeout=20)
    failing, store.error = store.groups[-1], Unavailable("no response")
    store.released.release()
    assert store.begun.acquire(timeout=20)
    store.error = None
    store.released.release()
    failed = [one for one in others if one.exception(20)]
    assert (len(failed), len(failing), len(store.groups[-1])) == (200, 200, 50)


def test_nobody_waits_forever(store, threads):
    """For a commit that hangs."""
    hanging = GroupCommit(store.commit_all, 200, 0.05, "test")
    for number in (0, 1):
        with pytest.raises(Unavailable):
            hanging.commit(number)
    assert not hanging._waiting
    store.released.release(2)


def test_each_gets_its_own_outcome(store, order, threads, eventually):
    """One that fails within its group fails alone."""
    first = threads.submit(order.commit, 0)
    assert store.begun.acquire(timeout=20)
    good, bad, last = (threads.submit(order.commit, number) for number in (1, -1, 3))
    eventually(lambda: len(order._waiting) == 3)
    store.released.release(2)
    assert [one.result(20) for one in (first, good, last)] == [0, 2, 6]
    with pytest.raises(ValueError, match="-1"):
        bad.result(20)
    assert len(store.groups) == 2


def test_a_group_is_as_heavy_as_it_may_be_and_no_heavier(store, threads, eventually):
    """One that is too heavy by itself goes alone."""
    order = GroupCommit(store.commit_all, 10, 20.0, "test", weigh=lambda number: number)
    first = threads.submit(order.commit, 1)
    assert store.begun.acquire(timeout=20)
    others = []
    for count, number in enumerate((4, 6, 5, 30, 10), 1):
        others.append(threads.submit(order.commit, number))
        eventually(lambda count=count: len(order._waiting) == count)
    store.released.release(9)
    assert [one.result(20) for one in (first, *others)] == [2, 8, 12, 10, 60, 20]
    assert store.groups == [[1], [4, 6], [5], [30], [10]]


def test_what_is_under_way_ends_before_it_is_closed(store, order, threads):
    under_way = threads.submit(order.commit, 1)
    assert store.begun.acquire(timeout=20)
    closed = threads.submit(order.close)
    store.released.release()
    closed.result(20)
    assert store.ended == 1
    assert under_way.result(20) == 2
