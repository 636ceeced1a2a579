"""An origin is seen in its region's settings while it runs, and gives back what it has when it ends."""

import threading

import pytest

from origin import registration
from origin.registration import Registration
from regions import ids
from regions.errors import LeaseLost, Unavailable
from regions.ids import PHOTO
from regions.process_number import ProcessNumber
from regions.stores.settings import Service

SELF = Service(registration.ORIGIN, "origin-eu-west-here-1", "http://127.0.0.1:9001")


def test_an_origin_is_healthy_for_as_long_as_it_says_so(settings, clock):
    """And no longer."""
    registration = Registration(settings, SELF)
    for _ in range(4):
        registration.run_once()
        clock.at_ms += 10_000
        assert settings.services.healthy("origin") == [SELF]
    clock.at_ms += 10_000
    assert settings.services.healthy("origin") == []


def test_a_withdrawn_origin_is_not_registered_again(settings):
    """Though its thread may have been about to."""
    registration = Registration(settings, SELF)
    registration.run_once()
    registration.withdraw()
    registration.run_once()
    assert settings.services.healthy("origin") == []


def test_settings_that_are_away_stop_neither_the_loop_nor_the_end(settings):
    """What is not withdrawn is unhealthy when its time is up."""
    stop, registration = threading.Event(), Registration(settings, SELF)
    settings.close()
    with pytest.raises(Unavailable):
        registration.run_once()
    stop.set()
    registration.run_forever(stop)
    registration.withdraw()


def test_what_is_kept_is_given_back(settings, clock, eventually):
    """The service is gone, the number free, and no id can be made any more."""
    number = ProcessNumber(settings, 1, SELF.instance, clock.now_ms)
    leave = registration.keep(number, Registration(settings, SELF))
    eventually(lambda: settings.services.healthy("origin") == [SELF])
    taken = ids.parse(PHOTO, number.new_id(PHOTO)).process
    leave()
    assert settings.services.healthy("origin") == []
    with pytest.raises(LeaseLost):
        number.new_id(PHOTO)
    clock.at_ms += 10
    following = ProcessNumber(settings, 1, "another", clock.now_ms)
    assert ids.parse(PHOTO, following.new_id(PHOTO)).process == taken
    assert [thread.name for thread in threading.enumerate() if thread.name in ("ProcessNumber", "Registration")] == []
