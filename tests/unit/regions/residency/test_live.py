"""A region's process keeps to what was signed, whatever its settings, its disk and other regions say."""

import errno
import json
import logging
import shutil
import sqlite3
import threading
from contextlib import ExitStack, closing

import pytest

from regions.errors import NotFound, Unavailable
from regions.residency.chain import Links
from regions.residency.exchange import Report
from regions.residency.live import FollowedRules, LiveRules
from regions.residency.settings_statement import SettingsStatement, from_history
from regions.residency.statement_folder import StatementFolder
from regions.stores.settings import STATEMENT, history_key
from regions.stores.sqlite import adapter as sqlite
from tests.builders.statement_chains import appointed_in_turn, fetch_from
from tests.builders.statements import BootClock, Compliance, bring_into_force, hear_all
from tests.builders.stores import created

TEAM = Compliance()
FIRST, SECOND, THIRD = TEAM.states(), TEAM.states(), TEAM.states()
RIVAL = TEAM.states(previous=FIRST, because="another second one")


@pytest.fixture
def open_settings(tmp_path):
    """Opens handles on one file, as processes would."""
    file = str(tmp_path / "settings.db")
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(created(sqlite.settings(file, lambda: 1_800_000_000_000))))


@pytest.fixture
def settings(open_settings):
    return open_settings()


@pytest.fixture
def clock():
    return BootClock()


@pytest.fixture
def folder(tmp_path):
    return StatementFolder(tmp_path / "statements")


@pytest.fixture
def start(open_settings, folder, clock):
    """Starts a process of eu-west: its rules and its watch of the settings. All share the node's disk."""

    def begin(on: StatementFolder = folder) -> tuple[LiveRules, SettingsStatement]:
        rules = LiveRules("eu-west", on, TEAM.signers, clock)
        watch = SettingsStatement(open_settings(), rules)
        watch.start()
        return rules, watch

    return begin


def write(settings, text: str) -> None:
    settings.values.write(STATEMENT, text)


def in_settings(settings) -> str | None:
    found = settings.values.read(STATEMENT)
    return found.value if found else None


def alarms(caplog) -> list[str]:
    return [one.getMessage() for one in caplog.records if "ALARM" in one.getMessage() and one.levelno == logging.ERROR]


def test_a_statement_in_the_settings_is_reported_confirmed_and_kept(settings, start, clock, folder):
    """It comes into force when a majority has it; the first without a wait. Its text stays in the history."""
    rules, watch = start()
    assert (rules.highest, rules.current().statements) == (None, [])
    write(settings, FIRST.signed)
    watch.watch_once()
    report = rules.report()
    assert (report.serial, report.hash, report.in_force, report.age_s) == (1, FIRST.hash, "", 0.0)
    hear_all(rules, FIRST)
    assert rules.current().in_force == FIRST
    assert rules.current().leased
    assert folder.statements() == [FIRST]
    assert from_history(settings.values, FIRST.hash) == FIRST.signed
    assert rules.signed(FIRST.hash) == FIRST.signed


def test_a_region_confirms_nothing_that_its_settings_do_not_hold(settings, start):
    """What was heard elsewhere counts at once, and is written to the settings by the next round."""
    rules, watch = start()
    rules.take(FIRST.signed, Links(fetch_from({})))
    assert (rules.highest, rules.report().hash, rules.report().pending) == (FIRST, "", (FIRST.hash,))
    watch.watch_once()
    assert (in_settings(settings), rules.report().hash) == (FIRST.signed, FIRST.hash)


