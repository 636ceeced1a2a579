"""A process number is kept while it can be, and no id is ever made twice, whatever the clock and the settings do."""

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regions import ids
from regions.errors import LeaseLost, Unavailable
from regions.ids import MAX_PROCESSES, PHOTO
from regions.process_number import POOL, ProcessNumber

REGION = 5
TTL_MS = 60_000


@pytest.fixture
def store(settings):
    return settings


@pytest.fixture
def start(store, clock):
    """Takes a number, as a process does when it starts."""
    return lambda holder="origin-1": ProcessNumber(store, REGION, holder, clock.now_ms)


def number_of(process) -> int:
    return ids.parse(PHOTO, process.new_id(PHOTO)).process


def test_an_id_says_region_process_and_time(start, clock):
    """And the next one is another."""
    process = start()
    first, second = (ids.parse(PHOTO, process.new_id(PHOTO)) for _ in range(2))
    assert (first.region, first.at_ms) == (REGION, clock.at_ms)
    assert first < second


def test_two_processes_have_two_numbers(start):
    """Though they say the same of themselves."""
    assert number_of(start()) != number_of(start())


def test_a_lease_that_is_renewed_goes_on(start, clock):
    """With the same number."""
    process = start()
    before = number_of(process)
    for _ in range(10):
        clock.at_ms += TTL_MS // 2
        process.run_once()
    assert number_of(process) == before


def test_a_lease_that_ran_out_makes_no_ids(start, clock):
    """Until another number is taken."""
    process = start()
    clock.at_ms += TTL_MS
    with pytest.raises(LeaseLost):
        process.new_id(PHOTO)
    process.run_once()
    assert process.new_id(PHOTO)


def test_while_the_settings_are_away_ids_are_made_until_the_lease_ends(start, store, clock):
    """And then no more."""
    process = start()
    store.close()
    with pytest.raises(Unavailable):
        process.run_once()
    clock.at_ms += TTL_MS - 1
    assert process.new_id(PHOTO)
    clock.at_ms += 1
    with pytest.raises(LeaseLost):
        process.new_id(PHOTO)


def test_a_generator_whose_lease_was_lost_makes_no_id_under_the_next_lease(start, clock):
    """Not even if the same process leases the same number again."""
    process = start()
    stale = process._leased.generator
    clock.at_ms += TTL_MS
    process.run_once()
    assert number_of(process) == process._leased.lease.number
    with pytest.raises(LeaseLost):
        stale.next(PHOTO)


def test_a_released_number_is_taken_by_the_next_at_once(start):
    """Who begins after the last id; the one before makes none any more."""
    process = start()
    last = ids.parse(PHOTO, process.new_id(PHOTO))
    process.release()
    process.release()
    process.run_once()
    with pytest.raises(LeaseLost):
        process.new_id(PHOTO)
    following = ids.parse(PHOTO, start().new_id(PHOTO))
    assert following.process in (last.process, last.process + 1)
    assert following > last


def test_a_clock_that_steps_back_repeats_no_id_of_the_holder_before(start, clock):
    """The next holder's ids begin where the last one's lease ended, whatever its clock says."""
    before = start()
    made = [before.new_id(PHOTO) for _ in range(3)]
    clock.at_ms += 1_000
    before.new_id(PHOTO)
    before.release()
    clock.at_ms += 1
    following = start()
    clock.at_ms -= 1_001
    assert ids.parse(PHOTO, made[0]).process == number_of(following)
    assert following.new_id(PHOTO) not in made


def test_release_does_not_mind_settings_that_are_away(start, store):
    """The number comes back when its time is up."""
    process = start()
    store.close()
    process.release()
    with pytest.raises(LeaseLost):
        process.new_id(PHOTO)


def test_when_all_numbers_are_taken_a_process_does_not_start(start, store):
    """Rather than share one."""
    for number in range(MAX_PROCESSES):
        store.numbers.lease(POOL, f"holder {number}", MAX_PROCESSES, 60.0)
    with pytest.raises(Unavailable):
        start()


def test_run_forever_ends_when_it_is_told_to(start):
    """At once."""
    stop = threading.Event()
    stop.set()
    start().run_forever(stop)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["start"]), st.just(0)),
        *(st.tuples(st.just(what), st.integers(0, 3)) for what in ("new_id", "renew", "release", "die")),
        st.tuples(st.just("pass"), st.sampled_from([0, 1, 20_000, TTL_MS, 10 * TTL_MS, -1, -20_000, -10 * TTL_MS])),
    ),
    max_size=40,
)


def ids_made(process, what: str) -> list[str]:
    """What the process made when it did that; nothing where it may not."""
    try:
        if what == "new_id":
            return [process.new_id(PHOTO) for _ in range(3)]
        {"renew": process.run_once, "release": process.release, "die": lambda: None}[what]()
    except Unavailable:
        pass
    return []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_no_id_is_ever_made_twice(store, clock, start, steps):
    """Whichever process starts, dies, is late to renew, or has a clock that steps back."""
    processes, made = [start()], []
    for what, argument in steps:
        if what == "start":
            processes.append(start())
        elif what == "pass":
            clock.at_ms += argument
        elif processes:
            made += ids_made(processes[argument % len(processes)], what)
            if what == "die":
                processes.pop(argument % len(processes))
    assert len(made) == len(set(made))
    for process in processes:
        process.release()
    clock.at_ms += 100 * TTL_MS
