"""The objects port over a directory on one machine's disk, synced before it answers.

    {bucket}/{folder}/{name}            an object's bytes, as they are; being there is the commit
    {bucket}/{folder}/.{name}.json      what is known of it, and of the bytes before it
    multipart/{multipart id}/{part}     parts that have arrived: {number}.{size}.{MD5}
    tmp/{handle}/                       what is on its way; what a kill left goes when a handle is opened

Everything arrives by a rename, so that a kill at any instant leaves the old state or the new one. Whoever
changes an upload holds a lock on its folder, and whoever changes an object one on the first folder of its key,
which is never removed, so that a lock on it is a lock on its name.
"""

import errno
import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Protocol

from regions.errors import BadRequest, Conflict, NotFound, Unavailable, Unprocessable
from regions.stores import disk_space, objects_health
from regions.stores.directory import files as files
from regions.stores.directory import metadata as descriptions
from regions.stores.directory.files import NOT_THERE, reaching
from regions.stores.directory.signing import Claim, signed_url
from regions.stores.health import CheckResult, HealthCheck, run_checks
from regions.stores.objects import CHUNK_BYTES, RAW, VARIANTS, ObjectInfo, Part, SignedPart

MAX_PARTS = 10_000

# A segment begins with no dot and holds neither `/` nor `~`: no key leads out of its bucket, hides a file, or
# reads differently inside a multipart id, where `~` stands for `/`.
_SEGMENT = "[A-Za-z0-9_][A-Za-z0-9._-]*"
_KEY = re.compile(f"{_SEGMENT}(?:/{_SEGMENT})*")
_MAX_KEY_CHARS = 200
_REACH = "Mount the disk on which the store lies; for a new store run `darkroom prepare`."
_MULTIPART_ID = re.compile(f"[0-9a-f]{{32}}~({RAW}|{VARIANTS})~({_SEGMENT}(?:~{_SEGMENT})*)")
_PART_FILE = re.compile(r"([0-9]{5})\.([0-9]+)\.([0-9a-f]{32})")


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Name:
    """Where one object lies: its bytes, the folder whose lock guards its name, and its bucket's folder."""

    data: Path
    guard: Path
    bucket: Path


