"""`darkroom lanes show` and `lanes set` on the real stores of three regions."""

import json
from contextlib import closing
from dataclasses import replace

import pytest

from darkroom.cli import main
from darkroom.operate import lanes
from darkroom.operate.lanes import LanesView, LaneView
from regions import config
from regions.clock import now_ms
from regions.errors import Unavailable
from regions.events import gap_records
from regions.events.gap_records import GapRecord, with_gaps
from regions.events.messages import Event
from regions.events.topics import (
    FOLLOW_CHANGED,
    LANES_IN_A_MINUTE,
    PHOTO_DELETED,
    PHOTO_READY,
    PHOTO_READY_AGAIN,
    RECORD_CHANGED,
    lane_group,
)
from regions.stores.events import Gap
from regions.stores.settings import ACTS
from replication import lane_status
from replication.budget import LaneLimits, LaneSettings, parse_settings
from replication.lane_status import LaneActivity, LaneStatus
from replication.live_settings import key_of
from tests.builders import prepared_machine
from tests.builders.lane_reports import lane_work
from tests.builders.prepared_machine import MACHINE

HOME, TO, OTHER = MACHINE.regions
FROM = ("--region", HOME)
data, loaded = prepared_machine.data, prepared_machine.loaded
LIMITS = LaneLimits(paused=False, width=12, backfill_width=2, bytes_per_s=None, asks=True)
AT_MS = 1_800_000_000_000
BUSY = LaneActivity(
    replicators=2, under_way=5, set_aside=3, deletions_aside=0, copying=4, oldest_ms={PHOTO_READY: AT_MS - 2_500},
    oldest_aside_ms={}, bytes_per_s=12.34e6, errors=1_000, put_off=0, put_off_ms=None, put_off_because="",
    silent_s=None, refusing=0, alone=0, width=16, backfill_width=2,
)  # fmt: skip


@pytest.fixture
def values(loaded):
    with closing(config.open_settings(loaded, HOME)) as settings:
        yield settings.values


@pytest.fixture
def report(values):
    """As a replicator does of its lanes, of that to TO alone if no others are named."""

    def write(process="one", lanes=(TO,), **changes):
        status = LaneStatus(now_ms(), lane_work(**changes), LIMITS, is_heard=True)
        values.write(f"{lane_status.PREFIX}{process}", lane_status.to_text(dict.fromkeys(lanes, status)))

    return write


@pytest.fixture
def run(data, capsys, monkeypatch):
    """The exit code of a command, and what it printed in a wide terminal."""
    monkeypatch.setenv("COLUMNS", "160")

    def command(*arguments):
        code = main(["lanes", *arguments, "--data", str(data)])
        printed = capsys.readouterr()
        return code, " ".join((printed.out + printed.err).split())

    return command


def view(**changes) -> LaneView:
    return LaneView(**({"home": HOME, "destination": TO, "settings": LaneSettings(), "activity": BUSY,
                        "waiting": {PHOTO_READY: 1_234}} | changes))  # fmt: skip


def test_programs_get_each_lane_of_each_home(run, loaded, report):
    """What replicators say of it, what waits in the event log, and what would be lost with its home."""
    with closing(config.open_events(loaded, HOME)) as events:
        events.publish([Event(PHOTO_READY, "p_1", "1", now_ms(), {}), Event(PHOTO_DELETED, "p_2", "2", now_ms(), {})])
    report("one", copying=2, oldest_ms={PHOTO_READY: now_ms() - 4_000, PHOTO_DELETED: now_ms()})
    report("two", copying=1, errors=5)
    code, printed = run("show", "--json")
    found = json.loads(printed)
    # Nobody reports on the other lanes.
    assert code == 1
    assert len(found["lanes"]) == 6
    lane = next(one for one in found["lanes"] if (one["from"], one["to"]) == (HOME, TO))
    assert (lane["waiting"][PHOTO_READY], lane["waiting"][PHOTO_DELETED]) == (1, 1)
    assert (lane["activity"]["replicators"], lane["activity"]["copying"], lane["activity"]["errors"]) == (2, 3, 5)
    assert lane["settings"]["width"] == LaneSettings().width
    assert 4 <= lane["lag_s"] < 60
    assert found["could_be_lost_s"] == {HOME: None, TO: None, OTHER: None}


def test_people_get_a_table(run, report):
    """One region's lanes only, if it is named."""
    report("one", copying=2, bytes_per_s=3e6)
    code, printed = run("show", "--region", HOME)
    assert code == 1
    assert f"{HOME} → {TO} 0.0 s 0 0+0 2/12+2 3.0 0 runs" in printed
    assert f"{HOME} → {OTHER} 0.0 s 0 ? ? ? ? no replicator reports" in printed
    assert f"Nobody knows what would be lost with {HOME} now" in printed
    report("one", lanes=(TO, OTHER))
    code, printed = run("show", "--region", HOME)
    assert code == 0
    assert f"If {HOME} were lost now, at most the last 0.0 s" in printed


