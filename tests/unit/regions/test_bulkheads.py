"""A bulkhead between threads: how many calls it lets through at once, and what their ends tell its breaker."""

from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import replace

import pytest

from regions.breaker import BreakerLimits
from regions.bulkheads import BulkheadLimits, Bulkheads
from regions.errors import BadGateway, NotFound, Unavailable

WAIT_S = 20
LIMITS = BulkheadLimits(at_once=2, queued=1, queue_s=WAIT_S, breaker=BreakerLimits(waiting=100, silent_s=5))
FEW_WAIT = replace(LIMITS, breaker=BreakerLimits(waiting=2, silent_s=5))


@pytest.fixture
def bulkheads():
    """Its clock stands still, so that its breakers stay as they are."""
    return Bulkheads(LIMITS, lambda: 0.0, lambda: 0.5)


@pytest.fixture
def us(bulkheads):
    return bulkheads.of("us-central")


def fail(bulkhead, error, times=LIMITS.breaker.failures):
    for _ in range(times):
        with pytest.raises(type(error)), bulkhead.enter():
            raise error


def test_only_so_many_calls_are_let_through_at_once(us, in_background):
    """One more waits, until one of them ends; all others are refused at once."""
    first, second = us.enter(), us.enter()
    both = {in_background(us.enter) for _ in range(2)}
    [refused], [waiting] = wait(both, WAIT_S, FIRST_COMPLETED)
    with pytest.raises(Unavailable):
        refused.result()
    first.close()
    waiting.result(WAIT_S).close()
    second.close()


def test_a_slot_is_free_again_whatever_the_end_of_its_call(us):
    """Also after an error that is not the upstream's, and however often a call is closed."""
    fail(us, NotFound("no"), times=5)
    fail(us, KeyError("a mistake of ours"), times=5)
    for _ in range(5):
        call = us.enter()
        call.close()
        call.close()
    assert not us.refuses


@pytest.mark.parametrize("error", [Unavailable("not reached"), BadGateway("cut off")])
def test_an_upstream_that_fails_again_and_again_is_refused_and_no_other_is(bulkheads, us, error):
    """With Unavailable, so that a client may try again."""
    fail(us, error)
    with pytest.raises(Unavailable):
        us.enter()
    assert bulkheads.refused() == ["us-central"]
    bulkheads.of("eu-west").enter().close()


def test_a_body_that_is_read_later_holds_its_slot():
    """But its upstream has answered."""
    us = Bulkheads(replace(LIMITS, queued=0)).of("us-central")
    calls = [us.enter(), us.enter()]
    for call in calls:
        call.answered()
    with pytest.raises(Unavailable), us.enter():
        pass
    for call in calls:
        call.close(BadGateway("cut off in the middle"))
    us.enter().close()


def test_a_poll_is_let_through_when_others_are_refused(us):
    """Without a slot, and without a pause."""
    held = [us.enter(), us.enter()]
    with us.poll():
        pass
    for call in held:
        call.close(Unavailable("not reached"))
    fail(us, Unavailable("not reached"))
    with us.poll():
        pass
    with us.enter():
        pass
    assert not us.refuses


def test_a_probe_finds_no_slot_taken(us):
    """All of them may be held by calls that get no answer."""
    now_s = [0.0]
    bulkheads = Bulkheads(LIMITS, lambda: now_s[0], lambda: 0.5)
    us = bulkheads.of("us-central")
    held = [us.enter(), us.enter()]
    with pytest.raises(Unavailable), us.poll():
        now_s[0] = LIMITS.breaker.silent_s
        raise Unavailable("not reached")
    assert us.refuses
    now_s[0] += LIMITS.breaker.max_open_s
    with us.enter():
        pass
    assert not us.refuses
    for call in held:
        call.close()


def test_each_change_is_logged_once(us, caplog):
    """With the upstream's name."""
    fail(us, Unavailable("not reached"))
    with us.poll():
        pass
    with us.enter():
        pass
    assert [(record.message, record.upstream) for record in caplog.records] == [
        ("an upstream does not answer; calls to it are refused", "us-central"),
        ("an upstream answers again", "us-central"),
    ]


def test_the_last_answer_is_that_to_a_call():
    """A poll may be answered from memory, and a call that failed was not answered."""
    now = [10.0]
    us = Bulkheads(LIMITS, lambda: now[0], lambda: 0.5).of("us-central")
    now[0] = 13.0
    assert us.answered_s() == 3.0
    us.enter().close()
    now[0] = 14.0
    us.poll().close()
    fail(us, Unavailable("not reached"), times=1)
    assert us.answered_s() == 1.0


def test_an_upstream_is_silent_since_the_first_call_of_those_that_it_did_not_answer():
    """However long nothing had been asked before; and a poll that failed and was answered since was another silence."""
    now = [0.0]
    us = Bulkheads(LIMITS, lambda: now[0], lambda: 0.5).of("us-central")
    us.enter().close()
    now[0] = 1_000.0
    us.poll().close(Unavailable("not reached"))
    us.poll().close()
    now[0] = 3_600.0
    fail(us, Unavailable("not reached"), times=1)
    now[0] = 3_604.0
    assert us.silent_s() is None
    fail(us, Unavailable("not reached"), times=LIMITS.breaker.failures - 1)
    assert us.silent_s() == 4.0
    now[0] = 3_700.0
    us.poll().close()
    assert us.silent_s() == 100.0
    us.enter().close()
    assert us.silent_s() is None


def test_calls_that_wait_count_since_they_began():
    """But not from before the last answer to another one."""
    now = [0.0]
    us = Bulkheads(FEW_WAIT, lambda: now[0], lambda: 0.5).of("us-central")
    old = us.enter()
    now[0] = 50.0
    us.enter().close()
    now[0] = 52.0
    waiting = us.enter()
    now[0] = 60.0
    with pytest.raises(Unavailable):
        us.enter()
    assert us.silent_s() == 10.0
    for call in (old, waiting):
        call.close()
