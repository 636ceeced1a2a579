"""What every settings store does with leased numbers: none is held twice, none begins before the last one's end."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from regions.errors import Unavailable

POOL = "process_numbers"
SIZE = 4
TTL_S = 2.0
OVER_MS = 2_100
PROCESSES, EACH = 4, 8

# Another process: opens the settings, says so, waits for the start, and leases until it has its fill.
LEASER = """
import pickle, sys
open_settings, name, size, each = pickle.load(sys.stdin.buffer)
settings = open_settings()
print("open", flush=True)
sys.stdin.buffer.readline()
for number in range(each):
    print(settings.numbers.lease("process_numbers", f"{name}-{number}", size, 600.0).number)
"""


def lease(settings, holder="ana", pool=POOL):
    return settings.numbers.lease(pool, holder, SIZE, TTL_S)


def all_of(settings) -> list:
    return [lease(settings, f"holder {number}") for number in range(SIZE)]


def test_a_lease_tells_its_number_holder_and_end(settings, clock):
    """Nobody held it before, so it may begin at any time."""
    begun_ms = clock.now_ms()
    mine = lease(settings)
    assert (mine.pool, mine.holder, mine.floor_ms) == (POOL, "ana", 0)
    assert mine.number in range(SIZE)
    assert begun_ms + 2_000 <= mine.until_ms <= clock.now_ms() + 2_000


def test_no_two_hold_one_number(settings, open_settings):
    """Not through other handles either, and not even under one name."""
    handles = [settings, open_settings(), settings, open_settings()]
    assert sorted(lease(handle, "same").number for handle in handles) == list(range(SIZE))


def test_when_all_are_taken_the_next_is_refused(settings):
    """Unavailable: one may come back."""
    all_of(settings)
    with pytest.raises(Unavailable):
        lease(settings)


def test_pools_are_apart(settings):
    """Each has all its numbers."""
    all_of(settings)
    assert lease(settings, pool="other").number in range(SIZE)


def test_a_lease_that_ran_out_is_given_to_the_next(settings, clock):
    """Who begins where it ended."""
    ended = {one.number: one.until_ms for one in all_of(settings)}
    clock.advance(OVER_MS)
    mine = lease(settings, "bob")
    assert mine.floor_ms == ended[mine.number]


def test_a_renewed_lease_goes_on(settings, clock):
    """The same number and floor, for longer."""
    mine = all_of(settings)[0]
    clock.advance(1_200)
    renewed = settings.numbers.renew(mine, TTL_S)
    assert (renewed.number, renewed.holder, renewed.floor_ms) == (mine.number, mine.holder, mine.floor_ms)
    assert renewed.until_ms > mine.until_ms
    clock.advance(1_200)
    assert lease(settings, "bob").number != mine.number


def test_a_renewal_whose_answer_was_lost_can_be_asked_for_again(settings, clock):
    """With the lease as it was known before."""
    mine = lease(settings)
    settings.numbers.renew(mine, TTL_S)
    clock.advance(100)
    assert settings.numbers.renew(mine, TTL_S) is not None


def test_a_lease_that_ran_out_is_not_renewed(settings, clock):
    """Even where nobody else wanted the number."""
    mine = lease(settings)
    clock.advance(OVER_MS)
    assert settings.numbers.renew(mine, TTL_S) is None


def test_a_lost_lease_can_do_nothing_to_the_next_holder(settings, clock):
    """Neither renew nor release it, not even under the same name."""
    lost = {one.number: one for one in all_of(settings)}
    clock.advance(OVER_MS)
    mine = settings.numbers.lease(POOL, "holder 0", SIZE, 60.0)
    assert settings.numbers.renew(lost[mine.number], TTL_S) is None
    settings.numbers.release(lost[mine.number], clock.now_ms())
    assert settings.numbers.renew(mine, 60.0) is not None


def test_a_released_number_can_be_leased_at_once(settings, clock):
    """From where it was used until."""
    mine = all_of(settings)[0]
    used_until_ms = clock.now_ms()
    settings.numbers.release(mine, used_until_ms)
    clock.advance(1)
    theirs = lease(settings, "bob")
    assert (theirs.number, theirs.floor_ms) == (mine.number, used_until_ms)


def test_a_released_lease_is_not_renewed(settings, clock):
    """And releasing it again does nothing to its next holder."""
    mine = all_of(settings)[0]
    settings.numbers.release(mine, clock.now_ms())
    assert settings.numbers.renew(mine, TTL_S) is None
    clock.advance(1)
    theirs = lease(settings, mine.holder)
    settings.numbers.release(mine, clock.now_ms())
    assert settings.numbers.renew(theirs, TTL_S) is not None


def test_threads_that_lease_at_once_get_different_numbers(settings, open_settings):
    """All through one handle and through others."""
    handles = [settings, open_settings()] * 16
    with ThreadPoolExecutor(8) as threads:
        leases = threads.map(lambda handle: handle.numbers.lease(POOL, "same", len(handles), 600.0), handles)
        assert sorted(one.number for one in leases) == list(range(len(handles)))


def test_processes_that_lease_at_once_get_different_numbers(settings, open_settings):
    """Every number of the pool goes to exactly one."""
    size = PROCESSES * EACH
    leasers = [
        subprocess.Popen([sys.executable, "-c", LEASER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(PROCESSES)
    ]
    try:
        for name, leaser in enumerate(leasers):
            leaser.stdin.write(pickle.dumps((open_settings.another_process, name, size, EACH)))
            leaser.stdin.flush()
        assert [leaser.stdout.readline() for leaser in leasers] == [b"open\n"] * PROCESSES
        for leaser in leasers:
            leaser.stdin.write(b"\n")
            leaser.stdin.flush()
        numbers = [int(line) for leaser in leasers for line in leaser.communicate(timeout=60)[0].split()]
    finally:
        for leaser in leasers:
            leaser.kill()
            leaser.communicate()
    assert sorted(numbers) == list(range(size))
