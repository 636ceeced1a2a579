"""`darkroom reprocess` on a running system: killed and given again, and while people go on uploading."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from darkroom.local.addresses import TOPOLOGY
from darkroom.operate import backfill
from darkroom.operate.reprocess import KEY
from regions import config

HOME = "eu-west"


@pytest.fixture
def ana(system):
    return system.person("Ana", "PT", "lisbon")


@pytest.fixture
def darkroom(system):
    """Starts a command: `darkroom("processing", HOME)`."""

    def start(*arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "darkroom", "--data", str(system.data), *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


@pytest.fixture
def older(ana, of_recipe_1):
    """The ids of so many photos of recipe 1: `older(count, draw_one)`."""

    def make(count, draw_one) -> list[str]:
        with ThreadPoolExecutor(4) as threads:
            made = list(threads.map(lambda number: ana.upload_ready(draw_one(number))["id"], range(count)))
        for photo_id in made:
            of_recipe_1(photo_id)
        return made

    return make


@pytest.fixture
def region(system):
    """The home region's stores."""
    with closing(config.open_stores(config.load(system.data / TOPOLOGY, os.environ), HOME)) as stores:
        yield stores


def published(region) -> int:
    """How many photos the run that is not finished has published; 0 if there is none."""
    setting = region.settings.values.read(KEY)
    walk = backfill.from_text(setting.value) if setting else None
    return 0 if walk is None or walk.is_finished else walk.published


def recipes(region, photo_ids) -> list[int]:
    return [region.catalog.photos.get(photo_id).recipe for photo_id in photo_ids]


def test_a_run_that_is_killed_is_finished_by_the_same_command(system, ana, region, darkroom, older, draw, eventually):
    """kill -9 in the middle. Then each photo has four new variants, once, and the old URLs give the old bytes."""
    photo_ids = older(12, lambda number: draw(200 + number, 1400, 1000))
    urls = [f"{system.edges['lisbon']}/p/{photo_id}/640.jpg" for photo_id in photo_ids]
    before = [ana.client.image(url)[0] for url in urls]
    killed = darkroom("reprocess", HOME)
    eventually(lambda: published(region))
    killed.kill()
    killed.communicate()
    assert 1 in recipes(region, photo_ids)
    again = darkroom("reprocess", HOME)
    out, err = again.communicate(timeout=120)
    assert (again.returncode, "published already" in out) == (0, True), err
    assert recipes(region, photo_ids) == [2] * 12
    for photo_id in photo_ids:
        names = [variant.name for variant in region.catalog.photos.get(photo_id).variants]
        assert sorted(names) == sorted(
            f"{size}{recipe}.jpg" for size in (150, 320, 640, 1080) for recipe in ("", ".v2")
        )
    assert [ana.client.image(url)[0] for url in urls] == before


def test_fresh_photos_become_ready_before_the_old_ones(ana, region, darkroom, older, draw, eventually):
    """The backlog waits, which `darkroom processing` shows, and then goes on."""
    photo_ids = older(16, lambda number: draw(300 + number, 3000, 2000))
    running = darkroom("reprocess", HOME)
    eventually(lambda: 2 in recipes(region, photo_ids))
    ana.upload_ready(draw(390))
    assert 1 in recipes(region, photo_ids)
    shown, _ = darkroom("processing", HOME, "--json").communicate(timeout=60)
    assert json.loads(shown)["workers"] >= 1
    assert running.wait(120) == 0
    assert recipes(region, photo_ids) == [2] * 16
