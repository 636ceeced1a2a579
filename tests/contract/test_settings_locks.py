"""Locks in every settings store: one holder at a time, and the fencing token grows with every change of holder."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from regions.errors import BadRequest

NAME = "sweep"
TTL_S = 10.0
LOOK_MS = 1_000
TRIES = 60


def tried(settings, clock):
    clock.advance(LOOK_MS)
    return settings.locks.acquire(NAME, "bob", TTL_S)


def test_a_lock_tells_its_name_holder_and_fence(settings):
    """And for how long it lasts."""
    lock = settings.locks.acquire(NAME, "ana", TTL_S)
    assert (lock.name, lock.holder, lock.ttl_s) == (NAME, "ana", TTL_S)
    assert lock.fencing_token > 0


def test_one_has_it_at_a_time(settings, open_settings):
    """Nobody else, through whatever handle, nor the same holder a second time."""
    assert settings.locks.acquire(NAME, "ana", TTL_S)
    assert open_settings().locks.acquire(NAME, "bob", TTL_S) is None
    assert settings.locks.acquire(NAME, "ana", TTL_S) is None


def test_holds_of_other_names_are_others(settings):
    """Each has its own holder."""
    assert settings.locks.acquire(NAME, "ana", TTL_S)
    assert settings.locks.acquire("another", "bob", TTL_S)


def test_of_many_who_want_it_at_once_one_gets_it(settings, open_settings):
    """Each through a handle of its own."""
    handles = [open_settings() for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        locks = list(threads.map(lambda handle: handle.locks.acquire(NAME, "same", TTL_S), handles))
    assert len([lock for lock in locks if lock]) == 1


def test_a_released_lock_can_be_had_at_once(settings, open_settings):
    """With a higher fencing token, each time."""
    other, tokens = open_settings(), []
    for handle in (settings, other, settings, settings):
        lock = handle.locks.acquire(NAME, "ana", TTL_S)
        tokens.append(lock.fencing_token)
        other.locks.release(lock)
    assert tokens == sorted(set(tokens))


def test_a_lock_that_is_renewed_goes_on(settings, open_settings, clock):
    """For longer than it was had for; the fencing token is the same, and another handle can renew it too."""
    lock = settings.locks.acquire(NAME, "ana", TTL_S)
    clock.advance(1_000)
    assert settings.locks.renew(lock)
    assert open_settings().locks.renew(lock)
    assert settings.locks.acquire(NAME, "bob", TTL_S) is None


def test_a_released_lock_is_not_renewed(settings):
    """Whether somebody has it now or not."""
    lock = settings.locks.acquire(NAME, "ana", TTL_S)
    settings.locks.release(lock)
    assert not settings.locks.renew(lock)
    assert settings.locks.acquire(NAME, "ana", TTL_S)
    assert not settings.locks.renew(lock)


def test_a_lost_lock_can_do_nothing_to_the_next_holder(settings):
    """Not even under the same name."""
    lost = settings.locks.acquire(NAME, "ana", TTL_S)
    settings.locks.release(lost)
    following = settings.locks.acquire(NAME, "ana", TTL_S)
    settings.locks.release(lost)
    assert settings.locks.renew(following)
    assert settings.locks.acquire(NAME, "bob", TTL_S) is None


def test_what_a_dead_holder_had_is_free_again_in_the_end(settings, clock):
    """Not before its time; and who was thought dead can't renew it after that."""
    lost = settings.locks.acquire(NAME, "ana", TTL_S)
    clock.advance(LOOK_MS)
    assert settings.locks.acquire(NAME, "bob", TTL_S) is None
    following = next(filter(None, (tried(settings, clock) for _ in range(TRIES))))
    assert following.fencing_token > lost.fencing_token
    assert not settings.locks.renew(lost)


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".a", "a b", "ä", "a\n", "a" * 201])
def test_what_is_no_word_names_nothing(settings, name):
    """Neither a lock nor a pool."""
    with pytest.raises(BadRequest):
        settings.locks.acquire(name, "ana", TTL_S)
    with pytest.raises(BadRequest):
        settings.numbers.lease(name, "ana", 4, TTL_S)
