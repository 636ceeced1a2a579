"""Locks in every settings store: one holder at a time, and a fencing token that grows with every change of holder."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from regions.errors import BadRequest

NAME = "sweep"
TTL_S = 10.0
BETWEEN_ATTEMPTS_MS = 1_000
ATTEMPTS = 60


def attempt_later(settings, clock):
    clock.advance(BETWEEN_ATTEMPTS_MS)
    return settings.locks.acquire(NAME, "bob", TTL_S)


def test_a_lock_has_a_name_a_holder_and_a_fencing_token(settings):
    """And a time to live."""
    lock = settings.locks.acquire(NAME, "ana", TTL_S)
    assert (lock.name, lock.holder, lock.ttl_s) == (NAME, "ana", TTL_S)
    assert lock.fencing_token > 0


def test_a_lock_has_one_holder_at_a_time(settings, open_settings):
    """Nobody else gets it through any handle, nor does the holder a second time."""
    assert settings.locks.acquire(NAME, "ana", TTL_S)
    assert open_settings().locks.acquire(NAME, "bob", TTL_S) is None
    assert settings.locks.acquire(NAME, "ana", TTL_S) is None


def test_locks_with_different_names_are_separate(settings):
    """Each has a holder of its own."""
    assert settings.locks.acquire(NAME, "ana", TTL_S)
    assert settings.locks.acquire("another", "bob", TTL_S)


def test_one_of_many_that_acquire_at_once_gets_the_lock(settings, open_settings):
    """Each through a handle of its own."""
    handles = [open_settings() for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        locks = list(threads.map(lambda handle: handle.locks.acquire(NAME, "same", TTL_S), handles))
    assert len([lock for lock in locks if lock]) == 1


def test_a_released_lock_can_be_acquired_at_once(settings, open_settings):
    """Each time with a higher fencing token."""
    other, tokens = open_settings(), []
    for handle in (settings, other, settings, settings):
        lock = handle.locks.acquire(NAME, "ana", TTL_S)
        tokens.append(lock.fencing_token)
        other.locks.release(lock)
    assert tokens == sorted(set(tokens))


def test_a_lock_can_be_renewed(settings, open_settings, clock):
    """Another handle can renew it too."""
    lock = settings.locks.acquire(NAME, "ana", TTL_S)
    clock.advance(1_000)
    assert settings.locks.renew(lock)
    assert open_settings().locks.renew(lock)
    assert settings.locks.acquire(NAME, "bob", TTL_S) is None


def test_a_released_lock_can_not_be_renewed(settings):
    """Whether or not somebody has acquired it since."""
    lock = settings.locks.acquire(NAME, "ana", TTL_S)
    settings.locks.release(lock)
    assert not settings.locks.renew(lock)
    assert settings.locks.acquire(NAME, "ana", TTL_S)
    assert not settings.locks.renew(lock)


def test_a_lost_lock_has_no_effect_on_the_next_holder(settings):
    """Not even if both holders have the same name."""
    lost = settings.locks.acquire(NAME, "ana", TTL_S)
    settings.locks.release(lost)
    following = settings.locks.acquire(NAME, "ana", TTL_S)
    settings.locks.release(lost)
    assert settings.locks.renew(following)
    assert settings.locks.acquire(NAME, "bob", TTL_S) is None


def test_the_lock_of_a_dead_holder_is_released_eventually(settings, clock):
    """Not before its time to live is over. If the holder was alive after all, it can't renew the lock any more."""
    lost = settings.locks.acquire(NAME, "ana", TTL_S)
    clock.advance(BETWEEN_ATTEMPTS_MS)
    assert settings.locks.acquire(NAME, "bob", TTL_S) is None
    following = next(filter(None, (attempt_later(settings, clock) for _ in range(ATTEMPTS))))
    assert following.fencing_token > lost.fencing_token
    assert not settings.locks.renew(lost)


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".a", "a b", "ä", "a\n", "a" * 201])
def test_an_invalid_name_is_rejected(settings, name):
    """For a lock and for a pool of numbers."""
    with pytest.raises(BadRequest):
        settings.locks.acquire(name, "ana", TTL_S)
    with pytest.raises(BadRequest):
        settings.numbers.lease(name, "ana", 4, TTL_S)
