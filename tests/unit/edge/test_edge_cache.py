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
KEY = Key(PHOTO, "320.jpg")
BODY = b"an image" * 100
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def open_cache(tmp_path):
    """Opens the cache in the test's folder, as a new process does."""
    return lambda memory_bytes=10_000, disk_bytes=10_000: Cache(tmp_path, memory_bytes, disk_bytes)


@pytest.fixture
def file(tmp_path):
    return tmp_path / variant_prefix(PHOTO) / f"320.jpg.{SHA256}"


def put(cache: Cache, size_bytes: int, key: Key) -> str:
    body = os.urandom(size_bytes)
    sha256 = hashlib.sha256(body).hexdigest()
    cache.put(key, sha256, body)
    return sha256


def test_an_image_is_cached_under_its_hash_and_survives_a_restart(open_cache, file):
    """In memory and on disk; the file name contains the hash."""
    cache = open_cache()
    cache.put(KEY, SHA256, BODY)
    assert cache.get(KEY, SHA256) == BODY == file.read_bytes()
    reopened = open_cache()
    assert (reopened.stored_sha256(KEY), reopened.get(KEY, SHA256)) == (SHA256, BODY)


def test_a_request_for_another_hash_is_a_miss(open_cache):
    """The cached bytes are not returned."""
    cache = open_cache()
    cache.put(KEY, SHA256, BODY)
    assert cache.get(KEY, "0" * 64) is None


@pytest.mark.parametrize("data", [b"", BODY[:-1], BODY + b"x", b"X" + BODY[1:]])
def test_a_file_whose_bytes_do_not_match_its_name_is_removed(open_cache, file, data):
    """And its bytes are not returned."""
    open_cache().put(KEY, SHA256, BODY)
    file.write_bytes(data)
    cache = open_cache()
    assert cache.get(KEY, SHA256) is None
    assert not file.exists()
    assert cache.stored_sha256(KEY) is None


def test_a_missing_file_is_a_miss(open_cache, file):
    """Somebody has emptied the folder."""
    cache = open_cache(memory_bytes=0)
    cache.put(KEY, SHA256, BODY)
    file.unlink()
    assert cache.get(KEY, SHA256) is None


@pytest.mark.parametrize("restarted", [False, True])
def test_a_purge_removes_every_variant_of_the_photo_and_no_other(open_cache, tmp_path, restarted):
    """Of all sizes, recipes and formats, from both tiers, and it leaves no empty folder."""
    cache, other = open_cache(), Key("p_00000000002", "320.jpg")
    for name in ("150.jpg", "320.jpg", "320.v2.jpg", "320.avif", "77.v9999.webp"):
        put(cache, 100, Key(PHOTO, name))
    sha256 = put(cache, 100, other)
    cache = open_cache() if restarted else cache
    cache.purge(PHOTO)
    assert (cache.inventory(PHOTO), cache.all_keys()) == ([], [other])
    assert [path for path in tmp_path.rglob("*") if PHOTO in path.as_posix()] == []
    assert cache.get(other, sha256)


class Paused:
    """A disk operation that started in another thread and waits there until `proceed` is called."""

    def __init__(self, monkeypatch, name: str) -> None:
        operation, self._started, self._may_proceed = getattr(edge.disk, name), threading.Event(), threading.Event()

        def paused(*arguments):
            self._started.set()
            assert self._may_proceed.wait(20)
            return operation(*arguments)

        monkeypatch.setattr(edge.disk, name, paused)
        self.proceed = self._may_proceed.set

    def wait_until_started(self) -> None:
        with gevent.Timeout(20):
            while not self._started.is_set():
                gevent.sleep(0.001)


@pytest.mark.parametrize("remove", [lambda cache: cache.purge(PHOTO), lambda cache: cache.drop(KEY)])
def test_a_first_write_that_has_begun_leaves_nothing_behind_a_purge(open_cache, tmp_path, monkeypatch, remove):
    """Although the index does not have its file yet. The same is true for a drop."""
    cache, write = open_cache(), Paused(monkeypatch, "_write")
    writing = gevent.spawn(cache.put, KEY, SHA256, BODY)
    write.wait_until_started()
    removing = gevent.spawn(remove, cache)
    gevent.sleep(0)
    assert not removing.ready()
    write.proceed()
    gevent.joinall([writing, removing], timeout=20, raise_error=True)
    assert cache.inventory(PHOTO) == cache.all_keys() == list(tmp_path.rglob("*.jpg.*")) == []


@pytest.mark.parametrize("remove", [lambda cache: cache.purge(PHOTO), lambda cache: cache.drop(KEY)])
def test_a_read_from_the_disk_puts_nothing_into_memory_behind_a_purge(open_cache, monkeypatch, remove):
    """The reader has the bytes, but they are not cached again."""
    open_cache().put(KEY, SHA256, BODY)
    cache, read = open_cache(), Paused(monkeypatch, "_read")
    reading = gevent.spawn(cache.get, KEY, SHA256)
    read.wait_until_started()
    remove(cache)
    read.proceed()
    gevent.joinall([reading], timeout=20, raise_error=True)
    assert cache.inventory(PHOTO) == []


