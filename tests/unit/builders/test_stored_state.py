"""What is on a region's disk is read as it lies there, and what nobody has read yet counts as unfinished."""

import sqlite3
from contextlib import closing

import pytest

from tests.builders.stored_state import RegionDisk, cached

NOW_MS = 1_000


class FabricatedDisk:
    """Of eu-west, with an empty log."""

    def __init__(self, folder):
        self.folder, self.stored = folder, RegionDisk("eu-west", folder)
        self.run("events", "CREATE TABLE ends (topic, partition, next_offset)")
        self.run("events", "CREATE TABLE commits (topic, group_name, partition, next_offset)")
        self.run("catalog", "CREATE TABLE outbox (event)")
        self.run("catalog", "CREATE TABLE arrivals (photo_id, until_ms)")

    def run(self, database, statement):
        with closing(sqlite3.connect(self.folder / f"{database}.db")) as opened, opened:
            opened.execute(statement)

    def unfinished(self):
        return self.stored.unfinished(NOW_MS, ["eu-central"])


@pytest.fixture
def disk(tmp_path):
    return FabricatedDisk(tmp_path)


def test_an_empty_log_is_finished(disk):
    """Nothing waits."""
    assert disk.unfinished() == {}


def test_an_event_waits_until_every_group_has_committed_it(disk):
    """Also one of which no consumer was ever heard, and each partition counts."""
    disk.run("events", "INSERT INTO ends VALUES ('photo_deleted', 0, 5), ('photo_deleted', 3, 2)")
    disk.run("events", "INSERT INTO commits VALUES ('photo_deleted', 'erasure', 0, 4)")
    assert disk.unfinished() == {
        "photo_deleted of erasure at eu-west": 3,
        "photo_deleted of lane-eu-central at eu-west": 7,
    }
    for group in ("erasure", "lane-eu-central"):
        disk.run("events", f"INSERT INTO commits VALUES ('photo_deleted', '{group}', 3, 2)")
    disk.run("events", "UPDATE commits SET next_offset = 5 WHERE partition = 0")
    disk.run("events", "INSERT INTO commits VALUES ('photo_deleted', 'lane-eu-central', 0, 5)")
    assert disk.unfinished() == {}


def test_a_group_that_is_not_known_here_counts_once_it_has_committed(disk):
    """A later version has more of them."""
    disk.run("events", "INSERT INTO ends VALUES ('news', 0, 5)")
    assert disk.unfinished() == {}
    disk.run("events", "INSERT INTO commits VALUES ('news', 'readers', 0, 1)")
    assert disk.unfinished() == {"news of readers at eu-west": 4}


def test_what_is_to_be_published_and_what_may_still_arrive_is_unfinished(disk):
    """Of a photo of which nothing may arrive any more, nothing is."""
    disk.run("catalog", "INSERT INTO outbox VALUES ('{}')")
    disk.run("catalog", f"INSERT INTO arrivals VALUES ('p_1', {NOW_MS + 1}), ('p_2', {NOW_MS})")
    assert disk.unfinished() == {"outbox at eu-west": 1, "arrivals at eu-west": 1}


def test_objects_are_read_without_the_metadata_beside_them(tmp_path):
    """Raws by photo, variants by photo and name; and what an edge has cached."""
    stored = ("raw/ab/p_1", "raw/ab/.p_1.json", "variants/cd/p_1/320.jpg", "variants/cd/p_1/.320.jpg.json")
    kept = (f"ab/p_2/640.jpg.{'0' * 64}", "tombstones/eu-west.json")
    for path in (*(f"objects/{one}" for one in stored), *kept):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    disk = RegionDisk("eu-west", tmp_path)
    assert list(disk.raws()) == ["p_1"]
    assert {photo: list(files) for photo, files in disk.variants().items()} == {"p_1": ["320.jpg"]}
    assert {photo: list(files) for photo, files in cached(tmp_path).items()} == {"p_2": ["640.jpg"]}
