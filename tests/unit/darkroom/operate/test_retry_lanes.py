"""`darkroom lanes retry` on the real stores of three regions."""

from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.cli import main
from darkroom.operate import retry_lanes
from darkroom.operate.retry_lanes import cause_of, retry
from regions import config
from regions.errors import Unavailable
from regions.events.messages import Event, Unreadable, dead_letter
from regions.events.set_aside import parse
from regions.events.topics import LANES_IN_A_MINUTE, PHOTO_READY, lane_group
from regions.stores.events import Delivery
from regions.stores.settings import ACTS
from tests.builders import prepared_machine
from tests.builders.prepared_machine import MACHINE

HOME, TO, OTHER = MACHINE.regions
data, loaded = prepared_machine.data, prepared_machine.loaded


@pytest.fixture
def give_up(loaded):
    """A lane gives up events of a region, each with its error."""

    def publish(home: str, to: str, *errors: str) -> None:
        letters = [
            dead_letter(Event(PHOTO_READY, f"p_{number}", f"{home}:{to}:{number}", 1, {}), lane_group(to), error, 1)
            for number, error in enumerate(errors)
        ]
        with closing(config.open_events(loaded, home)) as events:
            events.publish(letters)

    return publish


@pytest.fixture
def again(loaded):
    """The lanes for which events are set aside in a region."""

    def read(home: str) -> list[str]:
        with (
            closing(config.open_events(loaded, home)) as events,
            closing(events.consumer(LANES_IN_A_MINUTE, "test", "test")) as consumer,
        ):
            return sorted(parse(delivery.event).group for delivery in consumer.poll(99, 0.0))

    return read


@pytest.fixture
def acts(loaded):
    """How many acts a region has logged."""

    def count(home: str) -> int:
        with closing(config.open_settings(loaded, home)) as settings:
            return len(settings.values.tree(ACTS))

    return count


def run(data, *arguments) -> int:
    return main(["lanes", "retry", *arguments, "--data", str(data)])


def test_the_events_of_all_lanes_are_tried_again(data, give_up, again, acts, capsys):
    """It says how many by lane and by cause. In each region the act is logged."""
    give_up(HOME, TO, "NotFound('raw/p_0 is not there')", "NotFound('raw/p_1 is not there')", "OSError(5)")
    give_up(HOME, OTHER, "OSError(5)")
    give_up(TO, HOME, "OSError(5)")
    assert run(data) == 0
    shown = capsys.readouterr().out
    assert "5 events will be tried again" in shown
    [row] = [line.split() for line in shown.splitlines() if "NotFound" in line]
    assert row[:4] == [HOME, TO, "NotFound", "2"]
    assert again(HOME) == sorted([lane_group(TO)] * 3 + [lane_group(OTHER)])
    assert again(TO) == [lane_group(HOME)]
    assert [acts(name) for name in MACHINE.regions] == [1, 1, 1]


@pytest.fixture
def lose(data):
    """Takes a region's folder away, with all of its stores, or one store of it."""

    def away(*path: str) -> None:
        folder = data.joinpath("regions", *path)
        folder.rename(folder.with_name(f"{folder.name}.away"))

    return away


def test_a_region_that_is_lost_hides_no_other(data, give_up, again, acts, lose, capsys):
    """It is named, with what to do, and the exit code says that something is missing."""
    for home in (HOME, OTHER):
        give_up(home, TO, "OSError(5)")
    lose(TO)
    assert run(data) == 1
    printed = " ".join("".join(capsys.readouterr()).split())
    assert "2 events will be tried again" in printed
    assert f"Not all of {TO} could be tried: " in printed
    assert "Only if there has never been such a store" in printed
    assert "If the region is lost, create nothing in its place" in printed
    assert [again(home) for home in (HOME, OTHER)] == [[lane_group(TO)]] * 2
    assert [acts(home) for home in (HOME, OTHER)] == [1, 1]


def test_a_dry_run_goes_on_past_a_region_that_is_lost(data, give_up, lose, capsys):
    give_up(OTHER, HOME, "OSError(5)")
    lose(HOME)
    assert run(data, "--dry-run") == 1
    printed = "".join(capsys.readouterr())
    assert "1 event would be tried again" in printed
    assert f"Not all of {HOME} could be tried" in printed


def test_no_act_is_logged_in_a_region_whose_events_can_not_be_read(data, give_up, again, acts, lose, capsys):
    """It would say that something was done."""
    give_up(OTHER, TO, "OSError(5)")
    lose(HOME, "events.db")
    assert run(data) == 1
    assert [acts(name) for name in MACHINE.regions] == [0, 1, 1]
    assert again(OTHER) == [lane_group(TO)]


