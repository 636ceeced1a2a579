"""What a breaker promises, whatever happens: at most one probe, open after failures, and never open for good."""

import math
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from regions.breaker import Attempt, Breaker, BreakerLimits, BreakerState

LIMITS = BreakerLimits(waiting=3, silent_s=2.0)


def moments(least_s: int, most_s: int) -> st.SearchStrategy[float]:
    """Times without a rounding error."""
    return st.integers(least_s * 64, most_s * 64).map(lambda parts: parts / 64)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "poll", "answered", "failed", "abandoned"]),
        moments(0, 3),
        st.integers(0, 5),
        st.floats(0, 0.999),
    ),
    max_size=50,
)


@dataclass
class Caller:
    """Makes and ends calls, step by step. `time_s` is the breaker's clock."""

    time_s: float = 100.0
    chance: float = 0.0
    under_way: list[Attempt] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.breaker = Breaker(LIMITS, lambda: self.chance)

    def do(self, what: str, after_s: float, which: int, chance: float) -> Attempt | None:
        """The call that was begun, if one was."""
        self.time_s, self.chance = self.time_s + after_s, chance
        if what == "begin":
            attempt = self.breaker.begin(self.time_s)
        elif what == "poll":
            attempt = self.breaker.begin_poll(self.time_s)
        else:
            if self.under_way:
                attempt = self.under_way.pop(which % len(self.under_way))
                getattr(self.breaker, what)(attempt, self.time_s)
            return None
        if attempt is not None:
            self.under_way.append(attempt)
        return attempt

    def begin(self) -> Attempt | None:
        return self.do("begin", 0.0, 0, self.chance)


def did(steps) -> Caller:
    caller = Caller()
    for step in steps:
        caller.do(*step)
    return caller


@given(STEPS)
def test_there_is_never_more_than_one_probe_at_a_time(steps):
    """While it is under way, and not given up, no other call goes through."""
    caller, probe = Caller(), None
    for step in steps:
        begun = caller.do(*step)
        is_open = caller.breaker.state is not BreakerState.CLOSED
        if begun is not None and not begun.is_poll and is_open:
            lapsed = probe is not None and caller.time_s - probe.began_s >= LIMITS.probe_s
            assert probe is None or lapsed or probe not in caller.under_way
            probe = begun
        if not is_open:
            probe = None


@given(STEPS)
def test_enough_failures_in_a_row_open_it(steps):
    """From whatever state: after five, the next call is refused."""
    caller = did(steps)
    caller.under_way.clear()
    for _ in range(LIMITS.failures):
        if (attempt := caller.begin()) is not None:
            caller.breaker.failed(attempt, caller.time_s)
    assert caller.begin() is None


@given(STEPS)
def test_it_closes_with_the_first_answer(steps):
    """Whenever the call began, also one that is older than the opening."""
    caller = did(steps)
    calls = [attempt for attempt in caller.under_way if not attempt.is_poll]
    while not calls:
        caller.time_s += LIMITS.max_open_s
        calls = [attempt for attempt in [caller.begin()] if attempt is not None]
    caller.breaker.answered(calls[0], caller.time_s)
    assert caller.breaker.state is BreakerState.CLOSED


@given(STEPS, moments(0, 1 << 20))
def test_of_three_calls_two_seconds_apart_one_goes_through(steps, back_s):
    """So it is never open for good. Nor after a step back of the clock: no pause is measured from the future."""
    caller = did(steps)
    caller.time_s -= back_s
    admitted = []
    for _ in range(3):
        admitted.append(caller.begin())
        caller.time_s += max(LIMITS.probe_s, LIMITS.max_open_s)
    [attempt, *_] = [attempt for attempt in admitted if attempt is not None]
    caller.breaker.answered(attempt, caller.time_s)
    assert caller.breaker.state is BreakerState.CLOSED


@given(STEPS)
def test_a_poll_is_never_refused_and_never_closes_it(steps):
    """But after its answer the next call is a probe."""
    caller = did(steps)
    before = caller.breaker.state
    poll = caller.breaker.begin_poll(caller.time_s)
    caller.breaker.answered(poll, caller.time_s)
    assert caller.breaker.state is before
    if before is BreakerState.OPEN:
        assert caller.breaker.is_probe(caller.begin())