@pytest.mark.parametrize("remove", [lambda cache: cache.purge(PHOTO), lambda cache: cache.drop(KEY)])
def test_a_read_while_a_purge_waits_for_a_write_leaves_nothing_in_memory(open_cache, monkeypatch, remove):
    """The old file can still be read until the new one replaces it."""
    open_cache().put(KEY, SHA256, BODY)
    cache, write = open_cache(), Paused(monkeypatch, "_write")
    writing = gevent.spawn(cache.put, KEY, hashlib.sha256(b"new").hexdigest(), b"new")
    write.wait_until_started()
    removing = gevent.spawn(remove, cache)
    gevent.sleep(0)
    assert cache.get(KEY, SHA256) == BODY
    write.proceed()
    gevent.joinall([writing, removing], timeout=20, raise_error=True)
    assert cache.inventory(PHOTO) == []


@pytest.mark.parametrize(
    "path",
    [
        f"{variant_prefix(PHOTO)}320.{'0' * 64}.jpg",
        f"{variant_prefix(PHOTO)}0320.jpg.{'0' * 64}",
        f"{variant_prefix(PHOTO)}320.v1.jpg.{'0' * 64}",
        f"{variant_prefix(PHOTO)}320.jpg.{'0' * 63}",
        f"{variant_prefix(PHOTO)}320.jpg",
        f"zz/{PHOTO}/320.jpg.{'0' * 64}",
    ],
)
def test_a_photos_file_with_another_name_is_removed_at_the_next_start(open_cache, tmp_path, path):
    """No request could read it, and no purge would remove it. Good files beside it stay."""
    put(open_cache(), 100, KEY)
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_bytes(b"x")
    assert open_cache().all_keys() == [KEY]
    assert not (tmp_path / path).exists()


def test_the_inventory_is_read_from_the_disk_itself(open_cache, file):
    """Also a file that is not in the index."""
    cache = open_cache()
    cache.put(KEY, SHA256, BODY)
    (file.parent / "stray").write_bytes(b"x")
    assert cache.inventory(PHOTO) == [
        {"name": "320.jpg", "where": "memory", "size_bytes": 800},
        {"name": "320.jpg", "where": "disk", "size_bytes": 800},
        {"name": "stray", "where": "disk", "size_bytes": 1},
    ]


def test_each_tier_stays_within_its_budget(open_cache, tmp_path):
    """The disk too, after a restart with a smaller budget."""
    cache = open_cache(memory_bytes=250, disk_bytes=1000)
    for number in range(20):
        put(cache, 100, Key(f"p_{number:011}", "320.jpg"))
    inventories = [cache.inventory(f"p_{number:011}") for number in range(20)]
    assert sum(item["where"] == "memory" for items in inventories for item in items) == 2
    assert len(list(tmp_path.rglob("*.jpg.*"))) == 10
    open_cache(disk_bytes=300)
    assert len(list(tmp_path.rglob("*.jpg.*"))) == 3


def test_a_drop_waits_for_the_eviction_of_the_same_file(tmp_path, monkeypatch):
    """When `drop` returns, the file is gone, even if an eviction was removing it at that moment."""
    disk, unlink = Disk(tmp_path, 250), Paused(monkeypatch, "_unlink")
    disk.write(KEY, SHA256, BODY[:200])
    evicting = gevent.spawn(disk.write, Key(PHOTO, "640.jpg"), "0" * 64, bytes(200))
    unlink.wait_until_started()
    dropping = gevent.spawn(disk.drop, KEY)
    gevent.sleep(0)
    assert not dropping.ready()
    unlink.proceed()
    gevent.joinall([evicting, dropping], timeout=20, raise_error=True)
    assert [path.name for path in tmp_path.rglob("*.jpg.*")] == [f"640.jpg.{'0' * 64}"]


def test_concurrent_writes_to_a_full_disk_lose_track_of_no_file(tmp_path):
    """No write waits forever, the index matches the disk, and the disk is within its budget."""
    disk = Disk(tmp_path, 500)
    keys = [Key(f"p_{number % 7:011}", "320.jpg") for number in range(60)]
    writing = [gevent.spawn(disk.write, key, f"{at:064x}", bytes(200)) for at, key in enumerate(keys)]
    gevent.joinall(writing, timeout=20, raise_error=True)
    assert all(each.ready() for each in writing)
    stored = {(path.parent.name, path.name) for path in tmp_path.rglob("*.jpg.*")}
    assert stored == {(key.photo_id, f"320.jpg.{disk.stored_sha256(key)}") for key in disk.all_keys()}
    assert 0 < len(stored) <= 2


def test_new_bytes_replace_the_old_file(open_cache, tmp_path):
    """One copy for each key."""
    cache = open_cache()
    first, second = put(cache, 100, KEY), put(cache, 100, KEY)
    assert (cache.get(KEY, first), cache.stored_sha256(KEY)) == (None, second)
    assert [path.name for path in tmp_path.rglob("*.jpg.*")] == [f"320.jpg.{second}"]


def test_a_half_written_file_is_removed_at_the_next_start(open_cache, tmp_path):
    """A kill leaves it under a temporary name, which is never read."""
    open_cache()
    (tmp_path / "tmp" / "half").write_bytes(BODY[:10])
    open_cache()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_an_unwritable_disk_does_not_make_requests_fail(open_cache, tmp_path):
    """The image is still served from memory."""
    cache = open_cache()
    (tmp_path / variant_prefix(PHOTO).split("/")[0]).write_bytes(b"in the way")
    cache.put(KEY, SHA256, BODY)
    assert cache.get(KEY, SHA256) == BODY
    assert cache.inventory(PHOTO) == [{"name": "320.jpg", "where": "memory", "size_bytes": 800}]
