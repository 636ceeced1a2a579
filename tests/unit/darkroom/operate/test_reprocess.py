"""`darkroom reprocess` on real stores: each photo of the range is published, wherever a run is broken off."""

import hashlib
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest

from darkroom.cli import main
from darkroom.command_error import CommandError
from darkroom.operate import reprocess
from darkroom.operate.backfill import Selection, Walk
from darkroom.operate.operators import KEY_FILE
from darkroom.operate.reprocess import KEY, Reprocessing
from regions import config, ids
from regions.errors import Unavailable
from regions.events.topics import PHOTOS_BACKFILL, PROCESSOR
from regions.residency.statement import Role
from regions.stores.objects import RAW, raw_key
from tests.builders.operators import state_operators
from tests.builders.statements import Compliance
from tests.builders.topologies import prepared_region

REGION, NUMBER = "eu-west", 3
ALL = Selection(2)


class Killed(BaseException):
    """As if the process ended here."""


class Log:
    """An event log that counts what is published, kills at one call, and says that so many events wait."""

    def __init__(self, events, lags=(), kill_at=None) -> None:
        self.events, self.lags, self.kill_at = events, list(lags), kill_at
        self.published = []

    def publish(self, events) -> None:
        if self.kill_at is not None and len(self.published) >= self.kill_at:
            raise Killed
        self.published += [event.key for event in events]
        self.events.publish(events)

    def lag(self, topic, group):
        assert (topic, group) == (PHOTOS_BACKFILL, PROCESSOR)
        return {0: self.lags.pop(0) if self.lags else 0, 1: 0}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    file = prepared_region(tmp_path)
    keys = state_operators(config.load(file, {}), tmp_path, Compliance(), olga={Role.OPERATOR})
    monkeypatch.setenv(KEY_FILE, str(keys["olga"]))
    return tmp_path


@pytest.fixture
def stores(folder):
    opened = config.open_stores(config.load(folder / "topology.toml", {}), REGION)
    yield opened
    opened.close()


@pytest.fixture
def photo_ids(stores):
    """Raws of twenty photos of this region, a copy of another region's, and one key that is no photo's."""
    made = [photo_id(number) for number in range(20)]
    for name in (*made, photo_id(99, region=4), "no-photo"):
        stores.objects.put(RAW, raw_key(name), [b"x"], hashlib.sha256(b"x").hexdigest(), "image/jpeg")
    return made


def photo_id(number: int, region: int = NUMBER) -> str:
    return ids.to_public(ids.PHOTO, ids.compose(ids.Snowflake(ids.EPOCH_MS + 1000 * number, region, 0, 0)))


def run(stores, log, selection=ALL, restart=False, reports=None) -> int:
    reprocessing = Reprocessing(replace(stores, events=log), NUMBER, selection, lambda s: None)
    reprocessing.start(restart)
    return reprocessing.run(lambda walk, waiting: None if reports is None else reports.append((walk, waiting)))


def test_every_photo_of_the_region_is_published_once(stores, photo_ids):
    """Not a copy of another region's photo."""
    log = Log(stores.events)
    assert run(stores, log) == 20
    assert sorted(log.published) == sorted(photo_ids)


def test_a_range_of_days_is_published(stores, photo_ids):
    """By the times in the ids."""
    log = Log(stores.events)
    run(stores, log, Selection(2, ids.EPOCH_MS + 5_000, ids.EPOCH_MS + 9_000))
    assert sorted(log.published) == sorted(photo_ids[5:9])


@pytest.mark.parametrize("published", range(0, 20, 3))
def test_a_run_that_is_killed_goes_on_where_it_was(stores, photo_ids, monkeypatch, published):
    """At most the page that was under way is published twice."""
    monkeypatch.setattr(reprocess, "PAGE", 2)
    first = Log(stores.events, kill_at=published)
    with suppress(Killed):
        run(stores, first)
    second = Log(stores.events)
    assert run(stores, second) == 20
    times = Counter(first.published + second.published)
    assert sorted(times) == sorted(photo_ids)
    assert sum(times.values()) <= 20 + reprocess.PAGE


def test_a_run_begins_anew_on_request_and_when_the_last_one_is_finished(stores, photo_ids):
    """Otherwise it goes on."""
    with suppress(Killed):
        run(stores, Log(stores.events, kill_at=10))
    for restart in (True, False):
        log = Log(stores.events)
        assert run(stores, log, restart=restart) == len(log.published) == 20


def test_an_unfinished_run_over_other_photos_is_not_forgotten(stores, photo_ids):
    """The error says what to do."""
    with suppress(Killed):
        run(stores, Log(stores.events, kill_at=10))
    with pytest.raises(CommandError, match="not finished: all photos to recipe 2") as refused:
        run(stores, Log(stores.events), Selection(3))
    assert "--restart" in refused.value.advice


def test_of_two_runs_at_once_one_ends(stores, photo_ids):
    """The one that notices that the other has gone on."""
    first = Reprocessing(stores, NUMBER, ALL)
    first.start(False)
    Reprocessing(stores, NUMBER, ALL).start(True)
    with pytest.raises(CommandError, match="Another"):
        first.run(lambda walk, waiting: None)


