"""The cache on disk: `{2 hash characters}/{photo}/{name}.{sha256}`, and `tmp/` for files that are being written.

A file's name contains the hash of its bytes, and the bytes are checked against it at each read. So a kill, a full disk
or a flipped bit costs a cache miss and never gives a wrong response; therefore nothing is synced (fsync). File
operations run on gevent's thread pool, so that the event loop does not block.

Every file operation lets other greenlets run. Two rules keep the index and the disk consistent:

* Only one greenlet at a time changes a key's file (`_locked`). So when `drop` returns, the file is gone, even if
  another greenlet was writing or evicting it when `drop` was called.
* A greenlet has the lock of one key at most. A write that must evict other keys releases its own key's lock first:
  two writes that each wait for the other's key would deadlock.

So a photo's file belongs to a key that is in the index or locked, and `purge` finds it without listing the disk. The
exception is a file that the disk did not remove; that is logged, and the next process finds the file again.
"""

import hashlib
import logging
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import gevent
from gevent.event import Event

from edge.eviction import Eviction
from edge.grants import Key
from edge.key_index import KeyIndex
from regions import variant_names
from regions.stores.objects import variant_key, variant_prefix

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")

_FILE = re.compile(r"(.+)\.([0-9a-f]{64})")


class Disk:
    """At most `budget_bytes` of images. Starts with the files that earlier processes left in the folder."""

    def __init__(self, folder: Path, budget_bytes: int) -> None:
        self._folder, self._tmp = folder, folder / "tmp"
        self._eviction: Eviction[Key] = Eviction(budget_bytes)
        self._index: KeyIndex[str] = KeyIndex()
        # For each locked key, the event that its release sets.
        self._released: KeyIndex[Event] = KeyIndex()
        shutil.rmtree(self._tmp, ignore_errors=True)
        self._tmp.mkdir(parents=True)
        for key, sha256, size_bytes in _walk(folder):
            self._evict(self._admit(key, sha256, size_bytes))

    def stored_sha256(self, key: Key) -> str | None:
        return self._index.get(key)

    def read(self, key: Key, sha256: str) -> bytes | None:
        """None if there is no such file, or its bytes no longer match their hash (then it is removed)."""
        if self.stored_sha256(key) != sha256:
            return None
        body = in_thread(partial(_read, self._path(key, sha256)))
        # Another greenlet may have dropped or replaced the file during the read.
        if self.stored_sha256(key) != sha256:
            return None
        if body is None or hashlib.sha256(body).hexdigest() != sha256:
            log.warning("a cached file is damaged", extra={"photo_id": key.photo_id, "variant": key.name})
            self.drop(key)
            return None
        self._eviction.touch(key)
        return body

    def write(self, key: Key, sha256: str, body: bytes) -> None:
        """Best effort: a disk error is logged, and costs cache misses later."""
        if self.stored_sha256(key) == sha256 or len(body) > self._eviction.budget_bytes:
            return
        with self._locked(key):
            try:
                in_thread(partial(_write, self._tmp / secrets.token_hex(8), self._path(key, sha256), body))
            except OSError as error:
                log.error("an image can't be cached on disk", extra={"error": str(error)})
                return
            dropped = self._admit(key, sha256, len(body))
        # After releasing the lock, or two writes that evict each other's keys would deadlock.
        self._evict(dropped)

    def drop(self, key: Key) -> None:
        """Idempotent. When this returns, the file is gone, even if it was being written when this was called.

        If the disk does not remove it, that is logged; the index has lost it, so that it is not served.
        """
        with self._locked(key):
            self._remove(key)

    def purge(self, photo_id: str) -> None:
        """As `drop`, for all keys of the photo."""
        # A key whose first file is being written is not in the index yet, but it is locked.
        while keys := {*self._index.keys_of(photo_id), *self._released.keys_of(photo_id)}:
            for key in keys:
                self.drop(key)

    def inventory(self, photo_id: str) -> Iterator[tuple[str, int]]:
        """What is really on the disk, even if the index does not have it: (name, size in bytes).

        The name is the variant's, or the file's own if it is not a cached variant.
        """
        for file, size_bytes in in_thread(partial(_listing, self._folder / variant_prefix(photo_id))):
            found = _FILE.fullmatch(file)
            yield found[1] if found else file, size_bytes

    def all_keys(self) -> list[Key]:
        return list(self._index)

    @contextmanager
    def _locked(self, key: Key) -> Iterator[None]:
        """Waits until no other greenlet changes the key's file; others then wait for this one."""
        while key in self._released:
            self._released[key].wait()
        released = self._released[key] = Event()
        try:
            yield
        finally:
            del self._released[key]
            released.set()

    def _remove(self, key: Key) -> None:
        sha256 = self._index.pop(key, None)
        if sha256 is None:
            return
        self._eviction.remove(key)
        try:
            in_thread(partial(_unlink, self._path(key, sha256)))
        except OSError as error:
            log.error("a cached file can't be removed", extra={"photo_id": key.photo_id, "error": str(error)})

    def _admit(self, key: Key, sha256: str, size_bytes: int) -> list[Key]:
        """Returns the keys to evict. They stay in the index until their files are gone, so that `drop` finds them."""
        if self.stored_sha256(key) not in (None, sha256):
            self._remove(key)
        self._index[key] = sha256
        return self._eviction.admit(key, size_bytes)

    def _evict(self, keys: list[Key]) -> None:
        for key in keys:
            with self._locked(key):
                # While we waited for the lock, another write may have admitted the key again.
                if key not in self._eviction:
                    self._remove(key)

    def _path(self, key: Key, sha256: str) -> Path:
        return self._folder / _relative_path(key, sha256)


