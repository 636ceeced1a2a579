"""Leased numbers in every settings store: one holder at a time, and a lease starts after the end of the last one."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from regions.errors import Unavailable
from tests.builders import scripts

POOL = "process_numbers"
SIZE = 4
TTL_S = 2.0
EXPIRED_MS = 2_100
PROCESSES, EACH = 4, 8

# Opens the settings, waits for the start, and takes some leases.
LEASER = """
import pickle, sys
open_settings, name, size, each = pickle.load(sys.stdin.buffer)
settings = open_settings()
print("ready", flush=True)
sys.stdin.buffer.readline()
for number in range(each):
    print(settings.numbers.lease("process_numbers", f"{name}-{number}", size, 600.0).number)
"""


def lease(settings, holder="ana", pool=POOL):
    return settings.numbers.lease(pool, holder, SIZE, TTL_S)


def all_of(settings) -> list:
    return [lease(settings, f"holder {number}") for number in range(SIZE)]


def test_a_lease_has_a_number_a_holder_and_an_end(settings, clock):
    """Its floor is 0, since nobody held the number before."""
    started_ms = clock.now_ms()
    mine = lease(settings)
    assert (mine.pool, mine.holder, mine.floor_ms) == (POOL, "ana", 0)
    assert mine.number in range(SIZE)
    assert started_ms + 2_000 <= mine.until_ms <= clock.now_ms() + 2_000


def test_a_number_has_one_holder(settings, open_settings):
    """Also among other handles, and even if the holders have the same name."""
    handles = [settings, open_settings(), settings, open_settings()]
    assert sorted(lease(handle, "same").number for handle in handles) == list(range(SIZE))


def test_a_lease_is_unavailable_when_all_numbers_are_taken(settings):
    """A later attempt may succeed."""
    all_of(settings)
    with pytest.raises(Unavailable):
        lease(settings)


def test_each_pool_has_numbers_of_its_own(settings):
    """One pool's leases take none of another's."""
    all_of(settings)
    assert lease(settings, pool="other").number in range(SIZE)


def test_the_number_of_an_expired_lease_is_leased_again(settings, clock):
    """The new lease's floor is the end of the old one."""
    ended = {one.number: one.until_ms for one in all_of(settings)}
    clock.advance(EXPIRED_MS)
    mine = lease(settings, "bob")
    assert mine.floor_ms == ended[mine.number]


def test_a_renewed_lease_ends_later(settings, clock):
    """With the same number and floor."""
    mine = all_of(settings)[0]
    clock.advance(1_200)
    renewed = settings.numbers.renew(mine, TTL_S)
    assert (renewed.number, renewed.holder, renewed.floor_ms) == (mine.number, mine.holder, mine.floor_ms)
    assert renewed.until_ms > mine.until_ms
    clock.advance(1_200)
    assert lease(settings, "bob").number != mine.number


def test_a_renewal_whose_response_was_lost_can_be_repeated(settings, clock):
    """With the lease as it was before the first renewal."""
    mine = lease(settings)
    settings.numbers.renew(mine, TTL_S)
    clock.advance(100)
    assert settings.numbers.renew(mine, TTL_S) is not None


def test_an_expired_lease_can_not_be_renewed(settings, clock):
    """Even if nobody else has leased the number."""
    mine = lease(settings)
    clock.advance(EXPIRED_MS)
    assert settings.numbers.renew(mine, TTL_S) is None


def test_a_lost_lease_has_no_effect_on_the_next_holder(settings, clock):
    """It can neither renew nor release the number, not even if both holders have the same name."""
    lost = {one.number: one for one in all_of(settings)}
    clock.advance(EXPIRED_MS)
    mine = settings.numbers.lease(POOL, "holder 0", SIZE, 60.0)
    assert settings.numbers.renew(lost[mine.number], TTL_S) is None
    settings.numbers.release(lost[mine.number], clock.now_ms())
    assert settings.numbers.renew(mine, 60.0) is not None


def test_a_released_number_can_be_leased_at_once(settings, clock):
    """The new lease's floor is the time until which the number was used."""
    mine = all_of(settings)[0]
    used_until_ms = clock.now_ms()
    settings.numbers.release(mine, used_until_ms)
    clock.advance(1)
    theirs = lease(settings, "bob")
    assert (theirs.number, theirs.floor_ms) == (mine.number, used_until_ms)


def test_a_released_lease_can_not_be_renewed(settings, clock):
    """And releasing it again has no effect on the next holder."""
    mine = all_of(settings)[0]
    settings.numbers.release(mine, clock.now_ms())
    assert settings.numbers.renew(mine, TTL_S) is None
    clock.advance(1)
    theirs = lease(settings, mine.holder)
    settings.numbers.release(mine, clock.now_ms())
    assert settings.numbers.renew(theirs, TTL_S) is not None


def test_threads_that_lease_at_once_get_different_numbers(settings, open_settings):
    """Through a shared handle and through others."""
    handles = [settings, open_settings()] * 16
    with ThreadPoolExecutor(8) as threads:
        leases = threads.map(lambda handle: handle.numbers.lease(POOL, "same", len(handles), 600.0), handles)
        assert sorted(one.number for one in leases) == list(range(len(handles)))


def test_processes_that_lease_at_once_get_different_numbers(settings, open_settings):
    """Together they take every number of the pool once."""
    size = PROCESSES * EACH
    arguments = [(open_settings.another_process, name, size, EACH) for name in range(PROCESSES)]
    printed = scripts.run_at_once(LEASER, *arguments)
    assert sorted(int(line) for lines in printed for line in lines) == list(range(size))
