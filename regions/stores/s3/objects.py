"""The objects port over S3, or a store with the same protocol. It has two buckets, which `buckets` sets up."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from botocore.utils import get_environ_proxies

from regions.clock import now_ms
from regions.errors import BadRequest, NotFound
from regions.stores.health import CheckResult
from regions.stores.object_rules import (
    BUCKETS,
    KEY,
    SEGMENT,
    UNKNOWN_TYPE,
    invalid_multipart_id,
    part_mismatch,
    require_bucket,
    require_bucket_and_key,
    require_completed,
    require_part_number,
    require_part_order,
    require_sendable,
)
from regions.stores.objects import RAW, ObjectInfo, Part, SignedPart, SignedPut
from regions.stores.s3 import health
from regions.stores.s3.download import Download, find_info
from regions.stores.s3.puts import Puts
from regions.stores.s3.reads import Reads
from regions.stores.s3.session import Credentials, S3Address, code, connect, errors_as_unavailable, list_all
from regions.stores.s3.signing import signed_url
from regions.stores.s3.stamped_buckets import read_stamp
from regions.stores.s3.upload import MultipartUpload, UploadEnded
from regions.stores.stamp import StampCheck, StoreRegion

_MAX_URL_AGE_S = 7 * 24 * 3600
"""No signed URL is valid for longer (AWS, "Authenticating Requests: Using Query Parameters")."""

# `{bucket}~{key}~{S3's own id}`. No key contains `~`; S3's id may contain anything printable.
_MULTIPART_ID = re.compile(f"({'|'.join(BUCKETS)})~({KEY.pattern})~([!-~]{{1,1024}})")
_PREFIX = re.compile(f"(?:{SEGMENT}/)*(?:{SEGMENT})?")


class S3Objects:
    """Any number of threads may use it, but not a process that was forked from this one.

    The stamp of the buckets is checked before the first use. Later, a missing bucket is Unavailable, except in `info`:
    for HEAD, S3 reports it like a missing object.
    """

    def __init__(self, address: S3Address, credentials: Credentials, ours: StoreRegion) -> None:
        self._address, self._credentials = address, credentials
        self._s3 = connect(address.service, credentials)
        # A proxy of this machine's environment is boto3's to find and to speak to.
        has_proxy = get_environ_proxies(address.object_url(address.bucket(RAW), ""))
        self._reads = self._s3 if has_proxy else Reads(address, credentials)
        self._puts = Puts(self._s3, address)
        self._stamp = StampCheck(ours, partial(read_stamp, address, credentials))

    def create_upload(self, bucket: str, key: str) -> str:
        with errors_as_unavailable():
            created = self._s3.create_multipart_upload(**self._locate(bucket, key), ContentType=UNKNOWN_TYPE)
        return f"{bucket}~{key}~{created['UploadId']}"

    def sign_part(self, multipart_id: str, number: int, size_bytes: int, expires_at_ms: int) -> SignedPart:
        """The length is signed: with a body of another length, the signature is not valid."""
        upload = self._upload(multipart_id)
        require_part_number(number)
        request = {**upload.location, "PartNumber": number, "ContentLength": size_bytes}
        url = self._s3.generate_presigned_url("upload_part", Params=request, ExpiresIn=_valid_s(expires_at_ms))
        return SignedPart(number, str(url))

    def list_parts(self, multipart_id: str) -> list[Part]:
        try:
            return self._upload(multipart_id).arrived()
        except UploadEnded:
            return []

    def complete_upload(self, multipart_id: str, parts: Sequence[Part]) -> None:
        upload = self._upload(multipart_id)
        require_part_order(parts)
        try:
            # S3 compares only ETags. Some stores accept a part of another size than was signed, so sizes are
            # compared here.
            arrived = {_without_quotes(part) for part in upload.arrived()}
            for part in parts:
                if _without_quotes(part) not in arrived:
                    raise part_mismatch(part.number)
            upload.complete([{"PartNumber": part.number, "ETag": part.etag} for part in parts])
        except UploadEnded:
            # Aborted; or completed, perhaps by an attempt of ours whose response was lost. The object shows which.
            require_completed(find_info(self._s3, upload.bucket, upload.key), parts)

    def abort_upload(self, multipart_id: str) -> None:
        self._upload(multipart_id).abort()

    def list_uploads(self, bucket: str, key: str) -> list[str]:
        location = self._locate(bucket, key)
        uploads = list_all(self._s3, "list_multipart_uploads", "Uploads", {"Bucket": location["Bucket"], "Prefix": key})
        return [f"{bucket}~{key}~{found['UploadId']}" for found in uploads if found["Key"] == key]

    def abort_stale_uploads(self, before_ms: int) -> int:
        """Earlier than the lifecycle rule would, and also in stores that have no such rules."""
        self._stamp.require()
        return sum(self._abort_stale(self._address.bucket(bucket), before_ms) for bucket in BUCKETS)

    def put(
        self, bucket: str, key: str, chunks: Iterable[bytes], sha256: str, content_type: str, cache_control: str = ""
    ) -> ObjectInfo:
        """An object that does not fit into one part is sent as a multipart upload; at most three parts are in memory
        at a time."""
        location = self._locate(bucket, key)
        return self._puts.put(location["Bucket"], ObjectInfo(key, 0, sha256, content_type, cache_control), chunks)

    def info(self, bucket: str, key: str) -> ObjectInfo | None:
        location = self._locate(bucket, key)
        return find_info(self._reads, location["Bucket"], key)

    @contextmanager
    def open(self, bucket: str, key: str) -> Iterator[Iterator[bytes]]:
        download = Download(lambda **parameters: self._get(self._locate(bucket, key), parameters))
        try:
            yield download.chunks()
        finally:
            download.close()

    def sign_get(self, bucket: str, key: str, expires_at_ms: int) -> str:
        return self._signed("GET", self._locate(bucket, key), {}, expires_at_ms)

    def sign_put(self, bucket: str, info: ObjectInfo, expires_at_ms: int) -> SignedPut:
        """The URL must not have expired when the first byte arrives. How long the rest may take, only the store limits:
        versitygw 1.8 still waits for it more than a minute after the URL has expired.

        S3 refuses every further header with `x-amz-`, but lets a sender add Content-Encoding, -Disposition, -Language,
        Expires and, where none is signed, Cache-Control. Stores that lack checksums or conditions: see
        `Puts.headers_to_send`.
        """
        require_sendable(info)
        location = self._locate(bucket, info.key)
        headers = self._puts.headers_to_send(info)
        signed = {**headers, "Content-Length": str(info.size_bytes)}
        return SignedPut(self._signed("PUT", location, signed, expires_at_ms), headers)

    def delete(self, bucket: str, key: str) -> None:
        location = self._locate(bucket, key)
        with errors_as_unavailable():
            self._s3.delete_object(**location)

    def check_health(self) -> list[CheckResult]:
        return health.check_health(self._address, self._credentials, self)

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """One request for a thousand objects. S3 lists only their keys and sizes."""
        if not _PREFIX.fullmatch(prefix):
            raise BadRequest("no key can start with this")
        require_bucket(bucket)
        self._stamp.require()
        query = {"Bucket": self._address.bucket(bucket), "Prefix": prefix}
        contents = list_all(self._s3, "list_objects_v2", "Contents", query)
        return (ObjectInfo(found["Key"], found["Size"], None, "") for found in contents)

    def _abort_stale(self, bucket: str, before_ms: int) -> int:
        before, stale = datetime.fromtimestamp(before_ms / 1000, UTC), 0
        # All pages first: an upload that we abort may be the marker from which the next page continues.
        for found in [*list_all(self._s3, "list_multipart_uploads", "Uploads", {"Bucket": bucket})]:
            upload = MultipartUpload(self._s3, bucket, found["Key"], found["UploadId"])
            # UploadEnded: another process has ended it in the meantime, which is just as good.
            with suppress(UploadEnded):
                if found["Initiated"] < before and upload.is_unchanged_since(before):
                    upload.abort()
                    stale += 1
        return stale

    def _get(self, location: Mapping[str, str], parameters: Mapping[str, str]) -> Any:
        with errors_as_unavailable():
            try:
                return self._reads.get_object(**location, **parameters)
            except ClientError as error:
                if code(error) != "NoSuchKey":
                    raise
                raise NotFound("there is no such object") from None

    def _signed(self, method: str, location: Mapping[str, str], headers: Mapping[str, str], expires_at_ms: int) -> str:
        at, keys = datetime.now(UTC), (self._credentials.access_key, self._credentials.secret_key)
        url = self._address.object_url(location["Bucket"], location["Key"])
        return signed_url(method, url, headers, keys, self._address.service.region, at, _valid_s(expires_at_ms))

    def _locate(self, bucket: str, key: str) -> Mapping[str, str]:
        require_bucket_and_key(bucket, key)
        self._stamp.require()
        return {"Bucket": self._address.bucket(bucket), "Key": key}

    def _upload(self, multipart_id: str) -> MultipartUpload:
        found = _MULTIPART_ID.fullmatch(multipart_id)
        if found is None:
            raise invalid_multipart_id()
        location = self._locate(found[1], found[2])
        return MultipartUpload(self._s3, location["Bucket"], found[2], found[3])


def _valid_s(expires_at_ms: int) -> int:
    """S3 has no URLs that are valid for less than a second."""
    return max(1, min(expires_at_ms // 1000 - now_ms() // 1000, _MAX_URL_AGE_S))


def _without_quotes(part: Part) -> Part:
    """Stores and clients differ in whether an ETag includes its quotes."""
    return replace(part, etag=part.etag.strip('"'))
