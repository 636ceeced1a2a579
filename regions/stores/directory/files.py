"""What the directory store asks of a disk: files that appear whole, folders that are synced, locks that die
with their holder.

Knows nothing of objects. What a process has on its way lies in a folder that it keeps locked (flock) while it
lives; the kernel gives the lock back when it dies, and whoever opens the store next removes what is unlocked.
"""

import errno
import fcntl
import os
import secrets
import shutil
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from regions.errors import Conflict, Unavailable

NOT_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_COPY_BYTES = 64 << 20
_READ_BYTES = 1 << 20


class Scratch:
    """Files on their way to their place, in a folder of this handle's own under `root`."""

    def __init__(self, root: Path) -> None:
        with locked(root):
            for folder in root.iterdir():
                _remove_if_left(folder)
            self._folder = root / secrets.token_hex(16)
            self._folder.mkdir()
            descriptor = _open_folder(self._folder)
            # Before anyone else may look here, since until then it seems to be left.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        weakref.finalize(self, os.close, descriptor)

    @contextmanager
    def file(self) -> Iterator[FileIO]:
        """A new file; what bears its name in the end is removed, so rename what shall stay."""
        path = self._path()
        with reaching():
            file = FileIO(path, "x")
        try:
            with file:
                yield file
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def discard(self, folder: Path) -> None:
        """Takes a folder away in one step; a kill after it leaves only rubbish here."""
        rubbish = self._path()
        os.rename(folder, rubbish)
        sync_folder(folder.parent)
        shutil.rmtree(rubbish, ignore_errors=True)

    def _path(self) -> Path:
        return self._folder / secrets.token_hex(16)


@contextmanager
def reaching() -> Iterator[None]:
    """What the disk refuses becomes Unavailable, without its path."""
    try:
        yield
    except (IsADirectoryError, NotADirectoryError) as error:
        raise Conflict("a key can't lie beneath another") from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "no reason given"
        raise Unavailable(f"the object directory does not answer: {reason}") from error


@contextmanager
def locked(folder: Path, wait: bool = True) -> Iterator[bool]:
    """Waits for every other holder, of any process. False, and no lock, where there is no such folder.

    Without `wait`, False also where somebody holds it.
    """
    try:
        descriptor = _open_folder(folder)
    except NOT_THERE:
        yield False
        return
    try:
        yield _flock(descriptor, wait)
    finally:
        os.close(descriptor)


def settle(file: FileIO) -> int:
    """Syncs a file, and stamps it with a time of change in nanoseconds that no other file has; returns the stamp."""
    # The kernel's own is as coarse as its tick, so that two files may share it.
    now_ns = time.time_ns()
    os.utime(file.fileno(), ns=(now_ns, now_ns))
    os.fsync(file.fileno())
    return os.fstat(file.fileno()).st_mtime_ns


def write_all(file: FileIO, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[os.write(file.fileno(), left) :]


def append(path: Path, target: FileIO) -> None:
    with FileIO(path) as source:
        # The kernel copies, or on some disks only refers. What it will not do, the loop does, or says why not.
        with suppress(OSError, AttributeError):
            while os.copy_file_range(source.fileno(), target.fileno(), _COPY_BYTES):
                pass
        while chunk := source.read(_READ_BYTES):
            write_all(target, chunk)


def make_folder(folder: Path, top: Path) -> None:
    """With all above it up to `top`, which must be there: where it is missing, a disk is not mounted."""
    if folder.is_dir():
        return
    if folder == top:
        raise FileNotFoundError(errno.ENOENT, "the folder of a bucket is missing")
    make_folder(folder.parent, top)
    try:
        folder.mkdir()
    except FileExistsError:
        # Another process was first, or a file is in the way.
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "a file is in the way") from None
    sync_folder(folder.parent)


def remove(path: Path) -> None:
    with suppress(*NOT_THERE):
        path.unlink()
        sync_folder(path.parent)


def remove_empty(folder: Path, top: Path) -> None:
    """This folder and those above it that are empty, as far as `top`, which stays."""
    with suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent


def sync_folder(folder: Path) -> None:
    descriptor = _open_folder(folder)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def changed_before(path: Path, at_ms: int) -> bool:
    """False also where it is gone already."""
    try:
        return path.stat().st_mtime_ns < at_ms * 1_000_000
    except NOT_THERE:
        return False


def is_still_at(path: Path, file: FileIO) -> bool:
    """Whether the open file has not been replaced or removed there."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except NOT_THERE:
        return False


def _open_folder(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)


def _flock(descriptor: int, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _remove_if_left(folder: Path) -> None:
    with locked(folder, wait=False) as left:
        if left:
            shutil.rmtree(folder, ignore_errors=True)
