"""`darkroom processing` on real stores."""

import json

import pytest

from darkroom.cli import main
from regions import config
from regions.clock import now_ms
from regions.processing_status import PREFIX, ProcessingStatus, to_text
from tests.builders.topologies import prepared_region

REGION = "eu-west"


@pytest.fixture
def topology(tmp_path):
    return prepared_region(tmp_path)


@pytest.fixture
def report(topology):
    """As a processor does."""
    stores = config.open_stores(config.load(topology, {}), REGION)
    status = ProcessingStatus(now_ms(), 2, 7, 30, 1, 900, 2, 33, 1200, 4, 1, 9.5, 0.21)
    stores.settings.values.write(f"{PREFIX}processor-1", to_text(status))
    stores.close()


def run(topology, *options: str) -> int:
    return main(["processing", REGION, "--topology", str(topology), *options])


def test_people_get_a_table(topology, report, capsys):
    """What waits, for how long, and how many workers are there and wanted."""
    assert run(topology) == 0
    shown = capsys.readouterr().out
    for words in ("about 4 s", "30 fresh, 1 deferred, 900 backfill", "2 (the load needs 7)", "210 ms", "4 failed"):
        assert words in shown


def test_programs_get_json(topology, report, capsys):
    """For an autoscaler."""
    assert run(topology, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["wanted_workers"], found["workers"], found["ready_in_s"]) == (7, 2, 4)
    assert set(found["lags"]) == {"photos_uploaded", "photos_deferred", "photos_backfill"}


def test_without_a_processor_it_says_what_to_start(topology, capsys):
    """Exit code 1."""
    assert run(topology) == 1
    assert f"darkroom run processor {REGION}" in " ".join(capsys.readouterr().err.split())


def test_an_unknown_region_is_refused_with_those_that_exist(topology, capsys):
    """Exit code 2."""
    assert main(["processing", "mars", "--topology", str(topology)]) == 2
    assert REGION in capsys.readouterr().err