def test_polls_that_failed_before_one_was_answered_open_nothing():
    """Those of a lane without work, on a line that loses one now and then. Calls that failed count until a call is
    answered: polls are answered from memory."""
    caller = Caller()
    for _ in range(LIMITS.failures):
        for end in ("failed", "answered"):
            caller.do("poll", 1.0, 0, 0.0)
            caller.do(end, 0.0, 0, 0.0)
    assert caller.breaker.state is BreakerState.CLOSED
    for _ in range(LIMITS.failures):
        caller.breaker.failed(caller.begin(), caller.time_s)
        caller.breaker.answered(caller.breaker.begin_poll(caller.time_s), caller.time_s)
    assert caller.breaker.state is BreakerState.OPEN


@given(STEPS)
def test_it_is_known_since_when_it_is_open_for_silence(steps):
    """And not since when it is closed. Never in the future."""
    caller = did(steps)
    since_s = caller.breaker.silent_since_s
    assert (since_s is None) == (caller.breaker.state is BreakerState.CLOSED)
    assert since_s is None or since_s <= caller.time_s


@given(st.integers(LIMITS.waiting, 20), moments(2, 100))
def test_silence_opens_it_before_any_call_has_failed(waiting, silent_s):
    """A frozen server fails nobody until the calls' own deadlines."""
    caller = Caller()
    calls = [caller.begin() for _ in range(waiting)]
    caller.time_s += silent_s
    assert caller.begin() is None
    caller.breaker.answered(calls[0], caller.time_s)
    assert caller.begin() is not None


@given(st.integers(1, 20), moments(0, 1))
def test_a_server_that_answers_somebody_is_not_silent(waiting, since_s):
    """However many wait, and however long the first of them has."""
    caller = Caller()
    calls = [caller.begin() for _ in range(waiting + 1)]
    caller.time_s += 60
    caller.breaker.answered(calls.pop(), caller.time_s)
    caller.time_s += since_s
    assert caller.begin() is not None


def test_the_first_call_that_runs_into_a_silence_opens_it():
    """Alone, too. One that fails at once is one of five."""
    caller = Caller()
    quick = caller.begin()
    caller.breaker.failed(quick, caller.time_s)
    assert caller.breaker.state is BreakerState.CLOSED
    slow = caller.begin()
    caller.time_s += LIMITS.silent_s
    caller.breaker.failed(slow, caller.time_s)
    assert caller.begin() is None


@given(st.floats(0, 0.999))
def test_it_waits_longer_after_each_probe_that_failed_up_to_its_limit(chance):
    """So a server that is away for long is asked every two seconds, and one that flaps several times a second."""
    caller = Caller(chance=chance)
    pauses = []
    for _ in range(10):
        while (attempt := caller.begin()) is not None:
            caller.breaker.failed(attempt, caller.time_s)
        opened_s = caller.time_s
        while (attempt := caller.begin()) is None:
            caller.time_s += 0.01
        pauses.append(caller.time_s - opened_s)
        caller.breaker.failed(attempt, caller.time_s)
    assert pauses == sorted(pauses)
    assert LIMITS.first_open_s / 2 <= pauses[0] <= LIMITS.first_open_s + 0.02
    assert math.isclose(pauses[-1], LIMITS.max_open_s * (0.5 + chance / 2), abs_tol=0.02)


def test_polls_that_are_answered_while_nobody_calls_say_that_it_seems_to_be_back():
    """Not while calls fail, however many polls are answered from memory; nor once a poll fails again."""
    caller = Caller()
    for _ in range(LIMITS.failures):
        caller.breaker.failed(caller.begin(), caller.time_s)
    for _ in range(3):
        caller.time_s += LIMITS.max_open_s
        call = caller.begin()
        for _ in range(10):
            caller.time_s += 1
            caller.breaker.answered(caller.breaker.begin_poll(caller.time_s), caller.time_s)
            assert not caller.breaker.seems_back
        caller.breaker.failed(call, caller.time_s)
    caller.time_s += 10
    assert not caller.breaker.seems_back
    caller.breaker.answered(caller.breaker.begin_poll(caller.time_s), caller.time_s)
    assert caller.breaker.seems_back
    caller.breaker.failed(caller.breaker.begin_poll(caller.time_s), caller.time_s)
    assert not caller.breaker.seems_back
