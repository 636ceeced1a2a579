"""Which events of a lane wait in their place because a store or the destination put them off, since when, and why."""

import pytest

from replication.put_off import MOST_CHARS, PutOff, PutOffNow


@pytest.fixture
def clock():
    return [1_000]


@pytest.fixture
def put_off(clock):
    return PutOff(lambda: clock[0])


def test_it_counts_since_the_first_of_those_that_still_wait(put_off, clock):
    """An event that is put off again waits for longer, and the last reason counts."""
    put_off.note("1", "eu-central answered 503: busy")
    clock[0] = 2_000
    put_off.note("2", "eu-central answered 503: no folder")
    clock[0] = 3_000
    put_off.note("1", "eu-central answered 429: too many")
    assert put_off.now() == PutOffNow(2, 1_000, "eu-central answered 429: too many")
    put_off.forget("1")
    assert put_off.now() == PutOffNow(1, 2_000, "eu-central answered 503: no folder")


def test_when_all_are_done_nothing_is_put_off(put_off):
    """Nor is an event that never was."""
    put_off.note("1", "busy")
    put_off.forget("1")
    put_off.forget("2")
    assert put_off.now() == PutOffNow(0, None, "")


def test_a_reason_is_short_and_controls_no_terminal(put_off):
    """Another region may have written it."""
    put_off.note("1", "\x1b[2J\u202eno\n" + "x" * 1_000)
    because = put_off.now().because
    assert because.startswith(" [2J no x")
    assert because.isprintable()
    assert len(because) == MOST_CHARS
