"""A process keeps its number, and no id is ever made twice, even if the clock steps or the settings are unavailable."""

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
    """Leases a number, as a process does when it starts."""
    return lambda holder="origin-1": ProcessNumber(store, REGION, holder, clock.now_ms)


def number_of(process) -> int:
    return ids.parse(PHOTO, process.new_id(PHOTO)).process


def test_an_id_contains_the_region_and_the_time(start, clock):
    """And the next id is higher."""
    process = start()
    first, second = (ids.parse(PHOTO, process.new_id(PHOTO)) for _ in range(2))
    assert (first.region, first.at_ms) == (REGION, clock.at_ms)
    assert first < second


def test_two_processes_have_two_numbers(start):
    """Even if both have the same name."""
    assert number_of(start()) != number_of(start())


def test_a_renewed_lease_keeps_its_number(start, clock):
    """Over many times the TTL."""
    process = start()
    before = number_of(process)
    for _ in range(10):
        clock.at_ms += TTL_MS // 2
        process.run_once()
    assert number_of(process) == before


def test_no_ids_are_made_after_the_lease_has_run_out(start, clock):
    """Until the process has leased another number."""
    process = start()
    clock.at_ms += TTL_MS
    with pytest.raises(LeaseLost):
        process.new_id(PHOTO)
    process.run_once()
    assert process.new_id(PHOTO)


def test_while_the_settings_are_unavailable_ids_are_made_until_the_lease_ends(start, store, clock):
    """And then none."""
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


def test_a_released_number_can_be_leased_at_once(start):
    """The next holder's ids are higher. The old holder makes none any more."""
    process = start()
    last = ids.parse(PHOTO, process.new_id(PHOTO))
    process.release()
    process.release()
    process.run_once()
    with pytest.raises(LeaseLost):
        process.new_id(PHOTO)
    next_holder = ids.parse(PHOTO, start().new_id(PHOTO))
    assert next_holder.process in (last.process, last.process + 1)
    assert next_holder > last


def test_after_a_clock_step_the_next_holder_repeats_no_id(start, clock):
    """Its ids start where the lease before ended, even if its clock is behind."""
    before = start()
    made = [before.new_id(PHOTO) for _ in range(3)]
    clock.at_ms += 1_000
    before.new_id(PHOTO)
    before.release()
    clock.at_ms += 1
    next_holder = start()
    clock.at_ms -= 1_001
    assert ids.parse(PHOTO, made[0]).process == number_of(next_holder)
    assert next_holder.new_id(PHOTO) not in made


def test_release_does_not_fail_if_the_settings_are_unavailable(start, store):
    """The number becomes free when its lease runs out."""
    process = start()
    store.close()
    process.release()
    with pytest.raises(LeaseLost):
        process.new_id(PHOTO)


def test_when_all_numbers_are_taken_a_process_does_not_start(start, store):
    """It does not share a number."""
    for number in range(MAX_PROCESSES):
        store.numbers.lease(POOL, f"holder {number}", MAX_PROCESSES, 60.0)
    with pytest.raises(Unavailable):
        start()


def test_run_forever_returns_when_stop_is_set(start):
    """At once."""
    stop = threading.Event()
    stop.set()
    start().run_forever(stop)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["start"]), st.just(0)),
        *(st.tuples(st.just(what), st.integers(0, 3)) for what in ("new_id", "renew", "release", "die")),
        st.tuples(st.just("advance"), st.sampled_from([0, 1, 20_000, TTL_MS, 10 * TTL_MS, -1, -20_000, -10 * TTL_MS])),
    ),
    max_size=40,
)


def ids_made(process, what: str) -> list[str]:
    """The ids that the process made in this step. None if it may not make any."""
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
    """Whichever processes start, die, renew late, or have a clock that is stepped."""
    processes, made = [start()], []
    for what, argument in steps:
        if what == "start":
            processes.append(start())
        elif what == "advance":
            clock.at_ms += argument
        elif processes:
            made += ids_made(processes[argument % len(processes)], what)
            if what == "die":
                processes.pop(argument % len(processes))
    assert len(made) == len(set(made))
    for process in processes:
        process.release()
    clock.at_ms += 100 * TTL_MS
