"""Threads that append at the same time share a commit."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from regions.errors import Unavailable
from regions.records import Tombstone
from regions.stores.cassandra.group_commit import GroupCommit


class SlowStore:
    """Each commit waits until the test releases it."""

    def __init__(self) -> None:
        self.groups: list[list[Tombstone]] = []
        self.begun = threading.Semaphore(0)
        self.released = threading.Semaphore(0)
        self.error: Exception | None = None

    def commit(self, tombstones) -> None:
        self.groups.append(list(tombstones))
        self.begun.release()
        assert self.released.acquire(timeout=20)
        if self.error:
            raise self.error


@pytest.fixture
def store():
    return SlowStore()


@pytest.fixture
def order(store):
    return GroupCommit(store.commit)


@pytest.fixture
def threads():
    with ThreadPoolExecutor(300) as pool:
        yield pool


def tombstone(number: int) -> Tombstone:
    return Tombstone(f"p_{number:011}", "u_00000000001", 1)


def append_while_the_first_commits(store, order, threads, eventually, how_many: int):
    """The results of appends that came while the first was being committed."""
    first = threads.submit(order.append, tombstone(0))
    assert store.begun.acquire(timeout=20)
    others = [threads.submit(order.append, tombstone(number)) for number in range(1, how_many + 1)]
    eventually(lambda: len(order._waiting) == how_many)
    store.released.release(how_many + 1)
    first.result(20)
    return others


def test_what_comes_during_a_commit_is_committed_together(store, order, threads, eventually):
    """In two commits instead of 51, each in the order in which they came."""
    for appended in append_while_the_first_commits(store, order, threads, eventually, 50):
        appended.result(20)
    assert [len(group) for group in store.groups] == [1, 50]
    assert {one for group in store.groups for one in group} == {tombstone(number) for number in range(51)}


def test_a_commit_has_at_most_200(store, order, threads, eventually):
    """The others are committed next."""
    for appended in append_while_the_first_commits(store, order, threads, eventually, 250):
        appended.result(20)
    assert [len(group) for group in store.groups] == [1, 200, 50]


def test_a_failed_commit_fails_each_of_its_appends_and_no_other(store, order, threads, eventually):
    """And the next commit is not affected."""
    store.error = Unavailable("no response")
    first = threads.submit(order.append, tombstone(0))
    assert store.begun.acquire(timeout=20)
    others = [threads.submit(order.append, tombstone(number)) for number in (1, 2)]
    eventually(lambda: len(order._waiting) == 2)
    store.released.release(2)
    for appended in (first, *others):
        with pytest.raises(Unavailable):
            appended.result(20)
    store.error = None
    store.released.release()
    order.append(tombstone(3))
    assert store.groups[-1] == [tombstone(3)]


def test_a_commit_that_fails_does_not_fail_the_appends_of_the_next(store, order, threads, eventually):
    first = threads.submit(order.append, tombstone(0))
    assert store.begun.acquire(timeout=20)
    others = [threads.submit(order.append, tombstone(number)) for number in range(1, 251)]
    eventually(lambda: len(order._waiting) == 250)
    store.released.release()
    first.result(20)
    assert store.begun.acquire(timeout=20)
    failing, store.error = store.groups[-1], Unavailable("no response")
    store.released.release()
    assert store.begun.acquire(timeout=20)
    store.error = None
    store.released.release()
    failed = [appended for appended in others if appended.exception(20)]
    assert (len(failed), len(failing), len(store.groups[-1])) == (200, 200, 50)


def test_an_append_does_not_wait_forever(store, order, threads, monkeypatch):
    """For a commit that hangs."""
    monkeypatch.setattr("regions.stores.cassandra.group_commit._WAIT_S", 0.05)
    with pytest.raises(Unavailable):
        order.append(tombstone(0))
    with pytest.raises(Unavailable):
        order.append(tombstone(1))
    assert not order._waiting
    store.released.release(2)
