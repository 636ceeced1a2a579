"""Waiting for something: attempts until a deadline."""

import time

from regions.waiting import attempts


def test_attempts_continue_until_the_deadline_and_the_last_is_marked():
    started_s = time.monotonic()
    is_last = list(attempts(0.2, first_s=0.01, max_s=0.05))
    assert time.monotonic() - started_s < 5.0
    assert len(is_last) > 2
    assert is_last[-1] and not any(is_last[:-1])


def test_there_is_one_attempt_when_no_time_is_left():
    assert list(attempts(0.0)) == [True]
