"""The multipart uploads of the directory store.

    multipart/{multipart id}/{part}     a part that has arrived: {number}.{size}.{MD5}

A multipart id is `{32 hex digits}~{bucket}~{key, with ~ for /}`. The folder is the whole state of an upload: while it
exists, the upload is open, and parts are renamed into it. Completing and aborting rename the folder away, in one step.

Everyone who changes an upload holds the lock of its folder, so a part that arrives during `complete` either becomes
visible before it or is rejected. The slow steps, receiving and syncing a part, happen before taking the lock.
"""

import hashlib
import logging
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from regions.errors import NotFound
from regions.stores.directory import files as files
from regions.stores.directory.bodies import Readable, exactly
from regions.stores.directory.files import Scratch, errors_as_unavailable
from regions.stores.directory.stamped_folder import MULTIPART
from regions.stores.directory.stored_objects import StoredObjects
from regions.stores.object_rules import (
    BUCKETS,
    MAX_KEY_CHARS,
    SEGMENT,
    UNKNOWN_TYPE,
    invalid_multipart_id,
    part_mismatch,
    require_bucket_and_key,
    require_completed,
    require_part_number,
    require_part_order,
)
from regions.stores.objects import ObjectInfo, Part

log = logging.getLogger(__name__)

_MULTIPART_ID = re.compile(f"[0-9a-f]{{32}}~({'|'.join(BUCKETS)})~({SEGMENT}(?:~{SEGMENT})*)")
_PART_FILE = re.compile(r"([0-9]{5})\.([0-9]+)\.([0-9a-f]{32})")