def test_who_is_no_operator_changes_nothing_in_any_region(data, give_up, again, acts, lose):
    """Also if the first region is lost."""
    give_up(OTHER, TO, "OSError(5)")
    lose(HOME)
    for key in (data / "operators").glob("*.pem"):
        key.unlink()
    assert run(data) == 1
    assert (again(OTHER), acts(OTHER)) == ([], 0)


def test_what_was_retried_before_a_log_went_away_is_shown(data, give_up, again, acts, monkeypatch, capsys):
    """Of one lane, in a region of two."""
    give_up(HOME, TO, "OSError(5)")
    give_up(HOME, OTHER, "OSError(5)")

    def breaks_at_other(events, lane, dry_run, clock_ms):
        if lane == lane_group(OTHER):
            raise Unavailable("the log went away")
        return retry(events, lane, dry_run, clock_ms)

    monkeypatch.setattr(retry_lanes, "retry", breaks_at_other)
    assert run(data, "--region", HOME) == 1
    printed = " ".join("".join(capsys.readouterr()).split())
    assert "1 event will be tried again" in printed
    assert f"Not all of {HOME} could be tried: Not available for the moment: the log went away" in printed
    assert (again(HOME), acts(HOME)) == ([lane_group(TO)], 1)


def test_one_lane_may_be_chosen(data, give_up, again):
    """Of the others, everything stays for another call."""
    for home, to in ((HOME, TO), (HOME, OTHER), (TO, OTHER)):
        give_up(home, to, "OSError(5)")
    assert run(data, "--region", HOME, "--to", OTHER) == 0
    assert (again(HOME), again(TO)) == ([lane_group(OTHER)], [])
    assert run(data, "--to", OTHER) == 0
    assert again(TO) == [lane_group(OTHER)]


def test_a_dry_run_only_says_what_there_is(data, give_up, again, acts, monkeypatch, capsys):
    """It needs no key."""
    give_up(HOME, TO, "OSError(5)")
    for key in (data / "operators").glob("*.pem"):
        key.unlink()
    assert run(data, "--dry-run") == 0
    assert "1 event would be tried again" in capsys.readouterr().out
    assert (again(HOME), acts(HOME)) == ([], 0)
    assert run(data) == 1
    assert again(HOME) == []


def test_without_letters_it_says_so(data, capsys):
    assert run(data) == 0
    assert "There are no dead letters of lanes" in capsys.readouterr().out


def test_what_this_version_can_not_read_is_named(data, loaded, capsys):
    """It stays a dead letter."""
    letter = dead_letter(Unreadable(PHOTO_READY, "", "unreadable:1", "{", "no event"), lane_group(TO), "no event", 1)
    with closing(config.open_events(loaded, HOME)) as events:
        events.publish([letter])
    assert run(data) == 0
    assert "1 more can't be read" in capsys.readouterr().out


def test_an_unknown_region_is_named(data, capsys):
    for arguments in (("--to", "mars"), ("--region", "mars")):
        assert run(data, *arguments) == 2
        assert "mars" in capsys.readouterr().err


def test_a_lane_that_there_is_not_is_refused(data, acts, capsys):
    """Before anything is logged."""
    assert run(data, "--region", HOME, "--to", HOME) == 2
    assert f"{HOME} has no lane to {HOME}" in capsys.readouterr().err
    assert acts(HOME) == 0


class Silent:
    """An event log with letters that do not come: somebody else reads them."""

    def lag(self, topic: str, group: str) -> dict[int, int]:
        return {0: 1}

    def consumer(self, topic: str, group: str, member: str) -> "Silent":
        return self

    def poll(self, limit: int, timeout_s: float) -> list[Delivery]:
        return []

    def close(self) -> None:
        pass


def test_it_does_not_wait_without_end():
    with pytest.raises(Unavailable):
        retry(Silent(), lane_group(TO), False, lambda: 1)
    assert retry_lanes.MOST_EMPTY_POLLS <= 60


@given(st.text(max_size=200))
def test_a_cause_is_short_whatever_the_error_is(error):
    """So that there are few of them."""
    cause = cause_of(error)
    assert cause == "other" or error.startswith(f"{cause}(")
    assert len(cause) <= 60


def test_a_cause_is_the_name_of_the_error():
    errors = ["NotFound('raw/p_1')", "ValueError()", "not confirmed (yet)", ""]
    assert [cause_of(error) for error in errors] == ["NotFound", "ValueError", "other", "other"]
