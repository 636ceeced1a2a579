"""Creates the folders of a directory store and its stamp, and opens a store that has one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from regions.errors import Unavailable, WrongStore
from regions.stores import stamp as stamps
from regions.stores.directory import files
from regions.stores.directory.files import MISSING
from regions.stores.object_rules import BUCKETS
from regions.stores.stamp import Stamp, require_region

MULTIPART, SCRATCH, STAMP = "multipart", "tmp", "stamp"


def read_stamp(root: Path) -> Stamp | None:
    with _errors_as_unavailable():
        try:
            text = (root / STAMP).read_text(errors="replace")
        except MISSING:
            return None
    return stamps.from_text(text)


def create(root: Path, stamp: Stamp) -> Stamp:
    with _errors_as_unavailable():
        # The contents first: another process that creates the store sets its stamp before it has any.
        contents = _contents(root)
    found = read_stamp(root)
    if found is not None:
        require_region(found, stamp.region)
    with _errors_as_unavailable():
        if found is None and contents:
            raise WrongStore("the folder has objects, but no stamp of a region")
        for name in (MULTIPART, *BUCKETS, SCRATCH):
            (root / name).mkdir(parents=True, exist_ok=True)
        if found is None:
            _write_stamp(root, stamp)
        files.sync_folder(root)
    # Another process may have been first.
    return require_region(read_stamp(root), stamp.region)


@contextmanager
def _errors_as_unavailable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the object directory can't be used: {error.strerror}") from error


def _contents(root: Path) -> list[Path]:
    """What is in the folders of the buckets and uploads. Other files, such as `lost+found`, do not count."""
    folders = [root / name for name in (MULTIPART, *BUCKETS)]
    return [path for folder in folders if folder.is_dir() for path in folder.iterdir()]


def _write_stamp(root: Path, stamp: Stamp) -> None:
    """Whole, or not at all; leaves the stamp of another process alone."""
    with files.Scratch(root / SCRATCH).file() as file:
        files.write_all(file, stamp.to_text().encode())
        os.fsync(file.fileno())
        # A link, unlike a rename, does not replace what is there.
        with suppress(FileExistsError):
            os.link(file.name, root / STAMP)
