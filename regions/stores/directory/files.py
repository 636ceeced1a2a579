"""What the directory store needs from a disk: files that appear whole, synced folders, locks that die with their
process.

This module knows nothing about objects. Files that a process is still writing are in a scratch folder, which the
process keeps locked with flock for as long as it lives. When the process dies, even by kill -9, the kernel releases
the lock. The next process to open the store finds the folder unlocked and removes it.
"""

import errno
import fcntl
import os
import secrets
import shutil
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from regions.errors import Conflict, Unavailable

MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_COPY_BYTES = 64 << 20
_READ_BYTES = 1 << 20


class Scratch:
    """Unfinished files, in a folder under `root` that belongs to this handle alone. Made for the first of them, so that
    a handle that only reads writes nothing."""

    def __init__(self, root: Path) -> None:
        self._root, self._making = root, threading.Lock()
        self._made: Path | None = None

    @contextmanager
    def file(self) -> Iterator[FileIO]:
        """A new file. Rename it to keep it: whatever still has its name at the end is removed."""
        path = self._path()
        with errors_as_unavailable():
            file = FileIO(path, "x")
        try:
            with file:
                yield file
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def discard(self, folder: Path) -> None:
        """Removes a folder in one step, by renaming it into the scratch folder. A kill after that leaves only
        scratch."""
        discarded = self._path()
        os.rename(folder, discarded)
        sync_folder(folder.parent)
        shutil.rmtree(discarded, ignore_errors=True)

    def _path(self) -> Path:
        with self._making:
            if self._made is None:
                self._made = self._make_folder()
        return self._made / secrets.token_hex(16)

    def _make_folder(self) -> Path:
        folder = self._root / secrets.token_hex(16)
        # One lock on `root` covers both steps. A new folder is unlocked for an instant after mkdir, and in that
        # instant it looks exactly like the folder of a dead process. Nobody can see it then: cleaning needs the
        # lock on `root`, and we hold it until our own folder is locked too.
        with errors_as_unavailable(), locked(self._root):
            for one in self._root.iterdir():
                _remove_if_unlocked(one)
            folder.mkdir()
            descriptor = _open_folder(folder)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Closing the descriptor releases the lock, so it stays open until this handle is collected.
        weakref.finalize(self, _end, folder, descriptor)
        return folder


@contextmanager
def errors_as_unavailable() -> Iterator[None]:
    """Turns the disk's errors into Unavailable, without the path."""
    try:
        yield
    except (IsADirectoryError, NotADirectoryError) as error:
        raise Conflict("a key can't be beneath another") from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "no reason given"
        raise Unavailable(f"the object directory does not answer: {reason}") from error


@contextmanager
def locked(folder: Path, wait: bool = True) -> Iterator[bool]:
    """Holds the folder's lock, alone among all processes and threads. Yields False, without a lock, if there is no
    such folder.

    Without `wait`, it also yields False if someone else holds the lock.
    """
    try:
        # A descriptor of our own: flock belongs to the open file, so two threads exclude each other as well.
        descriptor = _open_folder(folder)
    except MISSING:
        yield False
        return
    try:
        yield _flock(descriptor, wait)
    finally:
        os.close(descriptor)


def sync_with_unique_mtime(file: FileIO) -> int:
    """Syncs a file with a modification time that no earlier version has; returns that time in nanoseconds."""
    # The kernel sets modification times from its timer tick, milliseconds apart, so two files written shortly after
    # one another could have the same. The system clock has a finer resolution.
    now_ns = time.time_ns()
    os.utime(file.fileno(), ns=(now_ns, now_ns))
    os.fsync(file.fileno())
    # The file system may round the time, so what counts is what it stored.
    return os.fstat(file.fileno()).st_mtime_ns


def write_all(file: FileIO, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(file.fileno(), rest) :]


def append(path: Path, target: FileIO) -> None:
    with FileIO(path) as source:
        # The kernel copies, and on some file systems only shares the blocks. If it can't, the loop copies the rest,
        # or raises the real error.
        with suppress(OSError, AttributeError):
            while os.copy_file_range(source.fileno(), target.fileno(), _COPY_BYTES):
                pass
        while chunk := source.read(_READ_BYTES):
            write_all(target, chunk)


def make_folder(folder: Path, top: Path) -> None:
    """Makes the folder and its parents below `top`. `top` itself must exist: if it does not, a disk is not mounted."""
    if folder.is_dir():
        return
    if folder == top:
        raise FileNotFoundError(errno.ENOENT, "the folder of a bucket is missing")
    make_folder(folder.parent, top)
    try:
        folder.mkdir()
    except FileExistsError:
        # Either another process was first, or a file has that name.
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "a file is in the way") from None
    sync_folder(folder.parent)


def remove(path: Path) -> None:
    with suppress(*MISSING):
        path.unlink()
        sync_folder(path.parent)


def remove_empty(folder: Path, top: Path) -> None:
    """Removes this folder and the empty ones above it, up to `top`, which stays."""
    with suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent


def sync_folder(folder: Path) -> None:
    """Makes renames, new names and removals in the folder survive a power failure."""
    descriptor = _open_folder(folder)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def changed_before(path: Path, at_ms: int) -> bool:
    """False also if it no longer exists."""
    try:
        return path.stat().st_mtime_ns < at_ms * 1_000_000
    except MISSING:
        return False


def is_still_at(path: Path, file: FileIO) -> bool:
    """Whether the open file is still the one at `path`: neither replaced nor removed."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except MISSING:
        return False


def _open_folder(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)


def _flock(descriptor: int, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _end(folder: Path, descriptor: int) -> None:
    with suppress(OSError):
        folder.rmdir()
    os.close(descriptor)


def _remove_if_unlocked(folder: Path) -> None:
    with locked(folder, wait=False) as is_locked:
        if is_locked:
            shutil.rmtree(folder, ignore_errors=True)