class DirectoryObjects:
    """Signed URLs lead to `server_url`, where an `ObjectServer` over the same directory and secret must answer.

    One difference from S3: a key can't lie beneath another (`a` and `a/b`, Conflict).
    """

    def __init__(self, root: str, server_url: str, secret: bytes) -> None:
        self.secret = secret
        self._server_url = server_url.rstrip("/")
        self._root = Path(root)
        self._multipart = self._root / "multipart"
        self.prepare()
        with reaching():
            self._scratch = files.Scratch(self._root / "tmp")

    def prepare(self) -> None:
        with reaching():
            for folder in (self._multipart, self._root / RAW, self._root / VARIANTS, self._root / "tmp"):
                folder.mkdir(parents=True, exist_ok=True)

    def create_upload(self, bucket: str, key: str) -> str:
        self._name(bucket, key)
        multipart_id = "~".join([secrets.token_hex(16), bucket, *key.split("/")])
        with reaching():
            (self._multipart / multipart_id).mkdir()
            files.sync_folder(self._multipart)
        return multipart_id

    def sign_part(self, multipart_id: str, number: int, size_bytes: int, expires_at_ms: int) -> SignedPart:
        _target(multipart_id)
        _check_number(number)
        claim = Claim("PUT", f"/part/{multipart_id}/{number}", size_bytes, expires_at_ms)
        return SignedPart(number, signed_url(self.secret, self._server_url, claim))

    def write_part(self, multipart_id: str, number: int, stream: Readable, size_bytes: int) -> Part:
        """Takes exactly `size_bytes` from the stream. What arrives last under a number is the part.

        Raises NotFound where the upload is over or unknown, BadRequest where the stream ends early; nothing stays then.
        """
        _target(multipart_id)
        _check_number(number)
        if not (self._multipart / multipart_id).is_dir():
            raise self._missing("the upload is over, or never began")
        with self._scratch.file() as file:
            part = Part(number, f'"{_receive(stream, file, size_bytes)}"', size_bytes)
            with reaching():
                os.fsync(file.fileno())
                self._arrive(multipart_id, part, file)
        return part

    def list_parts(self, multipart_id: str) -> list[Part]:
        with reaching(), self._held_upload(multipart_id) as folder:
            found = [_PART_FILE.fullmatch(name) for name in sorted(os.listdir(folder))] if folder else []
        parts = [Part(int(part[1]), f'"{part[3]}"', int(part[2])) for part in found if part]
        # By number, since a kill between a part's arrival and its forerunner's removal leaves both.
        return list({part.number: part for part in parts}.values())

    def complete_upload(self, multipart_id: str, parts: Sequence[Part]) -> None:
        bucket, key = _target(multipart_id)
        numbers = [part.number for part in parts]
        if not numbers or numbers != sorted(set(numbers)):
            raise Conflict("an object is made of at least one part, and of each once, in order")
        info = ObjectInfo(key, sum(part.size_bytes for part in parts), None, descriptions.UNKNOWN_TYPE)
        with reaching(), self._held_upload(multipart_id) as folder:
            if folder is None:
                return self._require_finished(bucket, info)
            self._assemble([_checked_file(folder, part) for part in parts], bucket, info)
            self._scratch.discard(folder)

    def abort_upload(self, multipart_id: str) -> None:
        with reaching(), self._held_upload(multipart_id) as folder:
            if folder is not None:
                self._scratch.discard(folder)

    def list_uploads(self, bucket: str, key: str) -> list[str]:
        self._name(bucket, key)
        end = "~".join(["", bucket, *key.split("/")])
        with reaching():
            return [folder.name for folder in self._multipart.iterdir() if folder.name.endswith(end)]

    def abort_stale_uploads(self, before_ms: int) -> int:
        stale = 0
        with reaching():
            for folder in self._multipart.iterdir():
                # A part that arrives changes the folder's time.
                if files.changed_before(folder, before_ms):
                    self.abort_upload(folder.name)
                    stale += 1
        return stale

    def put(
        self, bucket: str, key: str, chunks: Iterable[bytes], sha256: str, content_type: str, cache_control: str = ""
    ) -> ObjectInfo:
        self._name(bucket, key)
        digest, size_bytes = hashlib.sha256(), 0
        with self._scratch.file() as file:
            for chunk in chunks:
                digest.update(chunk)
                size_bytes += len(chunk)
                with reaching():
                    files.write_all(file, chunk)
            if digest.hexdigest() != sha256:
                raise Unprocessable(f"the bytes have the SHA-256 {digest.hexdigest()}, not {sha256}")
            info = ObjectInfo(key, size_bytes, sha256, content_type, cache_control)
            with reaching():
                self._commit(file, bucket, info)
        return info

    def info(self, bucket: str, key: str) -> ObjectInfo | None:
        """None also where the bytes are not as many as were written."""
        try:
            info, file = self.open_file(bucket, key)
        except NotFound:
            return None
        file.close()
        return info

    @contextmanager
    def open(self, bucket: str, key: str) -> Iterator[Iterator[bytes]]:
        _, file = self.open_file(bucket, key)
        with file:
            yield _chunks(file)

    def open_file(self, bucket: str, key: str) -> tuple[ObjectInfo, FileIO]:
        """What is known of the object, and its bytes; the caller closes the file. Raises NotFound."""
        name = self._name(bucket, key)
        with reaching():
            while True:
                try:
                    file = FileIO(name.data)
                except NOT_THERE:
                    raise self._missing("there is no such object") from None
                info = descriptions.described(name.data, key, os.fstat(file.fileno()))
                # Else what we have read may tell of the bytes that came after these.
                if files.is_still_at(name.data, file):
                    break
                file.close()
        if info is None:
            file.close()
            raise NotFound("there is no such object")
        return info, file

    def sign_get(self, bucket: str, key: str, expires_at_ms: int) -> str:
        self._name(bucket, key)
        return signed_url(self.secret, self._server_url, Claim("GET", f"/object/{bucket}/{key}", None, expires_at_ms))

    def delete(self, bucket: str, key: str) -> None:
        name = self._name(bucket, key)
        with reaching(), files.locked(name.guard) as held:
            if not held:
                self._require_root()
                return
            # The bytes go first: a kill between leaves a description of nothing, never bytes that nobody describes.
            files.remove(name.data)
            files.remove(descriptions.file_beside(name.data))
            files.remove_empty(name.data.parent, name.guard)

    def check_health(self) -> list[CheckResult]:
        return run_checks(
            [
                HealthCheck("reachable", self._describe, _REACH),
                *objects_health.checks(self, RAW),
                *objects_health.checks(self, VARIANTS),
                disk_space.check(self._root),
            ]
        )

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Bytes that nobody wrote through this store are listed too, in their true size, without a hash."""
        top, folder = self._bucket(bucket), prefix.rpartition("/")[0]
        if folder and not _KEY.fullmatch(folder):
            raise BadRequest("no key can begin so")
        return self._walk(top, top / folder, prefix)

    def _describe(self) -> str:
        self._require_root()
        return "a directory"

    def _walk(self, top: Path, start: Path, prefix: str) -> Iterator[ObjectInfo]:
        with reaching():
            self._require_root()
            for folder, _, names in os.walk(start, onerror=_raise_unless_missing):
                for path in (Path(folder, name) for name in names if not name.startswith(".")):
                    key = path.relative_to(top).as_posix()
                    info = descriptions.found(path, key) if key.startswith(prefix) else None
                    if info is not None:
                        yield info

    def _bucket(self, bucket: str) -> Path:
        if bucket not in (RAW, VARIANTS):
            raise BadRequest("there is no such bucket")
        return self._root / bucket

    def _name(self, bucket: str, key: str) -> _Name:
        if len(key) > _MAX_KEY_CHARS or not _KEY.fullmatch(key):
            raise BadRequest("no object can have that key")
        top = self._bucket(bucket)
        return _Name(top / key, top / key.rpartition("/")[0].partition("/")[0], top)

    def _require_root(self) -> None:
        """Raises Unavailable where it is not the file that is missing, but the disk."""
        if not self._multipart.is_dir():
            raise Unavailable("the object directory is not there")

    def _missing(self, detail: str) -> NotFound:
        self._require_root()
        return NotFound(detail)

    def _require_finished(self, bucket: str, info: ObjectInfo) -> None:
        found = self.info(bucket, info.key)
        if found is None or found.size_bytes != info.size_bytes:
            raise Conflict("the upload is over, and did not become this object")

    @contextmanager
    def _held_upload(self, multipart_id: str) -> Iterator[Path | None]:
        """The upload's folder, ours alone; None where the upload is over or unknown."""
        _target(multipart_id)
        folder = self._multipart / multipart_id
        with files.locked(folder) as held:
            if not held:
                self._require_root()
            # Whoever held it before us may have ended it.
            yield folder if held and folder.is_dir() else None

    def _arrive(self, multipart_id: str, part: Part, file: FileIO) -> None:
        with self._held_upload(multipart_id) as folder:
            if folder is None:
                raise NotFound("the upload is over, or never began")
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
                return self._commit(file, bucket, info)
            # A second name for the part, not a move: after a kill, finish finds the upload as it was.
            os.unlink(file.name)
            os.link(paths[0], file.name)
            with FileIO(file.name, "r+") as part:
                self._commit(part, bucket, info)

    def _commit(self, file: FileIO, bucket: str, info: ObjectInfo) -> None:
        """Syncs a file and gives it its place. Its old name may stay: where both names are the same file
        already, rename leaves them alone (POSIX)."""
        name = self._name(bucket, info.key)
        stamp = files.settle(file)
        files.make_folder(name.guard, name.bucket)
        with files.locked(name.guard):
            files.make_folder(name.data.parent, name.bucket)
            with self._scratch.file() as describing:
                descriptions.describe(name.data, info, stamp, describing)
            os.rename(file.name, name.data)
            files.sync_folder(name.data.parent)


