"""The cache on disk: `{2 hash characters}/{photo}/{size}.{sha256}.jpg`, and `tmp/` for files that are being written.

A file's name contains the hash of its bytes, and the bytes are checked against it at each read. So a kill, a full disk
or a flipped bit costs a cache miss and never gives a wrong response; therefore nothing is synced (fsync). File
operations run on gevent's thread pool, so that the event loop does not block.

Every file operation lets other greenlets run. Two rules keep the index and the disk consistent:

* Only one greenlet at a time changes a key's file (`_locked`). So when `drop` returns, the file is gone, even if
  another greenlet was writing or evicting it when `drop` was called.
* A greenlet has the lock of one key at most. A write that must evict other keys releases its own key's lock first:
  two writes that each wait for the other's key would deadlock.
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
from regions.stores.objects import variant_prefix

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")

_FILE = re.compile(r"([0-9]{1,4})\.([0-9a-f]{64})\.jpg")


class Disk:
    """At most `budget_bytes` of images. Starts with the files that earlier processes left in the folder."""

    def __init__(self, folder: Path, budget_bytes: int) -> None:
        self._folder, self._tmp = folder, folder / "tmp"
        self._eviction: Eviction[Key] = Eviction(budget_bytes)
        self._index: dict[Key, str] = {}
        # For each locked key, the event that its release sets.
        self._released: dict[Key, Event] = {}
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
            log.warning("a cached file is damaged", extra={"photo_id": key.photo_id, "size": key.size})
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

    def inventory(self, photo_id: str) -> Iterator[tuple[Key, int]]:
        """What is really on the disk, even if the index does not have it: (key, size in bytes)."""
        for path in in_thread(partial(_listing, self._folder / variant_prefix(photo_id))):
            found = _FILE.fullmatch(path.name)
            with suppress(OSError):
                yield Key(photo_id, int(found[1]) if found else 0), path.stat().st_size

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
        return self._folder / variant_prefix(key.photo_id) / f"{key.size}.{sha256}.jpg"


def in_thread(work: Callable[[], _Result]) -> _Result:
    """What `work` returns, on a thread of gevent's pool: file operations would block all greenlets."""
    result: _Result = gevent.get_hub().threadpool.apply(work)
    return result


def _walk(folder: Path) -> Iterator[tuple[Key, str, int]]:
    """The cached files, oldest first: (key, SHA-256 from the name, size in bytes)."""
    files = []
    for path in folder.glob("??/p_*/*.jpg"):
        found = _FILE.fullmatch(path.name)
        if found and path.is_file():
            stat = path.stat()
            files.append((stat.st_mtime, Key(path.parent.name, int(found[1])), found[2], stat.st_size))
    for _, key, sha256, size_bytes in sorted(files):
        yield key, sha256, size_bytes


def _listing(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _write(temporary: Path, path: Path, body: bytes) -> None:
    try:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(body)
        # Between the next two calls, a purge of the photo's other sizes may remove the empty folder (`_unlink`).
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