def test_what_a_row_says():
    """Short enough for a terminal."""
    assert lanes.cells(view(), AT_MS) == ["2.5 s", "1,234", "3+0", "4/16+2", "12.3", "1,000", "runs"]


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"settings": LaneSettings(paused=True, bytes_per_s=5_000_000)}, "paused; at most 5.0 MB/s"),
        ({"settings": None}, "its settings can't be read: set them anew"),
        ({"activity": replace(BUSY, refusing=2, silent_s=35.4)}, "no answer for 35 s"),
        ({"activity": replace(BUSY, refusing=1, silent_s=3.0, alone=1)},
         "no answer to 1 of 2 for 3 s; 1 of 2 without the actor"),
        ({"activity": replace(BUSY, put_off=3, put_off_ms=AT_MS - 61_500, put_off_because="x")},
         "3 events put off for 62 s"),
        # What is not answered at all is put off for that reason.
        ({"activity": replace(BUSY, put_off=3, put_off_ms=AT_MS - 61_500, refusing=2, silent_s=35.4)},
         "no answer for 35 s"),
        ({"activity": None}, "no replicator reports"),
    ],
)  # fmt: skip
def test_a_row_says_what_keeps_the_lane(changes, state):
    assert lanes.cells(view(**changes), AT_MS)[-1] == state


def test_below_the_table_stands_why_events_are_put_off(run, report):
    """Another region says so: it neither styles the text nor controls the terminal."""
    report(
        lanes=(TO, OTHER),
        put_off=3,
        put_off_ms=1_800_000_000_000,
        put_off_because="eu-central answered 503: [red]its store is away",
    )
    code, printed = run("show", "--region", HOME)
    assert (code, "3 events put off for" in printed) == (0, True)
    assert f"From {HOME} to {TO}, events are put off since 2027-01-15T08:00:00" in printed
    assert "eu-central answered 503: [red]its store is away" in printed


def test_what_could_be_lost_is_as_old_as_the_oldest_event_of_all_lanes():
    """Of a deletion, and of a photo that was copied before, nothing can be lost. A follow crosses as a record."""
    nothing_new = dict.fromkeys((PHOTO_DELETED, PHOTO_READY_AGAIN, FOLLOW_CHANGED), AT_MS - 90_000)
    old = nothing_new | {PHOTO_READY: AT_MS - 7_000}
    other = view(destination=OTHER, activity=replace(BUSY, oldest_ms=old))
    assert LanesView(AT_MS, [view(), other], {}).could_be_lost_s() == {HOME: 7.0}
    assert other.lag_s(AT_MS) == 90.0
    aside = view(activity=replace(BUSY, oldest_aside_ms={PHOTO_DELETED: AT_MS - 600_000, PHOTO_READY: AT_MS - 60_000}))
    assert LanesView(AT_MS, [aside], {}).could_be_lost_s() == {HOME: 60.0}
    assert aside.lag_s(AT_MS) == 2.5
    records = view(waiting={}, activity=replace(BUSY, oldest_ms={RECORD_CHANGED: AT_MS - 3_000}))
    assert LanesView(AT_MS, [records], {}).could_be_lost_s() == {HOME: 3.0}


def test_deletions_that_were_set_aside_are_counted_apart():
    """They wait for ten minutes as a rule, although nothing has gone wrong."""
    assert lanes.cells(view(activity=replace(BUSY, deletions_aside=12)), AT_MS)[2] == "3+12"


def test_without_a_replicator_nobody_knows_what_could_be_lost():
    """Also where nothing waits in the event log: what was set aside, and what the outbox has, would show there late."""
    for waiting in ({PHOTO_READY: 1}, {PHOTO_READY: 0}):
        silent = view(activity=None, waiting=waiting)
        seen = LanesView(AT_MS, [silent, view(destination=OTHER)], {})
        assert seen.could_be_lost_s() == {HOME: None}
        assert lanes.remarks(seen) == [
            f"Nobody knows what would be lost with {HOME} now: no replicator reports on the lanes to {TO}."
        ]
    unread = view(activity=replace(BUSY, oldest_ms={}))
    assert "reports some of what waits in its lanes" in lanes.remarks(LanesView(AT_MS, [unread], {}))[0]


def test_a_system_that_is_stopped_does_not_look_well(run):
    """A script sees it by the exit code."""
    code, printed = run("show")
    assert (code, "would be lost." in printed) == (1, False)
    assert printed.count("Nobody knows") == 3
    assert run("show", "--json")[0] == 1


