"""The objects port over S3, or a store that speaks as it does. Two buckets, which `s3_buckets` sets up.

The SHA-256 of an object that came whole is its metadata `sha256`; the store checks the bytes it receives against it.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from botocore.exceptions import ClientError

from regions.clock import now_ms
from regions.errors import BadRequest, Conflict, NotFound, Unavailable, Unprocessable
from regions.stores.health import CheckResult
from regions.stores.objects import RAW, VARIANTS, ObjectInfo, Part, SignedPart
from regions.stores.s3 import health
from regions.stores.s3.buckets import prepare_buckets
from regions.stores.s3.download import Download
from regions.stores.s3.session import Credentials, S3Address, code, connect, each, reaching, status
from regions.stores.s3.uploads import MultipartUpload, UploadOver

MAX_PARTS = 10_000
# What a put holds in memory. S3 takes 5 MiB to 5 GiB for a part that is not the last.
PART_BYTES = 8 << 20
_UNKNOWN_TYPE = "application/octet-stream"
_LONGEST_S = 7 * 24 * 3600
"""No signed URL is good for longer (AWS, "Authenticating Requests: Using Query Parameters")."""

_SEGMENT = "[A-Za-z0-9_][A-Za-z0-9._-]*"
_KEY = re.compile(f"{_SEGMENT}(?:/{_SEGMENT})*")
_MAX_KEY_CHARS = 200
# No key holds `~`. What S3 calls its uploads is its own affair.
_MULTIPART_ID = re.compile(f"({RAW}|{VARIANTS})~({_SEGMENT}(?:/{_SEGMENT})*)~([!-~]{{1,1024}})")

# The second: another write of the key is under way. No upload outlives it (AWS, "CompleteMultipartUpload"), so that
# completing one is Unavailable then.
_NOT_FIRST = {"PreconditionFailed", "ConditionalRequestConflict"}


class S3Objects:
    """Any number of threads may use it, but not a process that was forked from this one.

    A missing bucket is Unavailable, but S3 does not tell `info` that from a missing object.
    """

    def __init__(self, address: S3Address, credentials: Credentials) -> None:
        self._address, self._credentials = address, credentials
        self._s3 = connect(address.service, credentials)

    def prepare(self) -> None:
        prepare_buckets(self._address, self._credentials)

    def create_upload(self, bucket: str, key: str) -> str:
        with reaching():
            begun = self._s3.create_multipart_upload(**self._where(bucket, key), ContentType=_UNKNOWN_TYPE)
        return f"{bucket}~{key}~{begun['UploadId']}"

    def sign_part(self, multipart_id: str, number: int, size_bytes: int, expires_at_ms: int) -> SignedPart:
        """The length is signed: a body of another one has no valid signature."""
        upload = self._upload(multipart_id)
        if not 1 <= number <= MAX_PARTS:
            raise BadRequest(f"parts are numbered from 1 to {MAX_PARTS}")
        what = {**upload.where, "PartNumber": number, "ContentLength": size_bytes}
        return SignedPart(number, self._sign("upload_part", what, expires_at_ms))

    def list_parts(self, multipart_id: str) -> list[Part]:
        try:
            return self._upload(multipart_id).arrived()
        except UploadOver:
            return []

    def complete_upload(self, multipart_id: str, parts: Sequence[Part]) -> None:
        upload = self._upload(multipart_id)
        numbers = [part.number for part in parts]
        if not numbers or numbers != sorted(set(numbers)):
            raise Conflict("an object is made of at least one part, and of each once, in order")
        try:
            # S3 compares ETags only: a part of another size than was signed must not get in where a store let it come.
            arrived = {_plain(part) for part in upload.arrived()}
            for part in parts:
                if _plain(part) not in arrived:
                    raise Conflict(f"part {part.number} has not arrived as it is said to be")
            upload.complete([{"PartNumber": part.number, "ETag": part.etag} for part in parts])
        except UploadOver:
            # Finished before, also by a try whose answer was lost; or aborted. The object tells.
            found = self._info(upload.bucket, upload.key)
            if found is None or found.size_bytes != sum(part.size_bytes for part in parts):
                raise Conflict("the upload is over, and did not become this object") from None

    def abort_upload(self, multipart_id: str) -> None:
        self._upload(multipart_id).abort()

    def list_uploads(self, bucket: str, key: str) -> list[str]:
        where = self._where(bucket, key)
        begun = each(self._s3, "list_multipart_uploads", "Uploads", {"Bucket": where["Bucket"], "Prefix": key})
        return [f"{bucket}~{key}~{found['UploadId']}" for found in begun if found["Key"] == key]

    def abort_stale_uploads(self, before_ms: int) -> int:
        """Sooner than the lifecycle rule does it, and also where a store has none."""
        return sum(self._abort_stale(self._bucket(bucket), before_ms) for bucket in (RAW, VARIANTS))

    def put(
        self, bucket: str, key: str, chunks: Iterable[bytes], sha256: str, content_type: str, cache_control: str = ""
    ) -> ObjectInfo:
        """What does not fit into one part goes as a multipart upload; three parts are in memory at most."""
        where, pieces = self._where(bucket, key), _pieces(chunks)
        first = next(pieces)
        info = ObjectInfo(key, len(first), sha256, content_type, cache_control)
        if len(first) < PART_BYTES:
            return self._put_at_once(where["Bucket"], info, first)
        return self._put_in_parts(where["Bucket"], info, chain([first], pieces))

    def info(self, bucket: str, key: str) -> ObjectInfo | None:
        where = self._where(bucket, key)
        return self._info(where["Bucket"], where["Key"])

    @contextmanager
    def open(self, bucket: str, key: str) -> Iterator[Iterator[bytes]]:
        reading = Download(lambda **further: self._get(self._where(bucket, key), further))
        try:
            yield reading.chunks()
        finally:
            reading.close()

    def sign_get(self, bucket: str, key: str, expires_at_ms: int) -> str:
        return self._sign("get_object", self._where(bucket, key), expires_at_ms)

    def delete(self, bucket: str, key: str) -> None:
        where = self._where(bucket, key)
        with reaching():
            self._s3.delete_object(**where)

    def check_health(self) -> list[CheckResult]:
        return health.check_health(self._address, self._credentials, self)

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """One request for a thousand objects. S3 tells only their keys and sizes."""
        if prefix and not re.fullmatch(f"(?:{_SEGMENT}/)*(?:{_SEGMENT})?", prefix):
            raise BadRequest("no key can begin so")
        return self._walk(self._bucket(bucket), prefix)

    def _walk(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        for found in each(self._s3, "list_objects_v2", "Contents", {"Bucket": bucket, "Prefix": prefix}):
            yield ObjectInfo(found["Key"], found["Size"], None, "")

    def _info(self, bucket: str, key: str) -> ObjectInfo | None:
        with reaching():
            try:
                head = self._s3.head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if status(error) != 404:
                    raise
                return None
        cache_control, sha256 = head.get("CacheControl", ""), head["Metadata"].get("sha256")
        return ObjectInfo(key, head["ContentLength"], sha256, head.get("ContentType", _UNKNOWN_TYPE), cache_control)

    def _abort_stale(self, bucket: str, before_ms: int) -> int:
        before, stale = datetime.fromtimestamp(before_ms / 1000, UTC), 0
        # All of them first: an upload that is aborted may be the mark at which the next page begins.
        for found in [*each(self._s3, "list_multipart_uploads", "Uploads", {"Bucket": bucket})]:
            upload = MultipartUpload(self._s3, bucket, found["Key"], found["UploadId"])
            # Who ended it meanwhile has done our work.
            with suppress(UploadOver):
                if found["Initiated"] < before and upload.is_still_since(before):
                    upload.abort()
                    stale += 1
        return stale

    def _put_at_once(self, bucket: str, info: ObjectInfo, body: bytearray) -> ObjectInfo:
        digest = hashlib.sha256(body)
        _require(digest, info)
        what = {"Bucket": bucket, "Key": info.key, "Body": body, **_said(info), **self._checksum(digest.digest())}
        with reaching():
            self._place(bucket, info, lambda **condition: self._s3.put_object(**what, **condition))
        return info

    def _put_in_parts(self, bucket: str, info: ObjectInfo, pieces: Iterable[bytearray]) -> ObjectInfo:
        kind = {"ChecksumAlgorithm": "SHA256", "ChecksumType": "COMPOSITE"} if self._has_checksums else {}
        with reaching():
            begun = self._s3.create_multipart_upload(Bucket=bucket, Key=info.key, **_said(info), **kind)
        upload = MultipartUpload(self._s3, bucket, info.key, begun["UploadId"])
        try:
            info, sent = self._send(upload, info, pieces)
            if not self._place(bucket, info, lambda **condition: upload.complete(sent, **condition)):
                upload.abort()
        except BaseException as error:
            # Where the store is away, `abort_stale` or the lifecycle rule does it later.
            with suppress(Unavailable):
                upload.abort()
            if isinstance(error, UploadOver):
                raise Unavailable("another hand has ended the upload") from error
            raise
        return info

    def _send(
        self, upload: MultipartUpload, info: ObjectInfo, pieces: Iterable[bytearray]
    ) -> tuple[ObjectInfo, Sequence[Mapping[str, Any]]]:
        sent, digest, size_bytes = [], hashlib.sha256(), 0
        for number, piece in enumerate(pieces, 1):
            digest.update(piece)
            size_bytes += len(piece)
            sent.append(upload.send(number, piece, self._checksum(hashlib.sha256(piece).digest())))
        _require(digest, info)
        return replace(info, size_bytes=size_bytes), sent

    def _place(self, bucket: str, info: ObjectInfo, write: Callable[..., Any]) -> bool:
        """False where the same object was there already: then nothing is written, and whoever reads it goes on."""
        if not self._address.conditional:
            write()
            return True
        try:
            write(IfNoneMatch="*")
        except ClientError as error:
            if code(error) not in _NOT_FIRST:
                raise
            if self._info(bucket, info.key) == info:
                return False
            write()
        return True

    def _get(self, where: Mapping[str, str], further: Mapping[str, str]) -> Any:
        with reaching():
            try:
                return self._s3.get_object(**where, **further)
            except ClientError as error:
                if code(error) != "NoSuchKey":
                    raise
                raise NotFound("there is no such object") from None

    def _sign(self, operation: str, what: Mapping[str, Any], expires_at_ms: int) -> str:
        left_s = expires_at_ms // 1000 - now_ms() // 1000
        # S3 knows no URL for less than a second.
        lasting_s = max(1, min(left_s, _LONGEST_S))
        return str(self._s3.generate_presigned_url(operation, Params=what, ExpiresIn=lasting_s))

    def _checksum(self, sha256: bytes) -> Mapping[str, str]:
        return {"ChecksumSHA256": base64.b64encode(sha256).decode()} if self._has_checksums else {}

    @property
    def _has_checksums(self) -> bool:
        return self._address.service.has_checksums

    def _bucket(self, bucket: str) -> str:
        if bucket not in (RAW, VARIANTS):
            raise BadRequest("there is no such bucket")
        return self._address.bucket(bucket)

    def _where(self, bucket: str, key: str) -> Mapping[str, str]:
        if len(key) > _MAX_KEY_CHARS or not _KEY.fullmatch(key):
            raise BadRequest("no object can have that key")
        return {"Bucket": self._bucket(bucket), "Key": key}

    def _upload(self, multipart_id: str) -> MultipartUpload:
        found = _MULTIPART_ID.fullmatch(multipart_id)
        if found is None:
            raise BadRequest("that is not the id of a multipart upload")
        where = self._where(found[1], found[2])
        return MultipartUpload(self._s3, where["Bucket"], where["Key"], found[3])


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytearray]:
    """The same bytes in pieces of `PART_BYTES`, the last one shorter; one empty piece where there are none."""
    piece, yielded = bytearray(), False
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            taken = rest[: PART_BYTES - len(piece)]
            piece += taken
            rest = rest[len(taken) :]
            if len(piece) == PART_BYTES:
                yield piece
                piece, yielded = bytearray(), True
    if piece or not yielded:
        yield piece


def _said(info: ObjectInfo) -> Mapping[str, Any]:
    said = {"ContentType": info.content_type, "Metadata": {"sha256": info.sha256}}
    return {**said, "CacheControl": info.cache_control} if info.cache_control else said


def _require(digest: Any, info: ObjectInfo) -> None:
    if digest.hexdigest() != info.sha256:
        raise Unprocessable(f"the bytes have the SHA-256 {digest.hexdigest()}, not {info.sha256}")


def _plain(part: Part) -> Part:
    """Stores and clients differ in whether quotes belong to an ETag."""
    return replace(part, etag=part.etag.strip('"'))
