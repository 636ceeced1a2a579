"""Supervision of loops: what ends them, and what they survive."""

import threading
import time

import pytest

from regions import daemon
from regions.errors import Unavailable


class Rounds:
    """A `run_once` that raises each error in turn, and sets `stop` in the round after the last."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.count, self.stop = list(errors), 0, threading.Event()

    def __call__(self) -> str:
        self.count += 1
        if self.errors:
            raise self.errors.pop(0)
        self.stop.set()
        return "opened"


def test_a_loop_continues_when_a_store_is_unavailable():
    rounds = Rounds(Unavailable("down"), Unavailable("down"))
    daemon.run_forever(rounds, 0.001, rounds.stop, "test")
    assert rounds.count == 3


def test_a_loop_ends_with_any_other_error():
    rounds = Rounds(ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        daemon.run_forever(rounds, 0.001, rounds.stop, "test")


@pytest.mark.parametrize(("at_once", "count"), [(False, 0), (True, 1)])
def test_a_stopped_loop_runs_one_round_only_if_it_starts_at_once(at_once, count):
    rounds = Rounds()
    rounds.stop.set()
    daemon.run_forever(rounds, 60, rounds.stop, "test", at_once)
    assert rounds.count == count


def test_when_one_loop_returns_all_end():
    stop = threading.Event()
    daemon.run_together([stop.wait, lambda: None], stop)
    assert stop.is_set()


def test_when_one_loop_fails_all_end_and_the_error_is_raised():
    stop, rounds = threading.Event(), Rounds(ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        daemon.run_together([stop.wait, rounds], stop)
    assert stop.is_set()


def test_opening_is_tried_until_it_succeeds():
    rounds = Rounds(Unavailable("down"))
    assert daemon.open_when_available(rounds, "a store", rounds.stop) == "opened"
    assert rounds.count == 2


def test_opening_is_not_tried_after_stop():
    rounds = Rounds()
    rounds.stop.set()
    assert daemon.open_when_available(rounds, "a store", rounds.stop) is None
    assert rounds.count == 0


class SlowEvent(threading.Event):
    """`set` returns only when the loops that wait for it have had time to end."""

    def set(self) -> None:
        super().set()
        time.sleep(0.2)


def test_of_several_loops_that_fail_the_first_error_is_raised():
    """The later ones may only be consequences of the stop, whatever their place in the list and however fast."""
    stop = SlowEvent()

    def fail_after_stop() -> None:
        stop.wait()
        raise KeyError("a consequence")

    with pytest.raises(ValueError, match="a bug"):
        daemon.run_together([fail_after_stop, Rounds(ValueError("a bug")), fail_after_stop], stop)