class DirectoryUploads:
    def __init__(self, root: Path, scratch: Scratch, stored: StoredObjects) -> None:
        self._folder, self._scratch, self._stored = root / MULTIPART, scratch, stored

    def create(self, bucket: str, key: str) -> str:
        require_bucket_and_key(bucket, key)
        self._stored.require_mounted()
        multipart_id = "~".join([secrets.token_hex(16), bucket, *key.split("/")])
        with errors_as_unavailable():
            (self._folder / multipart_id).mkdir()
            files.sync_folder(self._folder)
        return multipart_id

    def write_part(self, multipart_id: str, number: int, stream: Readable, size_bytes: int) -> Part:
        """Takes exactly `size_bytes` from the stream. A part replaces an earlier one with the same number.

        Raises NotFound if the upload has ended or is unknown, and BadRequest if the stream ends early. In both cases
        nothing is stored.
        """
        require_part(multipart_id, number)
        if not (self._folder / multipart_id).is_dir():
            raise self._stored.missing("the upload has ended or never existed")
        with self._scratch.file() as file:
            part = Part(number, f'"{_receive(stream, file, size_bytes)}"', size_bytes)
            with errors_as_unavailable():
                os.fsync(file.fileno())
                self._add(multipart_id, part, file)
        return part

    def parts(self, multipart_id: str) -> list[Part]:
        with errors_as_unavailable(), self._locked(multipart_id) as folder:
            found = [_PART_FILE.fullmatch(name) for name in sorted(os.listdir(folder))] if folder else []
        parts = [Part(int(part[1]), f'"{part[3]}"', int(part[2])) for part in found if part]
        # One for each number: a kill between the arrival of a part and the removal of its predecessor leaves both.
        return list({part.number: part for part in parts}.values())

    def complete(self, multipart_id: str, parts: Sequence[Part]) -> None:
        bucket, key = _parse_id(multipart_id)
        require_part_order(parts)
        info = ObjectInfo(key, sum(part.size_bytes for part in parts), None, UNKNOWN_TYPE)
        with errors_as_unavailable(), self._locked(multipart_id) as folder:
            if folder is None:
                return require_completed(self._stored.info(bucket, key), parts)
            self._assemble([_checked_file(folder, part) for part in parts], bucket, info)
            # A kill before this line leaves the object and the upload; the caller completes it again.
            self._scratch.discard(folder)

    def abort(self, multipart_id: str) -> None:
        with errors_as_unavailable(), self._locked(multipart_id) as folder:
            if folder is not None:
                self._scratch.discard(folder)

    def of_key(self, bucket: str, key: str) -> list[str]:
        require_bucket_and_key(bucket, key)
        self._stored.require_mounted()
        end = "~".join(["", bucket, *key.split("/")])
        with errors_as_unavailable():
            return [folder.name for folder in self._folder.iterdir() if folder.name.endswith(end)]

    def abort_stale(self, before_ms: int) -> int:
        self._stored.require_mounted()
        stale = 0
        with errors_as_unavailable():
            for folder in self._folder.iterdir():
                # Something else may lie here, such as `lost+found`: it must not stop the sweep.
                if not _MULTIPART_ID.fullmatch(folder.name):
                    log.warning("not an upload", extra={"folder": folder.name})
                # The arrival of a part changes the folder's modification time.
                elif files.changed_before(folder, before_ms):
                    self.abort(folder.name)
                    stale += 1
        return stale

    @contextmanager
    def _locked(self, multipart_id: str) -> Iterator[Path | None]:
        """The upload's folder, locked; None if the upload has ended or is unknown."""
        _parse_id(multipart_id)
        self._stored.require_mounted()
        folder = self._folder / multipart_id
        with files.locked(folder) as is_locked:
            if not is_locked:
                self._stored.require_mounted()
            # The lock is that of the open folder, wherever it is now. While we waited, its last holder may have
            # completed or aborted the upload and renamed the folder away, so we look again.
            yield folder if is_locked and folder.is_dir() else None

    def _add(self, multipart_id: str, part: Part, file: FileIO) -> None:
        with self._locked(multipart_id) as folder:
            if folder is None:
                raise NotFound("the upload has ended or never existed")
            name = _part_file(part)
            os.rename(file.name, folder / name)
            for other in folder.glob(f"{part.number:05}.*"):
                if other.name != name:
                    other.unlink()
            files.sync_folder(folder)

    def _assemble(self, paths: Sequence[Path], bucket: str, info: ObjectInfo) -> None:
        with self._scratch.file() as file:
            if len(paths) > 1:
                for path in paths:
                    files.append(path, file)
                return self._stored.commit(file, bucket, info)
            # A single part becomes the object without a copy. It gets a second name (a hard link) instead of being
            # moved: after a kill, the upload still has its part, and completing it again works.
            os.unlink(file.name)
            os.link(paths[0], file.name)
            with FileIO(file.name, "r+") as part:
                self._stored.commit(part, bucket, info)


def require_part(multipart_id: str, number: int) -> None:
    """Raises BadRequest unless there can be such a part of such an upload."""
    _parse_id(multipart_id)
    require_part_number(number)


def _parse_id(multipart_id: str) -> tuple[str, str]:
    """The bucket and the key of the upload. Both are valid: the pattern of an id contains that of a key."""
    found = _MULTIPART_ID.fullmatch(multipart_id)
    if found is None or len(found[2]) > MAX_KEY_CHARS:
        raise invalid_multipart_id()
    return found[1], found[2].replace("~", "/")


def _part_file(part: Part) -> str:
    md5 = part.etag.strip('"')
    return f"{part.number:05}.{part.size_bytes}.{md5}"


def _checked_file(folder: Path, part: Part) -> Path:
    name = _part_file(part)
    # The pattern first: the ETag comes from a client and may contain a path.
    if not _PART_FILE.fullmatch(name) or not (folder / name).is_file():
        raise part_mismatch(part.number)
    return folder / name


def _receive(stream: Readable, file: FileIO, size_bytes: int) -> str:
    """Copies exactly that many bytes and returns their MD5, in hexadecimal."""
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in exactly(stream, size_bytes):
        digest.update(chunk)
        with errors_as_unavailable():
            files.write_all(file, chunk)
    return digest.hexdigest()