def _target(multipart_id: str) -> tuple[str, str]:
    """The bucket and the key that the upload is for, both checked: the pattern of an id contains that of a key."""
    found = _MULTIPART_ID.fullmatch(multipart_id)
    if found is None or len(found[2]) > _MAX_KEY_CHARS:
        raise BadRequest("that is not the id of a multipart upload")
    return found[1], found[2].replace("~", "/")


def _check_number(number: int) -> None:
    if not 1 <= number <= MAX_PARTS:
        raise BadRequest(f"parts are numbered from 1 to {MAX_PARTS}")


def _part_file(part: Part) -> str:
    md5 = part.etag.strip('"')
    return f"{part.number:05}.{part.size_bytes}.{md5}"


def _checked_file(folder: Path, part: Part) -> Path:
    name = _part_file(part)
    # The pattern first: an ETag is what a client said, and may be a path.
    if not _PART_FILE.fullmatch(name) or not (folder / name).is_file():
        raise Conflict(f"part {part.number} has not arrived as it is said to be")
    return folder / name


def _receive(stream: Readable, file: FileIO, size_bytes: int) -> str:
    """Copies exactly that many bytes and returns their MD5, in hexadecimal."""
    digest, left_bytes = hashlib.md5(usedforsecurity=False), size_bytes
    while left_bytes:
        chunk = stream.read(min(left_bytes, CHUNK_BYTES))
        if not chunk:
            raise BadRequest(f"the body ended {left_bytes} bytes early")
        digest.update(chunk)
        left_bytes -= len(chunk)
        with reaching():
            files.write_all(file, chunk)
    return digest.hexdigest()


def _chunks(file: FileIO) -> Iterator[bytes]:
    with reaching():
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _raise_unless_missing(error: OSError) -> None:
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
        raise error
