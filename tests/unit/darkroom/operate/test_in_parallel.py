"""Many servers are asked at once, until one deadline."""

import threading
import time

from darkroom.operate.in_parallel import answers


def raising() -> int:
    raise ValueError("broken")


def test_who_does_not_answer_delays_nobody_else():
    """It is left out; what another one raised is its answer."""
    end, began_s = threading.Event(), time.monotonic()
    found = answers({"quick": lambda: 1, "broken": raising, "frozen": lambda: end.wait(30)}, 0.3)
    assert time.monotonic() - began_s < 5
    end.set()
    assert found["quick"] == 1
    assert isinstance(found["broken"], ValueError)
    assert found.keys() == {"quick", "broken"}


def test_it_ends_when_all_have_answered():
    began_s = time.monotonic()
    assert answers({number: lambda number=number: number for number in range(20)}, 60) == {n: n for n in range(20)}
    assert time.monotonic() - began_s < 20
    assert answers({}, 60) == {}
