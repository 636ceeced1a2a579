"""Many servers are asked at once, until one deadline."""

import threading
import time

import pytest

from darkroom.operate.in_parallel import answers, found_and_away
from regions.errors import Unavailable


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


def test_what_gave_no_answer_is_away_for_a_reason():
    """What is our own mistake is raised."""
    end = threading.Event()

    def refused() -> int:
        raise Unavailable("nothing listens there")

    found, away = found_and_away({"quick": lambda: 1, "refused": refused, "frozen": lambda: end.wait(30)}, 0.3)
    end.set()
    assert (found, away) == ({"quick": 1}, {"refused": "nothing listens there", "frozen": "no answer within 0.3 s"})
    with pytest.raises(ValueError, match="broken"):
        found_and_away({"broken": raising}, 5)


def test_it_ends_when_all_have_answered():
    began_s = time.monotonic()
    assert answers({number: lambda number=number: number for number in range(20)}, 60) == {n: n for n in range(20)}
    assert time.monotonic() - began_s < 20
    assert answers({}, 60) == {}