def in_thread(work: Callable[[], _Result]) -> _Result:
    """What `work` returns, on a thread of gevent's pool: file operations would block all greenlets."""
    result: _Result = gevent.get_hub().threadpool.apply(work)
    return result


def _walk(folder: Path) -> Iterator[tuple[Key, str, int]]:
    """The cached files, oldest first: (key, SHA-256 from the name, size in bytes).

    Removes files of photos that have another name, as an older version may have left them: no purge would find them.
    """
    files = []
    for path in filter(Path.is_file, folder.glob("??/p_*/*")):
        if parsed := _parse(path.relative_to(folder)):
            stat = path.stat()
            files.append((stat.st_mtime, *parsed, stat.st_size))
        else:
            with suppress(OSError):
                _unlink(path)
    for _, key, sha256, size_bytes in sorted(files):
        yield key, sha256, size_bytes


def _parse(path: Path) -> tuple[Key, str] | None:
    """The key and the SHA-256 in a path that `_path` returns, relative to the cache's folder; None for any other."""
    found = _FILE.fullmatch(path.name)
    if found is None or variant_names.parse(found[1]) is None:
        return None
    key = Key(path.parent.name, found[1])
    return (key, found[2]) if path == _relative_path(key, found[2]) else None


def _relative_path(key: Key, sha256: str) -> Path:
    return Path(f"{variant_key(key.photo_id, key.name)}.{sha256}")


def _listing(folder: Path) -> list[tuple[str, int]]:
    """The names and sizes of the files. The folder or a file may be removed meanwhile, which is as if it was before."""
    found = []
    with suppress(OSError):
        for entry in os.scandir(folder):
            with suppress(OSError):
                found.append((entry.name, entry.stat().st_size))
    return sorted(found)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _write(temporary: Path, path: Path, body: bytes) -> None:
    try:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(body)
        # Between the next two calls, a purge of the photo's other variants may remove the empty folder (`_unlink`).
        for _ in range(3):
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                return os.replace(temporary, path)
        raise FileNotFoundError(f"the folder of {path} was removed three times during the write")
    finally:
        temporary.unlink(missing_ok=True)


def _unlink(path: Path) -> None:
    """Removes the file, and its folder if it is empty then."""
    path.unlink(missing_ok=True)
    with suppress(OSError):
        path.parent.rmdir()
