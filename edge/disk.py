"""The cache on disk: `{2 hash characters}/{photo}/{size}.{sha256}.jpg`, and `tmp/` for what is being written.

The file's name says what its bytes must be. They are checked each time they are read back, so that a kill, a full
disk or a flipped bit costs a miss and never a wrong answer; hence nothing is synced. Files are touched on threads
beside the loop.
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
    """Holds at most `budget_bytes`. Knows what earlier processes left in the folder."""

    def __init__(self, folder: Path, budget_bytes: int) -> None:
        self._folder, self._tmp = folder, folder / "tmp"
        self._eviction: Eviction[Key] = Eviction(budget_bytes)
        self._files: dict[Key, str] = {}
        self._changing: dict[Key, Event] = {}
        shutil.rmtree(self._tmp, ignore_errors=True)
        self._tmp.mkdir(parents=True)
        for key, sha256, size_bytes in _walk(folder):
            self._evict(self._admit(key, sha256, size_bytes))

    def known(self, key: Key) -> str | None:
        """The SHA-256 of what lies here."""
        return self._files.get(key)

    def read(self, key: Key, sha256: str) -> bytes | None:
        """None where it is not here, or is not what it was."""
        if self.known(key) != sha256:
            return None
        body = _off_the_loop(partial(_read, self._path(key, sha256)))
        if self.known(key) != sha256:
            return None
        if body is None or hashlib.sha256(body).hexdigest() != sha256:
            log.warning("a cached file was not what it was", extra={"photo_id": key.photo_id, "size": key.size})
            self.drop(key)
            return None
        self._eviction.touch(key)
        return body

    def write(self, key: Key, sha256: str, body: bytes) -> None:
        """Does what it can: a disk that is full or away is logged, and costs later misses."""
        if self.known(key) == sha256 or len(body) > self._eviction.budget_bytes:
            return
        with self._alone(key):
            try:
                _off_the_loop(partial(_write, self._tmp / secrets.token_hex(8), self._path(key, sha256), body))
            except OSError as error:
                log.error("an image can't be cached on disk", extra={"error": str(error)})
                return
            dropped = self._admit(key, sha256, len(body))
        # Alone no longer: two who wait for one another's keys would wait for ever.
        self._evict(dropped)

    def drop(self, key: Key) -> None:
        """Idempotent. Gone from the disk when this returns, also where it was being written just then."""
        with self._alone(key):
            self._forget(key)

    def inventory(self, photo_id: str) -> Iterator[tuple[Key, int]]:
        """What lies on the disk itself, whatever the index says: (key, size in bytes)."""
        for path in _off_the_loop(partial(_listing, self._folder / variant_prefix(photo_id))):
            found = _FILE.fullmatch(path.name)
            with suppress(OSError):
                yield Key(photo_id, int(found[1]) if found else 0), path.stat().st_size

    def all_keys(self) -> list[Key]:
        return list(self._files)

    @contextmanager
    def _alone(self, key: Key) -> Iterator[None]:
        """Who changes a key's file waits for whoever is at it."""
        while key in self._changing:
            self._changing[key].wait()
        done = self._changing[key] = Event()
        try:
            yield
        finally:
            del self._changing[key]
            done.set()

    def _forget(self, key: Key) -> None:
        sha256 = self._files.pop(key, None)
        if sha256 is not None:
            self._eviction.remove(key)
            self._unlink(key, sha256)

    def _admit(self, key: Key, sha256: str, size_bytes: int) -> list[Key]:
        """Which keys must go. They are known until their files are gone, so that `drop` finds them."""
        if self.known(key) not in (None, sha256):
            self._forget(key)
        self._files[key] = sha256
        return self._eviction.admit(key, size_bytes)

    def _evict(self, keys: list[Key]) -> None:
        for key in keys:
            with self._alone(key):
                if key not in self._eviction:  # it may have come back meanwhile
                    self._forget(key)

    def _unlink(self, key: Key, sha256: str) -> None:
        try:
            _off_the_loop(partial(_remove, self._path(key, sha256)))
        except OSError as error:
            log.error("a cached file can't be removed", extra={"photo_id": key.photo_id, "error": str(error)})

    def _path(self, key: Key, sha256: str) -> Path:
        return self._folder / variant_prefix(key.photo_id) / f"{key.size}.{sha256}.jpg"


def _off_the_loop(work: Callable[[], _Result]) -> _Result:
    result: _Result = gevent.get_hub().threadpool.apply(work)
    return result


def _walk(folder: Path) -> Iterator[tuple[Key, str, int]]:
    """What lies there: (key, SHA-256 by its name, size in bytes), the longest unused first."""
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
        # Whoever purges the photo's other sizes may remove the folder between these two lines.
        for _ in range(3):
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                return os.replace(temporary, path)
        raise FileNotFoundError(f"the folder of {path} keeps vanishing")
    finally:
        temporary.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    with suppress(OSError):
        path.parent.rmdir()
