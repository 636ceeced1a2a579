"""The two tiers of the cache, on a real disk."""

import hashlib
import os
import threading

import gevent
import pytest

import edge.disk
from edge.cache import Cache
from edge.disk import Disk
from edge.grants import Key
from regions.stores.objects import variant_prefix

PHOTO = "p_00000000001"
KEY = Key(PHOTO, 320)
BODY = b"an image" * 100
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def open_cache(tmp_path):
    """Opens the cache in the one folder, as a new process would."""
    return lambda memory_bytes=10_000, disk_bytes=10_000: Cache(tmp_path, memory_bytes, disk_bytes)


@pytest.fixture
def file(tmp_path):
    return tmp_path / variant_prefix(PHOTO) / f"320.{SHA256}.jpg"


def put(cache: Cache, size_bytes: int, key: Key) -> str:
    body = os.urandom(size_bytes)
    sha256 = hashlib.sha256(body).hexdigest()
    cache.put(key, sha256, body)
    return sha256


def test_what_was_put_is_there_under_its_name_and_after_a_restart(open_cache, file):
    """In memory and on disk; the name says what the bytes must be."""
    cache = open_cache()
    cache.put(KEY, SHA256, BODY)
    assert cache.get(KEY, SHA256) == BODY == file.read_bytes()
    again = open_cache()
    assert (again.known(KEY), again.get(KEY, SHA256)) == (SHA256, BODY)


def test_other_bytes_are_not_given(open_cache):
    """Who asks for another hash gets nothing."""
    cache = open_cache()
    cache.put(KEY, SHA256, BODY)
    assert cache.get(KEY, "0" * 64) is None


@pytest.mark.parametrize("data", [b"", BODY[:-1], BODY + b"x", b"X" + BODY[1:]])
def test_a_file_that_is_not_what_its_name_says_is_removed(open_cache, file, data):
    """And not given."""
    open_cache().put(KEY, SHA256, BODY)
    file.write_bytes(data)
    cache = open_cache()
    assert cache.get(KEY, SHA256) is None
    assert not file.exists()
    assert cache.known(KEY) is None


def test_a_file_that_vanished_is_a_miss(open_cache, file):
    """Somebody emptied the folder."""
    cache = open_cache(memory_bytes=0)
    cache.put(KEY, SHA256, BODY)
    file.unlink()
    assert cache.get(KEY, SHA256) is None


def test_a_purge_leaves_nothing_of_any_size(open_cache, tmp_path):
    """Neither tier, and no empty folder."""
    cache = open_cache()
    for size in (150, 320, 640, 1080):
        put(cache, 100, Key(PHOTO, size))
    cache.purge(PHOTO)
    assert cache.inventory(PHOTO) == cache.all_keys() == []
    assert [path for path in tmp_path.rglob("*") if PHOTO in path.as_posix()] == []


def test_what_an_edge_holds_is_read_from_the_disk_itself(open_cache, file):
    """Also a file that no index knows."""
    cache = open_cache()
    cache.put(KEY, SHA256, BODY)
    (file.parent / "stray").write_bytes(b"x")
    assert cache.inventory(PHOTO) == [
        {"size": 320, "where": "memory", "size_bytes": 800},
        {"size": 320, "where": "disk", "size_bytes": 800},
        {"size": 0, "where": "disk", "size_bytes": 1},
    ]


def test_each_tier_keeps_its_budget(open_cache, tmp_path):
    """The disk too, over a restart with less."""
    cache = open_cache(memory_bytes=250, disk_bytes=1000)
    for number in range(20):
        put(cache, 100, Key(f"p_{number:011}", 320))
    held = [cache.inventory(f"p_{number:011}") for number in range(20)]
    assert sum(item["where"] == "memory" for items in held for item in items) == 2
    assert len(list(tmp_path.rglob("*.jpg"))) == 10
    open_cache(disk_bytes=300)
    assert len(list(tmp_path.rglob("*.jpg"))) == 3


def test_a_drop_waits_for_the_eviction_of_the_same_file(tmp_path, monkeypatch):
    """Gone from the disk when `drop` returns, also where the file was just being removed for want of room."""
    disk, go, remove = Disk(tmp_path, 250), threading.Event(), edge.disk._remove
    disk.write(KEY, SHA256, BODY[:200])
    begun = threading.Event()
    monkeypatch.setattr(edge.disk, "_remove", lambda path: (begun.set(), go.wait(), remove(path)))
    evicting = gevent.spawn(disk.write, Key(PHOTO, 640), "0" * 64, bytes(200))
    with gevent.Timeout(20):
        while not begun.is_set():
            gevent.sleep(0.001)
    dropping = gevent.spawn(disk.drop, KEY)
    gevent.sleep(0)
    assert not dropping.ready()
    go.set()
    gevent.joinall([evicting, dropping], timeout=20, raise_error=True)
    assert [path.name for path in tmp_path.rglob("*.jpg")] == [f"640.{'0' * 64}.jpg"]


def test_a_full_disk_that_everybody_writes_to_forgets_no_file(tmp_path):
    """Nobody waits for ever, the index says what lies there, and that is within the budget."""
    disk = Disk(tmp_path, 500)
    keys = [Key(f"p_{number % 7:011}", 320) for number in range(60)]
    writing = [gevent.spawn(disk.write, key, f"{at:064x}", bytes(200)) for at, key in enumerate(keys)]
    gevent.joinall(writing, timeout=20, raise_error=True)
    assert all(each.ready() for each in writing)
    lying = {(path.parent.name, path.name) for path in tmp_path.rglob("*.jpg")}
    assert lying == {(key.photo_id, f"320.{disk.known(key)}.jpg") for key in disk.all_keys()}
    assert 0 < len(lying) <= 2


def test_new_bytes_replace_the_old_file(open_cache, tmp_path):
    """One copy for each key."""
    cache = open_cache()
    first, second = put(cache, 100, KEY), put(cache, 100, KEY)
    assert (cache.get(KEY, first), cache.known(KEY)) == (None, second)
    assert [path.name for path in tmp_path.rglob("*.jpg")] == [f"320.{second}.jpg"]


def test_what_a_kill_left_half_written_is_gone_at_the_next_start(open_cache, tmp_path):
    """And was never under a name that is read."""
    open_cache()
    (tmp_path / "tmp" / "half").write_bytes(BODY[:10])
    open_cache()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_disk_that_takes_nothing_costs_no_answer(open_cache, tmp_path):
    """The image is still there from memory."""
    cache = open_cache()
    (tmp_path / variant_prefix(PHOTO).split("/")[0]).write_bytes(b"in the way")
    cache.put(KEY, SHA256, BODY)
    assert cache.get(KEY, SHA256) == BODY
    assert cache.inventory(PHOTO) == [{"size": 320, "where": "memory", "size_bytes": 800}]
