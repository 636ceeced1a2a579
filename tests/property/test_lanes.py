"""Laws of a lane, checked on the code of both its ends: in any order of steps, with kills, and while time passes."""

import itertools
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from regions.records import Tombstone
from regions.residency.policy import Action
from tests.builders.lane_world import (
    COPY,
    DELETED,
    DELETED_AT_MS,
    DESTINATION,
    OWNER_ID,
    PHOTO_ID,
    READY,
    Process,
    World,
    step,
)

ACTIONS = (Action.REST_RAW, Action.REST_VARIANTS, Action.REST_METADATA, Action.REFERENCE)
OBJECTS = {Action.REST_RAW: {"raw/raw"}, Action.REST_VARIANTS: {"variants/150.jpg", "variants/320.jpg"}}
decisions = st.fixed_dictionaries({action: st.booleans() for action in ACTIONS})
everything = dict.fromkeys(ACTIONS, True)
kills = st.lists(st.integers(0, 1), max_size=60)
MINUTE_MS = 60_000


def delete_at_home(world: World) -> None:
    step()
    world.home.tombstoned[PHOTO_ID] = Tombstone(PHOTO_ID, OWNER_ID, DELETED_AT_MS)
    world.home.stored.pop(PHOTO_ID, None)


def deliver_deletion(world: World) -> None:
    """Its event is delivered only after the tombstone is written, because both are one write."""
    while PHOTO_ID not in world.home.tombstoned:
        step()
    world.lane().handle_deleted(DELETED)
    # Confirmed: from now on nothing of the photo may arrive any more.
    confirmed_puts.append(world.objects.puts)


def deliver_photo(world: World) -> None:
    if PHOTO_ID in world.home.stored or PHOTO_ID in world.home.tombstoned:
        world.lane().handle_ready(READY)


confirmed_puts: list[int] = []
WORK = (delete_at_home, deliver_deletion, deliver_photo, deliver_photo)
KILL_ALL, A_MINUTE = len(WORK), len(WORK) + 1


schedules = st.lists(st.tuples(st.integers(0, A_MINUTE), st.integers(1, 40)), max_size=12)
"""Who goes on, and for how many steps; or how many minutes pass."""


@given(decisions, decisions, schedules)
@settings(max_examples=300, deadline=None)
def test_a_tombstone_wins_in_any_order_of_steps(at_home, there, schedule):
    """Two deliveries of the photo and its deletion interleave in any order; any may be killed, or be slow."""
    world = World(at_home, there)
    confirmed_puts.clear()
    processes = [Process(lambda work=work: work(world)) for work in WORK]
    for choice, count in schedule:
        if choice == KILL_ALL:
            for process in processes:
                process.kill()
        elif choice == A_MINUTE:
            world.now_ms += count * MINUTE_MS
        else:
            for _ in range(count):
                processes[choice].go_on()
    for process in processes:
        process.finish(world)
    assert world.destination.tombstoned == {PHOTO_ID: Tombstone(PHOTO_ID, "", DELETED_AT_MS)}
    assert (world.kept(), world.destination.stored, world.home.recorded) == (set(), {}, {})
    assert confirmed_puts == [world.objects.puts]


@given(decisions, decisions, kills, st.booleans())
@settings(deadline=None)
def test_the_destination_gets_exactly_what_both_ends_allow(at_home, there, schedule, has_followers):
    """However often the event is delivered, and wherever a delivery is killed."""
    world = World(at_home, there, has_followers)
    process = Process(lambda: deliver_photo(world))
    for killed in schedule:
        if killed:
            process.kill()
        process.go_on()
    process.finish(world)
    allowed = {action for action in ACTIONS if at_home[action] and there[action]}
    assert world.kept() == set().union(*(OBJECTS[action] for action in allowed & OBJECTS.keys()))
    assert world.destination.stored == ({PHOTO_ID: COPY} if Action.REST_METADATA in allowed else {})
    assert bool(world.published) is (has_followers and Action.REFERENCE in allowed)
    replica = world.home.recorded.get(DESTINATION)
    assert (replica is not None) is (at_home[Action.REST_RAW] or at_home[Action.REST_VARIANTS])
    if replica is not None:
        assert (replica.raw, replica.variants, replica.missing) == (
            Action.REST_RAW in allowed,
            Action.REST_VARIANTS in allowed,
            0,
        )


@given(decisions)
@settings(deadline=None)
def test_each_end_logs_its_own_decisions(there):
    """Also those that the other one made differently. Nothing crosses before they are logged."""
    world = World(everything, there)
    deliver_photo(world)
    assert {entry.action: entry.allowed for entry in world.home.entries} == everything
    assert {entry.action: entry.allowed for entry in world.destination.entries} == there
    assert {entry.place for entry in (*world.home.entries, *world.destination.entries)} == {DESTINATION}


@given(decisions, decisions)
@settings(deadline=None)
def test_a_second_delivery_sends_no_object_again(at_home, there):
    world = World(at_home, there)
    for _ in range(2):
        deliver_photo(world)
    assert world.objects.puts == len(world.kept())


@given(st.lists(st.tuples(decisions, decisions), min_size=1, max_size=5))
@settings(deadline=None)
def test_the_audit_logs_end_with_the_latest_decisions(changing):
    """Even if a policy is changed and changed back, so that the log can be replayed."""
    world = World(everything, everything)
    lane = world.lane()
    for at_home, there in changing:
        world.rules["eu-west"].allowed, world.rules["eu-central"].allowed = at_home, there
        lane.handle_ready(READY)
        last = {entry.action: entry.allowed for entry in world.home.entries}
        assert last == at_home
        last = {entry.action: entry.allowed for entry in world.destination.entries}
        offered = {action for action in ACTIONS if at_home[action]}
        assert {action: last[action] for action in offered} == {action: there[action] for action in offered}


def test_wrong_bytes_at_the_destination_are_replaced():
    """Another object under the same key does not count as the copy."""
    world = World(everything, everything)
    deliver_photo(world)
    right = dict(world.objects.stored)
    for place, info in right.items():
        world.objects.stored[place] = replace(info, sha256="00" * 32)
    deliver_photo(world)
    assert world.objects.stored == right


def test_a_deletion_is_not_confirmed_while_a_slow_put_may_end():
    """It began before its URL ran out."""
    world = World(everything, everything)
    copying = Process(lambda: deliver_photo(world))
    while not world.destination.expected_ms:
        copying.go_on()
    world.now_ms += 4 * MINUTE_MS
    while not world.objects.begun:
        copying.go_on()
    world.now_ms += 2 * MINUTE_MS
    delete_at_home(world)
    assert not world.delete(PHOTO_ID, DELETED_AT_MS)
    copying.finish(world)
    assert world.objects.puts == 1
    assert world.kept() == set()


def test_a_tombstone_wins_wherever_a_deletion_falls_into_a_copy():
    """After each step of the copy, with the copy going on after each step of the deletion."""
    for copied, deleted in itertools.product(range(26), range(12)):
        world = World(everything, everything)
        copying, deleting = (
            Process(lambda world=world: deliver_photo(world)),
            Process(lambda world=world: world.lane().handle_deleted(DELETED)),
        )
        for _ in range(copied):
            copying.go_on()
        delete_at_home(world)
        for _ in range(deleted):
            deleting.go_on()
        for _ in range(9):
            copying.go_on()
        deleting.finish(world)
        puts = world.objects.puts
        copying.finish(world)
        assert (world.kept(), world.destination.stored, world.home.recorded) == (set(), {}, {}), (copied, deleted)
        assert world.objects.puts == puts, (copied, deleted)
