"""The objects port over a directory on one machine's disk, synced before it answers.

    {bucket}/{key}                      an object's bytes, as they are; being there is the commit
    meta/{bucket}/{key}.json            what is known of it; written before the bytes come
    multipart/{multipart id}/{part}     parts that have arrived: {number}.{size}.{MD5}
    tmp/                                what is on its way; what a kill left here goes after a day

Everything arrives by a rename, so that a kill at any instant leaves the old state or the new one. Whoever
changes an upload or an object holds a lock (flock) on its folder, which the kernel gives back when he dies.
Folders of objects are never removed, so that a lock on one is a lock on its name.
"""

import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Protocol

from regions.errors import BadRequest, Conflict, NotFound, Unavailable, Unprocessable
from regions.stores.objects import CHUNK_BYTES, RAW, VARIANTS, ObjectInfo, Part, SignedPart
from regions.stores.objects_signing import Claim, signed_url

MAX_PARTS = 10_000

_UNKNOWN_TYPE = "application/octet-stream"
_STALE_S = 24 * 3600
# A segment begins with no dot and holds neither `/` nor `~`: no key leads out of its bucket, hides a file, or
# reads differently inside a multipart id, where `~` stands for `/`.
_SEGMENT = "[A-Za-z0-9_][A-Za-z0-9._-]*"
_KEY = re.compile(f"{_SEGMENT}(?:/{_SEGMENT})*")
_MAX_KEY_CHARS = 200
_MULTIPART_ID = re.compile(f"[0-9a-f]{{32}}~({RAW}|{VARIANTS})~({_SEGMENT}(?:~{_SEGMENT})*)")
_PART_FILE = re.compile(r"([0-9]{5})\.([0-9]+)\.([0-9a-f]{32})")
_NOT_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class ObjectsDirectory:
    """Signed URLs lead to `door_url`, where an `ObjectDoor` over the same directory and secret must answer.

    Two differences from S3: a key can't lie beneath another (`a` and `a/b`, Conflict), and an object that is
    replaced by other bytes is absent for the moment between.
    """

    def __init__(self, root: str, door_url: str, secret: bytes, clock_ms: Callable[[], int]) -> None:
        self.secret = secret
        self._door_url = door_url.rstrip("/")
        self._root = Path(root)
        self._tmp, self._multipart = self._root / "tmp", self._root / "multipart"
        with _reaching():
            for folder in (self._tmp, self._multipart, self._root / RAW, self._root / VARIANTS):
                folder.mkdir(parents=True, exist_ok=True)
            self._sweep_tmp(clock_ms() / 1000 - _STALE_S)

    def begin(self, bucket: str, key: str) -> str:
        self._data(bucket, key)
        multipart_id = "~".join([secrets.token_hex(16), bucket, *key.split("/")])
        with _reaching():
            (self._multipart / multipart_id).mkdir()
            _sync_folder(self._multipart)
        return multipart_id

    def sign_part(self, multipart_id: str, number: int, size_bytes: int, expires_at_ms: int) -> SignedPart:
        _target(multipart_id)
        _check_number(number)
        claim = Claim("PUT", f"/part/{multipart_id}/{number}", size_bytes, expires_at_ms)
        return SignedPart(number, signed_url(self.secret, self._door_url, claim))

    def write_part(self, multipart_id: str, number: int, stream: Readable, size_bytes: int) -> Part:
        """Takes exactly `size_bytes` from the stream. What arrives last under a number is the part.

        Raises NotFound where the upload is over or unknown, BadRequest where the stream ends early; nothing stays then.
        """
        _target(multipart_id)
        _check_number(number)
        self._require_upload(multipart_id)
        with self._temporary() as file:
            md5 = _receive(stream, file, size_bytes)
            part = Part(number, f'"{md5}"', size_bytes)
            with _reaching():
                os.fsync(file.fileno())
                self._arrive(multipart_id, part, file)
        return part

    def parts(self, multipart_id: str) -> list[Part]:
        with _reaching(), self._held_upload(multipart_id) as folder:
            names = sorted(os.listdir(folder)) if folder else []
        # By number, since a kill between a part's arrival and its forerunner's removal leaves both.
        return list({part.number: part for part in map(_part_of, names)}.values())

    def finish(self, multipart_id: str, parts: Sequence[Part]) -> None:
        bucket, key = _target(multipart_id)
        info = ObjectInfo(key, sum(part.size_bytes for part in parts), None, _UNKNOWN_TYPE)
        with _reaching(), self._held_upload(multipart_id) as folder:
            if folder is None:
                return self._require_finished(bucket, info)
            files = [_checked_file(folder, part) for part in parts]
            if not files:
                raise Conflict("an object is made of at least one part")
            self._assemble(files, bucket, info)
            self._forget(folder)

    def abort(self, multipart_id: str) -> None:
        with _reaching(), self._held_upload(multipart_id) as folder:
            if folder is not None:
                self._forget(folder)

    def put(
        self, bucket: str, key: str, chunks: Iterable[bytes], sha256: str, content_type: str, cache_control: str = ""
    ) -> ObjectInfo:
        self._data(bucket, key)
        digest, size_bytes = hashlib.sha256(), 0
        with self._temporary() as file:
            for chunk in chunks:
                digest.update(chunk)
                size_bytes += len(chunk)
                with _reaching():
                    _write_all(file, chunk)
            if digest.hexdigest() != sha256:
                raise Unprocessable(f"the bytes have the SHA-256 {digest.hexdigest()}, not {sha256}")
            info = ObjectInfo(key, size_bytes, sha256, content_type, cache_control)
            with _reaching():
                os.fsync(file.fileno())
                self._commit(Path(file.name), bucket, info)
        return info

    def info(self, bucket: str, key: str) -> ObjectInfo | None:
        """None also where the bytes are not as many as were written."""
        with _reaching():
            size_bytes = _size(self._data(bucket, key))
            if size_bytes is None:
                return self._require_root()
            return self._known(bucket, key, size_bytes)

    @contextmanager
    def open(self, bucket: str, key: str) -> Iterator[Iterator[bytes]]:
        _, file = self.open_file(bucket, key)
        with file:
            yield _chunks(file)

    def open_file(self, bucket: str, key: str) -> tuple[ObjectInfo, BinaryIO]:
        """What is known of the object, and its bytes; the caller closes the file. Raises NotFound."""
        if self.info(bucket, key) is None:
            raise NotFound("there is no such object")
        with _reaching():
            try:
                file = self._data(bucket, key).open("rb")
            except _NOT_THERE:
                raise NotFound("there is no such object") from None
            info = self._known(bucket, key, os.fstat(file.fileno()).st_size)
        if info is None:
            file.close()
            raise NotFound("there is no such object")
        return info, file

    def sign_get(self, bucket: str, key: str, expires_at_ms: int) -> str:
        self._data(bucket, key)
        return signed_url(self.secret, self._door_url, Claim("GET", f"/object/{bucket}/{key}", None, expires_at_ms))

    def delete(self, bucket: str, key: str) -> None:
        data, meta = self._data(bucket, key), self._meta(bucket, key)
        with _reaching(), _locked(data.parent) as held:
            if not held:
                return self._require_root()
            # The bytes go first: a kill between leaves a description of nothing, never bytes that nobody describes.
            _remove(data)
            _remove(meta)

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Bytes that nobody wrote through this store are listed too, in their true size, without a hash."""
        top, folder = self._bucket(bucket), prefix.rpartition("/")[0]
        if folder and not _KEY.fullmatch(folder):
            raise BadRequest("no key can begin so")
        return self._walk(bucket, top, top / folder, prefix)

    def _walk(self, bucket: str, top: Path, start: Path, prefix: str) -> Iterator[ObjectInfo]:
        with _reaching():
            self._require_root()
            for folder, _, names in os.walk(start, onerror=_raise_unless_missing):
                for path in map(Path(folder).joinpath, names):
                    key = path.relative_to(top).as_posix()
                    size_bytes = _size(path)
                    if key.startswith(prefix) and size_bytes is not None:
                        yield self._known(bucket, key, size_bytes) or ObjectInfo(key, size_bytes, None, _UNKNOWN_TYPE)

    def _bucket(self, bucket: str) -> Path:
        if bucket not in (RAW, VARIANTS):
            raise BadRequest("there is no such bucket")
        return self._root / bucket

    def _data(self, bucket: str, key: str) -> Path:
        if len(key) > _MAX_KEY_CHARS or not _KEY.fullmatch(key):
            raise BadRequest("no object can have that key")
        return self._bucket(bucket) / key

    def _meta(self, bucket: str, key: str) -> Path:
        return self._root / "meta" / bucket / f"{key}.json"

    def _known(self, bucket: str, key: str, size_bytes: int) -> ObjectInfo | None:
        """What was written of an object whose data has this size; None where that tells of other data."""
        info = _read_meta(self._meta(bucket, key))
        return info if info and info.size_bytes == size_bytes else None

    def _require_root(self) -> None:
        """Raises Unavailable where it is not the file that is missing, but the disk."""
        if not self._tmp.is_dir():
            raise Unavailable("the object directory is not there")

    def _require_upload(self, multipart_id: str) -> None:
        self._require_root()
        if not (self._multipart / multipart_id).is_dir():
            raise NotFound("the upload is over, or never began")

    def _require_finished(self, bucket: str, info: ObjectInfo) -> None:
        found = self.info(bucket, info.key)
        if found is None or found.size_bytes != info.size_bytes:
            raise Conflict("the upload is over, and did not become this object")

    @contextmanager
    def _held_upload(self, multipart_id: str) -> Iterator[Path | None]:
        """The upload's folder, ours alone; None where the upload is over or unknown."""
        _target(multipart_id)
        folder = self._multipart / multipart_id
        with _locked(folder) as held:
            if not held:
                self._require_root()
            # Whoever held it before us may have ended it.
            yield folder if held and folder.is_dir() else None

    @contextmanager
    def _temporary(self) -> Iterator[FileIO]:
        """A new file under tmp, gone in the end unless it was renamed."""
        path = self._tmp / secrets.token_hex(16)
        with _reaching():
            file = FileIO(path, "x")
        try:
            with file:
                yield file
        finally:
            path.unlink(missing_ok=True)

    def _arrive(self, multipart_id: str, part: Part, file: FileIO) -> None:
        with self._held_upload(multipart_id) as folder:
            if folder is None:
                raise NotFound("the upload is over, or never began")
            name = _part_file(part)
            os.rename(file.name, folder / name)
            for other in folder.glob(f"{part.number:05}.*"):
                if other.name != name:
                    other.unlink()
            _sync_folder(folder)

    def _assemble(self, files: Sequence[Path], bucket: str, info: ObjectInfo) -> None:
        with self._temporary() as file:
            whole = Path(file.name)
            if len(files) == 1:
                # A second name for the part, not a move: after a kill, finish finds the upload as it was.
                whole.unlink()
                os.link(files[0], whole)
            else:
                for path in files:
                    _append(path, file)
                os.fsync(file.fileno())
            self._commit(whole, bucket, info)

    def _commit(self, whole: Path, bucket: str, info: ObjectInfo) -> None:
        """Gives a synced file its place. The caller removes `whole` if it is still there: rename leaves
        it alone where both names are the same file already (POSIX)."""
        data, meta = self._data(bucket, info.key), self._meta(bucket, info.key)
        self._make_folder(data.parent)
        self._make_folder(meta.parent)
        with _locked(data.parent):
            if _read_meta(meta) != info:
                # Else a kill before the rename would leave the old bytes under the new hash.
                _remove(data)
            with self._temporary() as file:
                _write_all(file, json.dumps(asdict(info)).encode())
                os.fsync(file.fileno())
                os.rename(file.name, meta)
            _sync_folder(meta.parent)
            os.rename(whole, data)
            _sync_folder(data.parent)

    def _make_folder(self, folder: Path) -> None:
        """With all above it up to the root, which must be there: a missing root is a disk that is not mounted."""
        if folder.is_dir():
            return
        if folder == self._root:
            self._require_root()
        self._make_folder(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir()
        if not folder.is_dir():
            raise Conflict("a key can't lie beneath another")
        _sync_folder(folder.parent)

    def _forget(self, folder: Path) -> None:
        """Ends an upload in one step, by taking its folder away; a kill after it leaves only rubbish under tmp."""
        rubbish = self._tmp / secrets.token_hex(16)
        os.rename(folder, rubbish)
        _sync_folder(self._multipart)
        shutil.rmtree(rubbish, ignore_errors=True)

    def _sweep_tmp(self, before_s: float) -> None:
        for path in self._tmp.iterdir():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime >= before_s:
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()


@contextmanager
def _reaching() -> Iterator[None]:
    """What the disk refuses becomes Unavailable, without its path."""
    try:
        yield
    except (IsADirectoryError, NotADirectoryError) as error:
        raise Conflict("a key can't lie beneath another") from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "no reason given"
        raise Unavailable(f"the object directory does not answer: {reason}") from error


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Waits for every other holder, of any process. False, and no lock, where there is no such folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except _NOT_THERE:
        descriptor = -1
    try:
        if descriptor >= 0:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor >= 0
    finally:
        if descriptor >= 0:
            os.close(descriptor)


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
    return f"{part.number:05}.{part.size_bytes}.{part.etag.strip('"')}"


def _part_of(name: str) -> Part:
    found = _PART_FILE.fullmatch(name)
    if found is None:
        raise Unavailable("the upload's folder holds what is no part")
    return Part(int(found[1]), f'"{found[3]}"', int(found[2]))


def _checked_file(folder: Path, part: Part) -> Path:
    name = _part_file(part)
    if not _PART_FILE.fullmatch(name) or _size(folder / name) != part.size_bytes:
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
        with _reaching():
            _write_all(file, chunk)
    return digest.hexdigest()


def _write_all(file: FileIO, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[os.write(file.fileno(), left) :]


def _append(path: Path, target: FileIO) -> None:
    with FileIO(path) as source:
        # The kernel copies, or on some disks only refers. What it will not do, the loop does, or says why not.
        with suppress(OSError, AttributeError):
            while os.copy_file_range(source.fileno(), target.fileno(), 64 * CHUNK_BYTES):
                pass
        while chunk := source.read(CHUNK_BYTES):
            _write_all(target, chunk)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with _reaching():
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _read_meta(path: Path) -> ObjectInfo | None:
    try:
        return ObjectInfo(**json.loads(path.read_bytes()))
    except (*_NOT_THERE, ValueError, TypeError):
        return None


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size if not path.is_dir() else None
    except _NOT_THERE:
        return None


def _remove(path: Path) -> None:
    with suppress(*_NOT_THERE):
        path.unlink()
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _raise_unless_missing(error: OSError) -> None:
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
        raise error
