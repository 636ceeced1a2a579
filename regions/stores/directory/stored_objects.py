"""The whole objects of the directory store: where they are, and how they are committed, opened, listed and deleted.

    {bucket}/{folder}/{name}            an object's bytes, unchanged; the object exists when this file does
    {bucket}/{folder}/.{name}.json      its metadata, and that of the bytes before it

Writers and deleters of an object hold the lock of the first folder of its key (the guard). That folder is never
removed: if it were, someone could hold the lock of a removed folder while another process locks its successor.
"""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from regions.errors import BadRequest, NotFound, PreconditionFailed, Unavailable
from regions.stores.directory import files as files
from regions.stores.directory import metadata
from regions.stores.directory.files import MISSING, Scratch, errors_as_unavailable
from regions.stores.object_rules import KEY, require_bucket, require_bucket_and_key
from regions.stores.objects import ObjectInfo
from regions.stores.same_file import SameFile


@dataclass(frozen=True, slots=True)
class _Location:
    """Where one object is: its bytes, the folder whose lock guards its name, and the folder of its bucket."""

    data: Path
    guard: Path
    bucket: Path


class StoredObjects:
    """`stamp` is the store's stamp file, which is there as long as its disk is mounted."""

    def __init__(self, root: Path, scratch: Scratch, stamp: SameFile) -> None:
        self._root, self._scratch, self._stamp = root, scratch, stamp

    def commit(self, file: FileIO, bucket: str, info: ObjectInfo, replaces: bool = True) -> None:
        """Syncs a file and renames it to its location. If the file is already linked there, its other name stays:
        rename does nothing when both names are the same file (POSIX).

        Raises PreconditionFailed, and changes nothing, if it may not replace an object that is there.
        """
        location = self._locate(bucket, info.key)
        mtime_ns = files.sync_with_unique_mtime(file)
        files.make_folder(location.guard, location.bucket)
        with files.locked(location.guard):
            if not replaces:
                self.require_absent(bucket, info.key)
            # Under the lock, because a delete removes empty folders.
            files.make_folder(location.data.parent, location.bucket)
            with self._scratch.file() as metadata_file:
                metadata.write(location.data, info, mtime_ns, metadata_file)
            os.rename(file.name, location.data)
            files.sync_folder(location.data.parent)

    def info(self, bucket: str, key: str) -> ObjectInfo | None:
        """None also if no metadata has the size of the bytes."""
        try:
            info, file = self.open_file(bucket, key)
        except NotFound:
            return None
        file.close()
        return info

    def require_absent(self, bucket: str, key: str) -> None:
        if self.info(bucket, key) is not None:
            raise PreconditionFailed("there is an object already")

    def open_file(self, bucket: str, key: str) -> tuple[ObjectInfo, FileIO]:
        """The metadata and the bytes of an object; the caller closes the file. Raises NotFound."""
        location = self._locate(bucket, key)
        with errors_as_unavailable():
            while True:
                try:
                    file = FileIO(location.data)
                except MISSING:
                    raise self.missing("there is no such object") from None
                info = metadata.read(location.data, key, os.fstat(file.fileno()))
                # Readers take no lock. If a writer replaced the bytes after we opened them, the metadata we read may
                # be that of the new bytes, so both are read again.
                if files.is_still_at(location.data, file):
                    break
                file.close()
        if info is None:
            file.close()
            raise NotFound("there is no such object")
        return info, file

    def delete(self, bucket: str, key: str) -> None:
        location = self._locate(bucket, key)
        with errors_as_unavailable(), files.locked(location.guard) as is_locked:
            if not is_locked:
                return self.require_mounted()
            # The metadata goes first. A kill in between leaves bytes without metadata, which are still listed, so that
            # the deletion, when it is repeated, finds them. Metadata without bytes would never be found again.
            files.remove(metadata.file_beside(location.data))
            files.remove(location.data)
            files.remove_empty(location.data.parent, location.guard)

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        require_bucket(bucket)
        self.require_mounted(bucket)
        folder = prefix.rpartition("/")[0]
        if folder and not KEY.fullmatch(folder):
            raise BadRequest("no key can start with this")
        return self._walk(self._root / bucket, folder, prefix)

    def require_mounted(self, bucket: str | None = None) -> None:
        """Raises Unavailable if the disk is not there any more, or another one is there, or the bucket's folder is not.

        `prepare` makes the folder, and nothing removes it.
        """
        self._stamp.require()
        if bucket is not None and not (self._root / bucket).is_dir():
            raise Unavailable(f"the folder of the bucket {bucket} is missing")

    def missing(self, detail: str) -> NotFound:
        """The error to raise for a missing file. Raises Unavailable itself if the whole disk is missing."""
        self.require_mounted()
        return NotFound(detail)

    def _walk(self, top: Path, folder: str, prefix: str) -> Iterator[ObjectInfo]:
        with errors_as_unavailable():
            for parent, _, names in os.walk(top / folder, onerror=_raise_unless_missing):
                for path in (Path(parent, name) for name in names if not name.startswith(".")):
                    key = path.relative_to(top).as_posix()
                    info = metadata.find(path, key) if key.startswith(prefix) else None
                    if info is not None:
                        yield info

    def _locate(self, bucket: str, key: str) -> _Location:
        require_bucket_and_key(bucket, key)
        self.require_mounted(bucket)
        top = self._root / bucket
        return _Location(top / key, top / key.rpartition("/")[0].partition("/")[0], top)


def _raise_unless_missing(error: OSError) -> None:
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
        raise error
