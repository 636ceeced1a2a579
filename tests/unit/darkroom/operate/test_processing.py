"""`darkroom processing` on real stores."""

import json
from dataclasses import replace

import pytest

from darkroom.cli import main
from darkroom.operate.processing import Seen, lines
from regions import config
from regions.clock import now_ms
from regions.processing_status import key_of
from regions.status_documents import to_text
from tests.builders.statuses import status
from tests.builders.topologies import prepared_region

REGION = "eu-west"


@pytest.fixture
def topology(tmp_path):
    return prepared_region(tmp_path)


STATUS = status(
    workers=2,
    wanted_workers=7,
    in_flight=2,
    lag=33,
    arrived_per_s=9.51,
    finished_per_s=9.0,
    failed_per_s=0.5,
    work_s=0.21,
    worker_deaths=1,
    waiting={"fresh": 30, "backfill": 1000},
    oldest_waiting_s={"fresh": 3.4, "backfill": 45.0},
    step_ms={"fetch": 3.0, "decode": 40.26},
)


@pytest.fixture
def values(topology):
    stores = config.open_stores(config.load(topology, {}), REGION)
    yield stores.settings.values
    stores.close()


@pytest.fixture
def report(values):
    """As a processor does."""
    reports(values)


def reports(values) -> None:
    values.write(key_of("processor-1"), to_text(replace(STATUS, at_ms=now_ms())))


def run(topology, *options: str) -> int:
    return main(["processing", REGION, "--topology", str(topology), *options])


def test_people_get_a_table(topology, report, capsys):
    """With exit code 0."""
    assert run(topology) == 0
    shown = capsys.readouterr().out
    for words in ("2 (the load needs 7; 1 died)", "not done: photos_backfill"):
        assert words in shown


def test_the_table_shows_each_urgency_and_each_step():
    """Short enough to read."""
    assert lines(Seen({"one": STATUS}, {"photos_uploaded": 1234})) == [
        ("processors", "one"),
        ("workers", "2 (the load needs 7; 1 died)"),
        ("ready in", "about 4 seconds"),
        ("waiting", "30 fresh (the oldest for 3 s), 1,000 backfill (the oldest for 45 s)"),
        ("with workers", "2"),
        ("a second", "9.5 arrived, 9.0 finished, 0.5 failed"),
        ("a photo takes", "210 ms: fetch 3, decode 40"),
        ("not done: photos_uploaded", "1,234"),
    ]


def test_programs_get_json(topology, report, capsys):
    """For an autoscaler: the numbers of all together, and of each."""
    assert run(topology, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["wanted_workers"], found["workers"], found["ready_in_s"]) == (7, 2, 4)
    assert found["processors"]["processor-1"]["step_ms"] == STATUS.step_ms
    assert set(found["lags"]) == {"photos_uploaded", "photos_deferred", "photos_backfill"}


def test_without_a_processor_it_says_what_to_start(topology, capsys):
    """Exit code 1."""
    assert run(topology) == 1
    assert f"darkroom run processor {REGION}" in " ".join(capsys.readouterr().err.split())


def test_an_unknown_region_is_refused_with_those_that_exist(topology, capsys):
    """Exit code 2."""
    assert main(["processing", "mars", "--topology", str(topology)]) == 2
    assert REGION in capsys.readouterr().err


@pytest.fixture
def restart(values, between_looks):
    """The processor goes and comes again between the looks of a watch, which Ctrl-C ends after the third."""
    between_looks(lambda: values.delete(key_of("processor-1")), lambda: reports(values))


def test_a_watch_goes_on_while_the_only_processor_restarts(topology, report, restart, capsys, monkeypatch):
    """It says meanwhile that there is none."""
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    assert run(topology, "--watch") == 130
    shown = capsys.readouterr().out
    first, meanwhile, then = (shown.find("ready in"), shown.find("No processor of"), shown.rfind("ready in"))
    assert 0 <= first < meanwhile < then


def test_programs_get_a_document_a_line_from_a_watch(topology, report, restart, capsys):
    """Also while there is no processor."""
    assert run(topology, "--watch", "--json") == 130
    first, meanwhile, then = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["wanted_workers"] == then["wanted_workers"] == 7
    assert meanwhile["processors"] == {}
    assert "No processor of eu-west" in meanwhile["error"]


def test_a_watch_may_begin_before_the_processor(topology, values, between_looks, capsys):
    """It waits for one."""
    between_looks()
    assert run(topology, "--watch") == 130
    assert "No processor of" in capsys.readouterr().out
