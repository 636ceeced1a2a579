"""Fair shares: what is next, for any order of arrivals."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.fair_queue import FairQueue, Urgency

OWNERS = st.sampled_from("abcd")
ARRIVALS = st.lists(st.tuples(st.sampled_from(Urgency), OWNERS, st.integers(0, 1_000)), max_size=60)
STEPS = st.lists(st.one_of(st.just("take"), st.tuples(st.sampled_from(Urgency), OWNERS, st.integers(0, 1_000))))


def take_all(queue: FairQueue) -> list:
    return [queue.take() for _ in range(len(queue))]


@given(STEPS)
def test_nothing_is_lost_and_nothing_comes_twice(steps):
    """However putting and taking alternate."""
    queue, put, taken = FairQueue(), [], []
    for number, step in enumerate(steps):
        if step == "take":
            taken += [queue.take()] if queue else []
        else:
            queue.put(number, *step)
            put.append(number)
    assert len(queue) == len(put) - len(taken)
    assert sorted(taken + take_all(queue)) == put


@given(ARRIVALS)
def test_an_owners_items_stay_in_order_and_the_more_urgent_come_first(arrivals):
    queue = FairQueue()
    for number, arrival in enumerate(arrivals):
        queue.put((number, *arrival[:2]), *arrival)
    taken = take_all(queue)
    assert [urgency for _, urgency, _ in taken] == sorted(urgency for _, urgency, _ in taken)
    for urgency in Urgency:
        for owner in "abcd":
            numbers = [number for number, *whose in taken if whose == [urgency, owner]]
            assert numbers == sorted(numbers)


@given(st.lists(st.integers(1, 1_000), min_size=1, max_size=50), st.integers(1, 5), st.integers(0, 49))
def test_a_newcomer_waits_for_at_most_one_item_of_each_other_owner(costs, others, taken_before):
    """However many they have queued, and however large those are."""
    queue = FairQueue()
    for cost in costs:
        for owner in range(others):
            queue.put(f"of {owner}", Urgency.FRESH, owner, cost)
    for _ in range(min(taken_before, len(queue))):
        queue.take()
    queue.put("new", Urgency.FRESH, "newcomer", 1)
    before = take_all(queue)
    assert max(Counter(before[: before.index("new")]).values(), default=0) <= 1


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 100)), min_size=1, max_size=200))
def test_owners_who_have_something_waiting_get_the_same_share_of_work(arrivals):
    """Up to one item each: the bound of start-time fair queuing."""
    queue = FairQueue()
    for owner, cost in arrivals:
        queue.put((owner, cost), Urgency.FRESH, owner, cost)
    waiting, done = Counter(owner for owner, _ in arrivals), Counter({"a": 0, "b": 0})
    while waiting["a"] and waiting["b"]:
        owner, cost = queue.take()
        waiting[owner] -= 1
        done[owner] += cost
        assert abs(done["a"] - done["b"]) <= 2 * 100


def test_owners_who_have_nothing_waiting_are_forgotten():
    """Their number does not grow with everybody who has ever uploaded."""
    queue = FairQueue()
    for number in range(10_000):
        queue.put(number, Urgency.FRESH, f"owner {number}", 10)
        queue.take()
        if number:
            queue.done(Urgency.FRESH, f"owner {number - 1}", 5)
    assert len(queue._queues[Urgency.FRESH]._owners) < 2_000


def test_who_was_served_while_nobody_else_waited_is_still_behind_a_newcomer():
    """The one who comes second waits for what runs already, and no more."""
    queue = FairQueue()
    for number in range(3):
        queue.put(f"large {number}", Urgency.FRESH, "ana", 10**8)
        if number == 0:
            assert queue.take() == "large 0"
    queue.put("small", Urgency.FRESH, "bob", 1)
    assert take_all(queue) == ["small", "large 1", "large 2"]


def test_what_was_done_before_a_pause_does_not_count_any_more():
    """Ana's large photo is done when Bob comes with many; her next one does not wait for all of them."""
    queue = FairQueue()
    queue.put("large", Urgency.FRESH, "ana", 10**8)
    queue.take()
    queue.done(Urgency.FRESH, "ana", 0)
    for number in range(60):
        queue.put(f"of bob {number}", Urgency.FRESH, "bob", 100)
    queue.put("small", Urgency.FRESH, "ana", 1)
    assert take_all(queue).index("small") == 1


def test_what_looked_cheap_counts_by_what_it_took():
    """A file of a few bytes may hold up a worker for seconds: then its owner's next one waits for all others'."""
    queue = FairQueue()
    for number in range(40):
        queue.put(f"bomb {number}", Urgency.FRESH, "eve", 1)
    for number in range(3):
        queue.put(f"photo {number}", Urgency.FRESH, "ana", 100)
    assert queue.take() == "bomb 0"
    queue.done(Urgency.FRESH, "eve", 6_000)
    assert [queue.take() for _ in range(3)] == ["photo 0", "photo 1", "photo 2"]


@given(ARRIVALS, st.lists(st.integers(-1_000, 10_000), min_size=60, max_size=60))
def test_nothing_is_lost_whatever_it_took(arrivals, more_costs):
    """Each is taken once, and then all is as at the start."""
    queue = FairQueue()
    for number, arrival in enumerate(arrivals):
        queue.put((number, *arrival[:2]), *arrival)
    taken = []
    for more_cost in more_costs[: len(arrivals)]:
        number, urgency, owner = queue.take()
        taken.append(number)
        queue.done(urgency, owner, more_cost)
    assert sorted(taken) == list(range(len(arrivals)))
    assert not any(queue._queues[urgency]._owners for urgency in Urgency)


def test_an_empty_queue_has_nothing_to_take():
    with pytest.raises(IndexError):
        FairQueue().take()
