"""An origin is registered in its region's settings while it runs, and withdraws when it ends."""

import threading

import pytest

from origin import registration
from origin.registration import Registration
from regions import ids
from regions.errors import LeaseLost, Unavailable
from regions.ids import PHOTO
from regions.process_number import ProcessNumber
from regions.residency.live import LiveRules
from regions.residency.settings_statement import SettingsStatement
from regions.residency.statement_folder import StatementFolder
from regions.stores.settings import Service
from tests.builders.statements import Compliance

KEPT = ("ProcessNumber", "Registration", "SettingsStatement")
SELF = Service(registration.ORIGIN, "origin-eu-west-here-1", "http://127.0.0.1:9001")


def test_an_origin_is_healthy_while_it_registers(settings, clock):
    """And no longer."""
    registration = Registration(settings, SELF)
    for _ in range(4):
        registration.run_once()
        clock.at_ms += 10_000
        assert settings.services.healthy("origin") == [SELF]
    clock.at_ms += 10_000
    assert settings.services.healthy("origin") == []


def test_a_withdrawn_origin_is_not_registered_again(settings):
    """Even if its thread was just about to."""
    registration = Registration(settings, SELF)
    registration.run_once()
    registration.withdraw()
    registration.run_once()
    assert settings.services.healthy("origin") == []


def test_unavailable_settings_stop_neither_the_loop_nor_the_withdrawal(settings):
    """If withdrawing fails, the service becomes unhealthy when its TTL ends."""
    stop, registration = threading.Event(), Registration(settings, SELF)
    settings.close()
    with pytest.raises(Unavailable):
        registration.run_once()
    stop.set()
    registration.run_forever(stop)
    registration.withdraw()


def test_registration_and_number_are_released_at_the_end(settings, clock, eventually, tmp_path):
    """The service is gone, the number is free, and the process makes no more ids."""
    number = ProcessNumber(settings, 1, SELF.instance, clock.now_ms)
    rules = LiveRules("eu-west", StatementFolder(tmp_path), Compliance().signers)
    keeper = registration.Keeper(number, Registration(settings, SELF), [SettingsStatement(settings, rules)])
    keeper.start()
    eventually(lambda: settings.services.healthy("origin") == [SELF])
    taken = ids.parse(PHOTO, number.new_id(PHOTO)).process
    keeper.leave()
    assert settings.services.healthy("origin") == []
    with pytest.raises(LeaseLost):
        number.new_id(PHOTO)
    clock.at_ms += 10
    following = ProcessNumber(settings, 1, "another", clock.now_ms)
    assert ids.parse(PHOTO, following.new_id(PHOTO)).process == taken
    assert [thread.name for thread in threading.enumerate() if thread.name in KEPT] == []


def test_who_is_stopped_before_the_start_leaves_all_the_same(settings, clock, tmp_path):
    """As a process that gets SIGTERM while it opens."""
    number = ProcessNumber(settings, 1, SELF.instance, clock.now_ms)
    keeper = registration.Keeper(number, Registration(settings, SELF), [])
    keeper.leave()
    keeper.start()
    keeper.leave()
    assert settings.services.healthy("origin") == []
