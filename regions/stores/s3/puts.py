"""Puts to S3: a small object in one request, a large one as a multipart upload.

The SHA-256 of the whole is stored as the object's metadata `sha256`. It travels with the request headers, before the
bytes, so it must be known beforehand; it is compared with the hash of the bytes before the object becomes visible.
The store itself checks each body that it receives, against its own checksum or the signed hash.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import Any

from botocore.exceptions import ClientError

from regions.errors import Unavailable
from regions.stores.object_rules import require_sha256
from regions.stores.objects import ObjectInfo
from regions.stores.s3.download import find_info
from regions.stores.s3.session import S3Address, code, errors_as_unavailable
from regions.stores.s3.upload import MultipartUpload, UploadEnded

# How much a put keeps in memory. S3 accepts 5 MiB to 5 GiB for every part but the last.
PART_BYTES = 8 << 20

# The second code means that another write of the key is in progress. It also ends our upload (AWS,
# "CompleteMultipartUpload"), so completing it again is then Unavailable.
_CONDITION_FAILED = {"PreconditionFailed", "ConditionalRequestConflict"}


_HEADER_NAMES = {
    "ContentType": "Content-Type",
    "CacheControl": "Cache-Control",
    "IfNoneMatch": "If-None-Match",
    "ChecksumSHA256": "x-amz-checksum-sha256",
}


class Puts:
    """Writes of whole objects. `bucket` is S3's name of the bucket in all methods."""

    def __init__(self, s3: Any, address: S3Address) -> None:
        self._s3, self._conditional = s3, address.conditional
        self._accepts_checksums = address.service.accepts_checksums

    def put(self, bucket: str, info: ObjectInfo, chunks: Iterable[bytes]) -> ObjectInfo:
        """Returns `info` with the size in it. Raises Unprocessable if the bytes have another SHA-256."""
        pieces = _pieces(chunks)
        first = next(pieces)
        if len(first) < PART_BYTES:
            return self._put_at_once(bucket, replace(info, size_bytes=len(first)), first)
        return self._put_in_parts(bucket, info, chain([first], pieces))

    def headers_to_send(self, info: ObjectInfo) -> Mapping[str, str]:
        """For a put by somebody else: the headers that go with the URL, and that are signed.

        The hash is signed as a checksum, and not as metadata, so that `info` has it only if the store has computed it.
        A store without conditions takes the same bytes again, until the URL expires. Raises Unavailable if it has no
        checksums either: the sender could replace the bytes after they were read and found good.
        """
        if not (self._accepts_checksums or self._conditional):
            raise Unavailable("the object store can compare no SHA-256 and knows no If-None-Match")
        condition = {"IfNoneMatch": "*"} if self._conditional else {}
        checksum = self._checksum(bytes.fromhex(str(info.sha256)))
        request = {**_headers(info), **checksum, **condition}
        return {_HEADER_NAMES[name]: value for name, value in request.items()}

    def _put_at_once(self, bucket: str, info: ObjectInfo, body: bytearray) -> ObjectInfo:
        digest = hashlib.sha256(body)
        require_sha256(digest.hexdigest(), str(info.sha256))
        request = {"Bucket": bucket, "Key": info.key, "Body": body, **_headers_with_hash(info)}
        request |= self._checksum(digest.digest())
        with errors_as_unavailable():
            self._write_unless_same(bucket, info, lambda **condition: self._s3.put_object(**request, **condition))
        return info

    def _put_in_parts(self, bucket: str, info: ObjectInfo, pieces: Iterable[bytearray]) -> ObjectInfo:
        kind = {"ChecksumAlgorithm": "SHA256", "ChecksumType": "COMPOSITE"} if self._accepts_checksums else {}
        with errors_as_unavailable():
            created = self._s3.create_multipart_upload(Bucket=bucket, Key=info.key, **_headers_with_hash(info), **kind)
        upload = MultipartUpload(self._s3, bucket, info.key, created["UploadId"])
        try:
            info, sent = self._send(upload, info, pieces)
            if not self._write_unless_same(bucket, info, lambda **condition: upload.complete(sent, **condition)):
                upload.abort()
        except BaseException as error:
            # If the store is unavailable, `abort_stale_uploads` or the lifecycle rule removes the parts later.
            with suppress(Unavailable):
                upload.abort()
            if isinstance(error, UploadEnded):
                raise Unavailable("another process has ended the upload") from error
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
        require_sha256(digest.hexdigest(), str(info.sha256))
        return replace(info, size_bytes=size_bytes), sent

    def _write_unless_same(self, bucket: str, info: ObjectInfo, write: Callable[..., Any]) -> bool:
        """Writes, unless the very same object is there already. Returns whether it wrote.

        Leaving the same object alone lets a download that is in progress be resumed: it continues by ETag, and a
        rewrite may change that. Nearly all keys are new, so reading first would cost every put a request. Instead
        the first write has `If-None-Match: *`, which fails if the key exists. Only then the put reads what is there:

        - the same object, perhaps from an earlier attempt whose response was lost: done;
        - a different one: write again, without the condition, and replace it.
        """
        if not self._conditional:
            write()
            return True
        try:
            write(IfNoneMatch="*")
        except ClientError as error:
            if code(error) not in _CONDITION_FAILED:
                raise
            if find_info(self._s3, bucket, info.key) == info:
                return False
            write()
        return True

    def _checksum(self, sha256: bytes) -> Mapping[str, str]:
        return {"ChecksumSHA256": base64.b64encode(sha256).decode()} if self._accepts_checksums else {}


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytearray]:
    """The same bytes in pieces of `PART_BYTES`, the last one shorter; one empty piece if there are no bytes."""
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


def _headers(info: ObjectInfo) -> Mapping[str, Any]:
    cache = {"CacheControl": info.cache_control} if info.cache_control else {}
    return {"ContentType": info.content_type, **cache}


def _headers_with_hash(info: ObjectInfo) -> Mapping[str, Any]:
    return {**_headers(info), "Metadata": {"sha256": info.sha256}}
