"""The objects port over a directory on one machine's disk. Every write is synced before it returns.

    raw/, variants/     whole objects and their metadata: `stored_objects`
    multipart/          unfinished uploads and their parts: `uploads`
    tmp/                files that processes are still writing: `files.Scratch`
    stamp               the region that the store belongs to: `stamped_folder`

Every file is written in `tmp` and renamed to its location, so a kill at any instant leaves the old state or the new.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from regions.stores import disk_space, objects_health
from regions.stores.directory import files as files
from regions.stores.directory import stamped_folder
from regions.stores.directory.bodies import Readable, exactly
from regions.stores.directory.files import errors_as_unavailable
from regions.stores.directory.signing import Claim, SignedContent, signed_url
from regions.stores.directory.stored_objects import StoredObjects
from regions.stores.directory.uploads import DirectoryUploads, require_part
from regions.stores.health import CheckResult, HealthCheck, run_checks
from regions.stores.object_rules import BUCKETS, require_bucket_and_key, require_sendable, require_sha256
from regions.stores.objects import CHUNK_BYTES, ObjectInfo, Part, SignedPart, SignedPut
from regions.stores.same_file import SameFile

_REACH = "Mount the disk of the store; for a new store run `darkroom prepare`."


class DirectoryObjects:
    """Opens the store in the folder `root`, which exists. Raises StoreMissing, Unavailable.

    Signed URLs lead to `server_url`, where an `ObjectServer` over the same directory and secret must answer.

    One difference from S3: a key can't be beneath another (`a` and `a/b`, Conflict).
    """

    def __init__(self, root: str, server_url: str, secret: bytes) -> None:
        self.secret = secret
        self._server_url = server_url.rstrip("/")
        self._root = Path(root)
        self._scratch = files.Scratch(self._root / stamped_folder.SCRATCH)
        with errors_as_unavailable():
            self._stored = StoredObjects(self._root, self._scratch, SameFile(self._root / stamped_folder.STAMP))
        self._uploads = DirectoryUploads(self._root, self._scratch, self._stored)

    def create_upload(self, bucket: str, key: str) -> str:
        return self._uploads.create(bucket, key)

    def sign_part(self, multipart_id: str, number: int, size_bytes: int, expires_at_ms: int) -> SignedPart:
        require_part(multipart_id, number)
        claim = Claim("PUT", f"/part/{multipart_id}/{number}", size_bytes, expires_at_ms)
        return SignedPart(number, signed_url(self.secret, self._server_url, claim))

    def write_part(self, multipart_id: str, number: int, stream: Readable, size_bytes: int) -> Part:
        """For the object server; see `DirectoryUploads.write_part`."""
        return self._uploads.write_part(multipart_id, number, stream, size_bytes)

    def list_parts(self, multipart_id: str) -> list[Part]:
        return self._uploads.parts(multipart_id)

    def complete_upload(self, multipart_id: str, parts: Sequence[Part]) -> None:
        self._uploads.complete(multipart_id, parts)

    def abort_upload(self, multipart_id: str) -> None:
        self._uploads.abort(multipart_id)

    def list_uploads(self, bucket: str, key: str) -> list[str]:
        return self._uploads.of_key(bucket, key)

    def abort_stale_uploads(self, before_ms: int) -> int:
        return self._uploads.abort_stale(before_ms)

    def put(
        self, bucket: str, key: str, chunks: Iterable[bytes], sha256: str, content_type: str, cache_control: str = ""
    ) -> ObjectInfo:
        require_bucket_and_key(bucket, key)
        return self._write(bucket, key, chunks, SignedContent(sha256, content_type, cache_control), replaces=True)

    def put_new(self, bucket: str, key: str, stream: Readable, size_bytes: int, content: SignedContent) -> ObjectInfo:
        """For the object server: takes exactly `size_bytes` from the stream, and stores them as `put` would.

        Raises PreconditionFailed if there is an object already, BadRequest if the stream ends early, and Unprocessable
        if the bytes have another SHA-256. Nothing is stored then.
        """
        # Before the bytes are read, as far as it is known then.
        self._stored.require_absent(bucket, key)
        return self._write(bucket, key, exactly(stream, size_bytes), content, replaces=False)

    def info(self, bucket: str, key: str) -> ObjectInfo | None:
        """None also if the bytes are not as many as were written."""
        return self._stored.info(bucket, key)

    @contextmanager
    def open(self, bucket: str, key: str) -> Iterator[Iterator[bytes]]:
        _, file = self._stored.open_file(bucket, key)
        with file:
            yield _chunks(file)

    def open_file(self, bucket: str, key: str) -> tuple[ObjectInfo, FileIO]:
        """For the object server; see `StoredObjects.open_file`."""
        return self._stored.open_file(bucket, key)

    def sign_get(self, bucket: str, key: str, expires_at_ms: int) -> str:
        require_bucket_and_key(bucket, key)
        return signed_url(self.secret, self._server_url, Claim("GET", f"/object/{bucket}/{key}", None, expires_at_ms))

    def sign_put(self, bucket: str, info: ObjectInfo, expires_at_ms: int) -> SignedPut:
        """The URL must not have expired when the last byte arrives."""
        require_bucket_and_key(bucket, info.key)
        require_sendable(info)
        content = SignedContent(str(info.sha256), info.content_type, info.cache_control)
        claim = Claim("PUT", f"/object/{bucket}/{info.key}", info.size_bytes, expires_at_ms, content)
        return SignedPut(signed_url(self.secret, self._server_url, claim), content.headers())

    def delete(self, bucket: str, key: str) -> None:
        self._stored.delete(bucket, key)

    def check_health(self) -> list[CheckResult]:
        checks = [check for bucket in BUCKETS for check in objects_health.checks(self, bucket)]
        return run_checks([HealthCheck("reachable", self._describe, _REACH), *checks, disk_space.check(self._root)])

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Also lists files that were not written through this store, with their true size and without a hash."""
        return self._stored.list(bucket, prefix)

    def _write(
        self, bucket: str, key: str, chunks: Iterable[bytes], content: SignedContent, replaces: bool
    ) -> ObjectInfo:
        digest, size_bytes = hashlib.sha256(), 0
        with self._scratch.file() as file:
            for chunk in chunks:
                digest.update(chunk)
                size_bytes += len(chunk)
                with errors_as_unavailable():
                    files.write_all(file, chunk)
            require_sha256(digest.hexdigest(), content.sha256)
            info = ObjectInfo(key, size_bytes, content.sha256, content.content_type, content.cache_control)
            with errors_as_unavailable():
                self._stored.commit(file, bucket, info, replaces)
        return info

    def _describe(self) -> str:
        self._stored.require_mounted()
        return "a directory"


def _chunks(file: FileIO) -> Iterator[bytes]:
    with errors_as_unavailable():
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