def test_no_more_is_published_while_many_photos_wait(stores, photo_ids):
    """And the run ends when none waits any more."""
    reports, log = [], Log(stores.events, lags=[5_000, 2_001, 2_000])
    run(stores, log, reports=reports)
    assert [waiting for _, waiting in reports[:3]] == [5_000, 2_001, 2_000]
    assert [walk.published for walk, _ in reports[:3]] == [0, 0, 0]
    assert reports[-1][0].is_finished


def test_single_photos_need_no_walk(stores, photo_ids):
    """And leave an unfinished one alone."""
    log = Log(stores.events)
    reprocessing = Reprocessing(replace(stores, events=log), NUMBER, ALL)
    assert reprocessing.run_some(photo_ids[:2], lambda walk, waiting: None) == 2
    assert log.published == photo_ids[:2]
    assert stores.settings.values.read(KEY) is None


@pytest.mark.parametrize(
    ("wrong", "error", "advice"),
    [
        (photo_id(1, region=4), "a photo of another region", "home region"),
        (photo_id(20), f"There is no photo {photo_id(20)} in this region", "leave it out"),
        ("p_zzz", "p_zzz is not the id of a photo", "eleven letters and digits"),
        ("p_zzzzzzzzzzz", "not the id of a photo", "Copy the whole id"),
        ("u_00000000000", "not the id of a photo", "Copy the whole id"),
    ],
)
def test_nothing_is_published_if_one_photo_is_not_there(stores, photo_ids, wrong, error, advice):
    """The error says what is wrong with which id."""
    log = Log(stores.events)
    reprocessing = Reprocessing(replace(stores, events=log), NUMBER, ALL)
    with pytest.raises(CommandError, match=error) as refused:
        reprocessing.run_some([photo_ids[0], wrong], lambda walk, waiting: None)
    assert advice in refused.value.advice
    assert refused.value.exit_code == 2
    assert log.published == []


def test_a_photo_that_is_named_twice_is_published_once(stores, photo_ids):
    """And counts once."""
    log = Log(stores.events)
    reprocessing = Reprocessing(replace(stores, events=log), NUMBER, ALL)
    assert reprocessing.run_some(photo_ids[:1] * 2, lambda walk, waiting: None) == 1
    assert log.published == photo_ids[:1]


def test_what_another_version_saved_is_replaced(stores, photo_ids):
    """Its range is not known, so the run begins."""
    stores.settings.values.write(KEY, '{"version": 9}')
    assert run(stores, Log(stores.events)) == 20


def test_a_store_that_is_away_ends_the_run_and_not_its_progress(stores, photo_ids):
    """The same command goes on later."""
    stores.settings.values.write(KEY, Walk(ALL, after="80/", published=7).to_text())
    log = Log(stores.events)

    def away(events):
        raise Unavailable("no log")

    log.publish, publish = away, log.publish
    with pytest.raises(Unavailable):
        run(stores, log)
    log.publish = publish
    assert run(stores, log) == 7 + len(log.published)
    assert all(raw_key(each) > "80/" for each in log.published)


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["mars"], 2, "It has eu-west"),
        ([REGION, "--photo", "p_1", "--since", "2026-05-01"], 2, "Leave out"),
        ([REGION, "--photo", "p_1", "--since", "1970-01-01"], 2, "Leave out"),
        ([REGION, "--photo", "p_zzz"], 2, "p_zzz is not the id of a photo"),
        ([REGION, "--since", "yesterday"], 2, "--since: 'yesterday' is no date; write 2026-05-01"),
        ([REGION, "--until", "2026-13-01"], 2, "--until: '2026-13-01' is no date"),
        ([REGION, "--since", "2026-05-02", "--until", "2026-05-01"], 2, "Let --since be the earlier"),
        ([REGION, "--since", "2026-05-01", "--until", "2026-05-01T00:00"], 2, "Let --since be the earlier"),
        ([REGION], 0, ""),
    ],
)
def test_the_command_says_what_is_wrong(folder, capsys, arguments, code, error):
    """And what to do."""
    assert main(["reprocess", *arguments, "--topology", str(folder / "topology.toml")]) == code
    assert error in capsys.readouterr().err


def test_the_command_says_if_nobody_would_process_the_photos(folder, capsys):
    """It waits for them then."""
    assert main(["reprocess", REGION, "--topology", str(folder / "topology.toml")]) == 0
    assert "No processor of eu-west reports" in capsys.readouterr().out


@pytest.mark.parametrize(("count", "words"), [(0, "0 photos are"), (1, "1 photo is"), (1234, "1,234 photos are")])
def test_the_command_counts_as_people_do(folder, capsys, monkeypatch, count, words):
    """When it is done, and when it goes on."""
    monkeypatch.setattr(Reprocessing, "start", lambda self, restart: Walk(ALL, after="80/", published=count))
    monkeypatch.setattr(Reprocessing, "run", lambda self, report: count)
    assert main(["reprocess", REGION, "--topology", str(folder / "topology.toml")]) == 0
    shown = capsys.readouterr().out
    assert f"{words} done" in shown and f"{words} published already" in shown


def test_ctrl_c_says_how_to_go_on(folder, capsys, monkeypatch):
    """With the exit code of an interrupted program."""

    def interrupted(self, report):
        raise KeyboardInterrupt

    monkeypatch.setattr(Reprocessing, "run", interrupted)
    assert main(["reprocess", REGION, "--topology", str(folder / "topology.toml")]) == 130
    assert "same command goes on" in " ".join(capsys.readouterr().err.split())
