"""Reads of S3: an object's metadata, and its bytes, resumed when a connection breaks."""

import base64
import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from regions.errors import NotFound, Unavailable
from regions.retry import backoff_s
from regions.stores.object_rules import UNKNOWN_TYPE
from regions.stores.objects import CHUNK_BYTES, ObjectInfo
from regions.stores.s3.session import CONNECTION_ERRORS, errors_as_unavailable, status

# After so many breaks in a row, without a whole chunk in between, the download fails.
_MOST_BREAKS = 4


def find_info(s3: Any, bucket: str, key: str) -> ObjectInfo | None:
    """The metadata of an object; None if S3 has none. `bucket` is S3's name of it. Raises Unavailable."""
    with errors_as_unavailable():
        try:
            head = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            if status(error) != 404:
                raise
            return None
    sha256, content_type = _sha256(head), head.get("ContentType", UNKNOWN_TYPE)
    return ObjectInfo(key, head["ContentLength"], sha256, content_type, head.get("CacheControl", ""))


def _sha256(head: Mapping[str, Any]) -> str | None:
    """The checksum that the store has computed of a whole object. That of an object in several parts is not one of its
    bytes; `Puts` writes the hash of those itself, into the metadata."""
    try:
        checksum = base64.b64decode(head.get("ChecksumSHA256", ""), validate=True)
    except ValueError:
        checksum = b""
    return checksum.hex() if len(checksum) == 32 else head["Metadata"].get("sha256")


class Download:
    """`get` calls GetObject for the object, with additional parameters. `close` the download at the end."""

    def __init__(self, get: Callable[..., Any]) -> None:
        self._get, response = get, get()
        self._body, self._etag, self._size_bytes = response["Body"], response["ETag"], response["ContentLength"]

    def chunks(self) -> Iterator[bytes]:
        """Raises Unavailable if the store stays unavailable, and if another object has replaced this one."""
        received_bytes = breaks = 0
        while received_bytes < self._size_bytes:
            wanted_bytes = min(CHUNK_BYTES, self._size_bytes - received_bytes)
            try:
                chunk = self._body.read(wanted_bytes)
                complete = len(chunk) == wanted_bytes
            except CONNECTION_ERRORS:
                complete = False
            if complete:
                yield chunk
                received_bytes, breaks = received_bytes + wanted_bytes, 0
                continue
            breaks += 1
            if breaks == _MOST_BREAKS:
                raise Unavailable("the connection to the object store keeps breaking")
            time.sleep(backoff_s(breaks, random.random))
            self._resume(received_bytes)

    def close(self) -> None:
        self._body.close()

    def _resume(self, received_bytes: int) -> None:
        """Requests the rest. If-Match makes it the rest of the same object: a resumed download must never join the
        beginning of one object to the end of another."""
        self._body.close()
        try:
            response = self._get(Range=f"bytes={received_bytes}-", IfMatch=self._etag)
        except (NotFound, ClientError) as error:
            # The ETag is a different one, or the object was deleted or is too short by now.
            raise Unavailable("the object changed while it was read") from error
        self._body = response["Body"]
        # A store that ignores ranges or conditions would send other bytes than those that are missing.
        if (response["ETag"], response["ContentLength"]) != (self._etag, self._size_bytes - received_bytes):
            raise Unavailable("the object store did not send the rest of the object")