stripped = json.dumps({"statement": SECOND.text, "signatures": {}})
BAD = {
    "garbage": "garbage",
    "empty": "",
    "deep": "[" * 100_000,
    "older": FIRST.signed,
    "unsigned": stripped,
    "signed by others": Compliance().signed(THIRD.text),
    "a far serial of others": Compliance().signed(THIRD.text.replace('"serial": 3', '"serial": 9')),
    "a far serial after none": json.dumps(
        {"statement": THIRD.text.replace('"serial": 3', '"serial": 9').replace(SECOND.hash, ""), "signatures": {}}
    ),
    "removed": None,
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_what_somebody_else_wrote_into_the_settings_is_alarmed_ignored_and_put_back(
    settings, start, clock, caplog, text
):
    """And the lease goes on."""
    rules, watch = start()
    write(settings, FIRST.signed)
    bring_into_force(rules, watch, FIRST, clock)
    write(settings, SECOND.signed)
    bring_into_force(rules, watch, SECOND, clock)
    caplog.clear()
    settings.values.delete(STATEMENT) if text is None else write(settings, text)
    watch.watch_once()
    assert alarms(caplog)
    assert in_settings(settings) == SECOND.signed
    assert (rules.current().in_force, rules.current().pending, rules.current().leased) == (SECOND, (), True)
    assert rules.report().hash == SECOND.hash
    caplog.clear()
    watch.watch_once()
    assert not alarms(caplog)


def test_a_rival_in_the_settings_is_alarmed_and_put_back(settings, start, caplog):
    """A region confirms one statement of a serial, also after a restart. The other one tightens all the same."""
    rules, watch = start()
    for text in (FIRST.signed, SECOND.signed, RIVAL.signed):
        write(settings, text)
        watch.watch_once()
    assert alarms(caplog)
    assert (in_settings(settings), rules.report().hash) == (SECOND.signed, SECOND.hash)
    assert RIVAL in rules.current().pending
    again, watch = start()
    write(settings, RIVAL.signed)
    watch.watch_once()
    assert (in_settings(settings), again.report().hash) == (SECOND.signed, SECOND.hash)


def test_a_restart_forgets_nothing_whatever_the_settings_are(settings, start, clock):
    """What was in force is, without a lease; what was pending is pending, also an older one that came later."""
    rules, watch = start()
    write(settings, FIRST.signed)
    bring_into_force(rules, watch, FIRST, clock)
    rules.take(THIRD.signed, Links(fetch_from({SECOND.hash: SECOND.signed})))
    settings.values.delete(STATEMENT)
    again = LiveRules("eu-west", rules._folder, TEAM.signers, clock)
    assert (again.current().in_force, list(again.current().pending)) == (FIRST, [SECOND, THIRD])
    assert not again.current().leased


def test_two_processes_of_a_node_learn_from_the_disk_they_share(settings, start):
    """The second reports nothing older than what the first has confirmed."""
    first, watch_of_first = start()
    second, watch_of_second = start()
    write(settings, SECOND.signed)
    watch_of_first.watch_once()
    write(settings, FIRST.signed)
    watch_of_second.watch_once()
    assert second.highest == SECOND
    assert second.report().hash == SECOND.hash
    assert in_settings(settings) == SECOND.signed
    assert first.highest == SECOND


def test_a_disk_that_takes_nothing_does_not_keep_a_statement_from_acting(settings, start, clock, caplog, monkeypatch):
    """That a restart could forget it is alarmed."""
    rules, watch = start()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr("os.fsync", full)
    write(settings, FIRST.signed)
    watch.watch_once()
    hear_all(rules, FIRST)
    assert rules.current().in_force == FIRST
    assert any("disk" in one for one in alarms(caplog))


def test_settings_that_are_away_renew_nothing_and_the_age_grows(settings, start, clock, monkeypatch):
    """What other regions hear of this one is as old as what it saw last."""
    rules, watch = start()
    write(settings, FIRST.signed)
    bring_into_force(rules, watch, FIRST, clock)

    def away(*_: object) -> int:
        raise Unavailable("down")

    monkeypatch.setattr(watch._values, "watch", away)
    clock.at_s += 30
    with pytest.raises(Unavailable):
        watch.watch_once()
    assert (rules.report().hash, rules.report().age_s) == (FIRST.hash, 30.0)
    assert rules.current().leased
    clock.at_s += 30
    assert not rules.current().leased


def test_a_process_starts_while_the_settings_are_away_and_finds_them_later(settings, open_settings, folder, eventually):
    """Its loop survives whatever error a round has."""
    rules = LiveRules("eu-west", folder, TEAM.signers)
    opened, errors = open_settings(), [Unavailable("down"), ValueError("a bug"), Unavailable("down")]
    watch, stop = SettingsStatement(opened, rules), threading.Event()
    real = opened.values.watch
    opened.values.watch = lambda *arguments: (_ for _ in ()).throw(errors.pop(0)) if errors else real(*arguments)
    write(settings, FIRST.signed)
    watch.start()
    assert rules.highest is None
    watching = threading.Thread(target=watch.run_forever, args=[stop])
    watching.start()
    try:
        assert eventually(lambda: rules.highest)
    finally:
        stop.set()
        watching.join()


def test_what_was_changed_behind_the_port_is_noticed_within_seconds(settings, start, clock, tmp_path):
    """A row that is gone leaves no trace for a watch. The statement is put back."""
    rules, watch = start()
    write(settings, FIRST.signed)
    bring_into_force(rules, watch, FIRST, clock)
    real, settings.values.read = settings.values.read, lambda key: None
    clock.at_s += 5
    watch.watch_once()
    assert rules.report().hash == FIRST.hash
    settings.values.read = real
    with closing(sqlite3.connect(tmp_path / "settings.db")) as connection:
        connection.execute("DELETE FROM settings WHERE key = ?", (STATEMENT,))
        connection.commit()
    clock.at_s += 11
    watch.watch_once()
    assert settings.values.read(STATEMENT).value == FIRST.signed


def test_a_process_starts_whatever_is_in_its_settings(settings, start, clock, caplog, monkeypatch):
    """And goes on when they are right again."""
    monkeypatch.setattr(type(settings.values), "watch", lambda *_: 1 / 0)
    rules, _ = start()
    assert rules.highest is None and "can't be read" in caplog.text


def test_a_folder_that_was_removed_is_written_again(settings, start, clock, folder):
    """By the next round."""
    rules, watch = start()
    write(settings, FIRST.signed)
    bring_into_force(rules, watch, FIRST, clock)
    shutil.rmtree(folder._folder)
    watch.watch_once()
    assert [one.hash for one in folder.statements()] == [FIRST.hash]


TEAM.latest = None
CHAIN = appointed_in_turn(TEAM, 4)


def test_a_statement_by_appointed_signers_stays_valid_in_the_settings(settings, start, clock, caplog):
    """Read again in each round, by a process that has forgotten those before, and even without their history."""
    rules, watch = start()
    for statement in CHAIN[:3]:
        write(settings, statement.signed)
        bring_into_force(rules, watch, statement, clock)
    for statement in CHAIN[:3]:
        settings.values.delete(history_key(statement.hash))
    caplog.clear()
    settings.values.write("residency/other", "a change")
    watch.watch_once()
    again, watch = start()
    watch.watch_once()
    assert not alarms(caplog)
    assert again.report().hash == CHAIN[2].hash


def test_an_edge_has_for_each_home_that_regions_lease(tmp_path, clock):
    """From the question on, for what the region has left; not beyond the statement's own."""
    rules = FollowedRules(StatementFolder(tmp_path / "edge"), TEAM.signers, clock)
    fetch = fetch_from({FIRST.hash: FIRST.signed, SECOND.hash: SECOND.signed})
    asked_s = clock.at_s
    clock.at_s += 5
    rules.hear(Report("eu-west", 1, FIRST.hash, FIRST.hash, 0.0, 20.0), asked_s, fetch)
    rules.hear(Report("us-central", 1, FIRST.hash, FIRST.hash, 0.0, 1e9), asked_s, fetch)
    assert rules.of("eu-west").leased and rules.of("us-central").leased and not rules.of("eu-central").leased
    clock.at_s = asked_s + 20
    assert not rules.of("eu-west").leased and rules.of("us-central").leased
    clock.at_s = asked_s + 60
    assert not rules.of("us-central").leased


def test_an_edge_counts_no_report_before_it_knows_all_that_it_names(tmp_path, clock):
    """Also what the region's process knows beyond its settings. What came from one region tightens for all homes."""
    rules = FollowedRules(StatementFolder(tmp_path / "edge"), TEAM.signers, clock)
    links = {FIRST.hash: FIRST.signed}
    rules.hear(Report("us-central", 1, FIRST.hash, FIRST.hash, 0.0, 60.0), clock.at_s, fetch_from(links))
    report = Report("eu-west", 1, FIRST.hash, FIRST.hash, 0.0, 60.0, (SECOND.hash,))
    with pytest.raises(NotFound):
        rules.hear(report, clock.at_s, fetch_from(links))
    assert not rules.of("eu-west").leased
    rules.hear(report, clock.at_s, fetch_from({**links, SECOND.hash: SECOND.signed}))
    assert rules.of("eu-west").leased
    assert rules.of("us-central").pending == (SECOND,)
    again = FollowedRules(StatementFolder(tmp_path / "edge"), TEAM.signers, clock)
    assert (again.of("eu-west").in_force, again.of("eu-west").pending) == (FIRST, (SECOND,))
    assert not again.of("eu-west").leased


def test_a_lost_region_keeps_no_removed_key_valid_at_an_edge(tmp_path, clock):
    """Who somebody is is judged by the newest statement that is in force anywhere."""
    rules = FollowedRules(StatementFolder(tmp_path / "edge"), TEAM.signers, clock)
    fetch = fetch_from({one.hash: one.signed for one in (FIRST, SECOND, THIRD)})
    rules.hear(Report("us-central", 1, FIRST.hash, FIRST.hash, 0.0, 60.0), clock.at_s, fetch)
    rules.hear(Report("eu-west", 2, SECOND.hash, SECOND.hash, 0.0, 60.0, (THIRD.hash,)), clock.at_s, fetch)
    assert rules.of("us-central").in_force == FIRST
    assert (rules.everywhere().in_force, rules.everywhere().pending) == (SECOND, (THIRD,))


def test_a_region_that_sends_another_one_in_between_is_asked_for_it_once(start, settings, clock):
    """As when it is one that is known already, so that nothing changes by it."""
    rules, watch = start()
    write(settings, FIRST.signed)
    bring_into_force(rules, watch, FIRST, clock)
    asked: list[str] = []

    def fetch(hash: str) -> str:
        asked.append(hash)
        return FIRST.signed if rules.signed(THIRD.hash) else SECOND.signed

    rules.take(THIRD.signed, Links(fetch))
    assert rules.current().pending == (THIRD,)
    assert len(asked) == 3