def test_of_what_no_replicator_has_read_nobody_knows_how_long_it_has_waited():
    """The one whose partition it is may have stopped a moment ago, while another reports."""
    unread = view(activity=replace(BUSY, oldest_ms={}))
    assert (unread.lag_s(AT_MS), unread.loss_s(AT_MS)) == (None, None)
    assert lanes.cells(unread, AT_MS)[0] == "?"
    # Nothing is lost with a deletion. Those set aside may be another lane's.
    bringing_nothing = view(waiting={PHOTO_READY: 1, PHOTO_DELETED: 1, LANES_IN_A_MINUTE: 1})
    assert (bringing_nothing.lag_s(AT_MS), bringing_nothing.loss_s(AT_MS)) == (None, 2.5)
    aside = view(waiting={LANES_IN_A_MINUTE: 1}, activity=replace(BUSY, oldest_ms={}))
    assert (aside.lag_s(AT_MS), aside.loss_s(AT_MS)) == (0.0, 0.0)


def test_what_a_lane_has_missed_is_shown(run, values):
    """The event log was trimmed before the lane had read it: nobody knows which events they were."""
    gap = with_gaps(GapRecord(lane_group(TO), PHOTO_READY, {}, 1), [Gap(0, 10, 1_010)], 1)
    values.write(gap_records.key_of(gap.group, gap.topic), gap_records.to_text(gap))
    assert f"The lane from {HOME} to {TO} has missed up to 1,000 events of {PHOTO_READY}" in run("show")[1]
    lanes_shown = json.loads(run("show", "--region", HOME, "--json")[1])["lanes"]
    assert [one["missed"] for one in lanes_shown] == [{PHOTO_READY: 1_000}, {}]


def test_a_home_that_does_not_answer_hides_no_other(run, monkeypatch):
    """The exit code says that something is missing."""
    opened = config.open_settings

    def open_settings(loaded, region):
        if region == TO:
            raise Unavailable("no settings there")
        return opened(loaded, region)

    monkeypatch.setattr(config, "open_settings", open_settings)
    code, printed = run("show")
    assert code == 1
    assert f"{TO} does not answer: no settings there" in printed
    assert f"{HOME} → {TO}" in printed


def test_it_is_shown_again_each_second(run, report, between_looks):
    """Until Ctrl-C; a program gets a document a line."""
    between_looks(lambda: report("one", copying=7))
    code, printed = run("show", "--live", "--json")
    assert (code, printed.count('"could_be_lost_s"'), '"copying": 7' in printed) == (130, 2, True)
    code, printed = run("show", "--live")
    assert (code, "7/12+2" in printed) == (130, True)


def acts(values) -> list[str]:
    return [setting.value for setting in values.tree(ACTS).values()]


def test_a_lane_is_paused_and_goes_on(run, values):
    """What is not named stays as it was; each act is logged with its reason."""
    assert run("set", TO, *FROM, "--width", "4", "--bytes-per-s", "5000000", "--because", "a narrow line")[0] == 0
    code, printed = run("set", TO, *FROM, "--pause", "--because", "the line is down")
    assert code == 0
    assert f"{HOME} to {TO}: paused, 4 photos at once, 8 of those processed again, 5,000,000 bytes/s" in printed
    assert parse_settings(values.read(key_of(TO)).value) == LaneSettings(True, 5_000_000, 4)
    run("set", TO, *FROM, "--resume", "--bytes-per-s", "0", "--backfill-width", "9", "--because", "it is up")
    assert parse_settings(values.read(key_of(TO)).value) == LaneSettings(False, None, 4, 9)
    assert len(acts(values)) == 3
    assert any("the line is down" in act for act in acts(values))


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ((HOME, "--pause", *FROM), f"{HOME} has no lane to {HOME}"),
        (("mars", "--pause", *FROM), "has no region mars"),
        ((TO, "--pause"), f"Lanes lead to {TO} from {HOME} and {OTHER}. → Name one with --region."),
        ((TO, *FROM), "Nothing is to be changed"),
        ((TO, "--pause", "--resume", *FROM), "Give --pause or --resume"),
        ((TO, "--width", "100001", *FROM), "width must lie between 1 and 100000"),
        ((TO, "--backfill-width", "0", *FROM), "backfill_width must lie between"),
        ((TO, "--bytes-per-s", "1000", *FROM), "bytes_per_s must be at least"),
        ((TO, "--pause", *FROM, "--because", " "), "it says nothing"),
    ],
)
def test_what_can_not_be_is_refused_and_changes_nothing(run, values, arguments, wrong):
    """Nothing is logged as done."""
    code, printed = run("set", "--because", "a try", *arguments)
    assert (code, values.read(key_of(TO)), acts(values)) == (2, None, [])
    assert wrong in printed


def test_only_an_operator_sets_a_lane(run, data, values):
    """The key is that of somebody whom the statement lists."""
    for key in (data / "operators").glob("*.pem"):
        key.unlink()
    assert run("set", TO, *FROM, "--pause", "--because", "a try")[0] == 1
    assert values.read(key_of(TO)) is None


def test_settings_that_can_not_be_read_are_set_anew(run, values):
    """It says which they are now."""
    values.write(key_of(TO), "nonsense")
    code, printed = run("set", TO, *FROM, "--pause", "--because", "repaired")
    assert code == 0
    assert "paused, 768 photos at once" in printed
    assert parse_settings(values.read(key_of(TO)).value) == LaneSettings(paused=True)
