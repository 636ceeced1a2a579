"""The rules of the objects port that every adapter checks in the same way. Pure.

Which buckets and keys exist, how parts are numbered and ordered, what a signed put may promise, and when an upload or a
put has kept its promise.
The format of a multipart id belongs to each adapter, but it is built from the same key segments.
"""

import re
from collections.abc import Sequence

from regions.errors import BadRequest, Conflict, Unprocessable
from regions.image_limits import MAX_RAW_BYTES
from regions.stores.objects import RAW, VARIANTS, ObjectInfo, Part
from regions.untrusted_text import SHA256

BUCKETS = (RAW, VARIANTS)
UNKNOWN_TYPE = "application/octet-stream"
"""The content type of an object that was uploaded in parts: the store never learns a better one."""

# A segment does not begin with a dot and contains neither `/` nor `~`. So no key can leave its bucket or name a
# hidden file, and every adapter can use `~` as a separator in its multipart ids.
SEGMENT = "[A-Za-z0-9_][A-Za-z0-9._-]*"
KEY = re.compile(f"{SEGMENT}(?:/{SEGMENT})*")
MAX_KEY_CHARS = 200
MAX_PARTS = 10_000
# No two spaces in a row: S3's signatures count them as one.
_FIELD_VALUE = re.compile("[!-~]+(?: [!-~]+)*")
_MAX_FIELD_CHARS = 200


def require_bucket(bucket: str) -> None:
    if bucket not in BUCKETS:
        raise BadRequest("there is no such bucket")


def require_bucket_and_key(bucket: str, key: str) -> None:
    """Raises BadRequest unless an object with this key can exist in this bucket."""
    if len(key) > MAX_KEY_CHARS or not KEY.fullmatch(key):
        raise BadRequest("no object can have that key")
    require_bucket(bucket)


def require_sendable(info: ObjectInfo) -> None:
    """Raises BadRequest unless a URL can be signed for a put of this object: all of it becomes part of a request.

    No object is larger than a raw. An object may have no cache control.
    """
    if not 0 <= info.size_bytes <= MAX_RAW_BYTES:
        raise BadRequest(f"an object has 0 to {MAX_RAW_BYTES} bytes")
    if not SHA256.fullmatch(info.sha256 or ""):
        raise BadRequest("a SHA-256 is 64 hexadecimal digits, in lower case")
    for value in (info.content_type, info.cache_control or "-"):
        if len(value) > _MAX_FIELD_CHARS or not _FIELD_VALUE.fullmatch(value):
            raise BadRequest("that is not the value of a Content-Type or Cache-Control header")


def require_part_number(number: int) -> None:
    if not 1 <= number <= MAX_PARTS:
        raise BadRequest(f"parts are numbered from 1 to {MAX_PARTS}")


def require_part_order(parts: Sequence[Part]) -> None:
    numbers = [part.number for part in parts]
    if not numbers or numbers != sorted(set(numbers)):
        raise Conflict("an object consists of at least one part, each listed once, in order")


def require_completed(found: ObjectInfo | None, parts: Sequence[Part]) -> None:
    """For an upload that is over: was it completed with these parts, or aborted? The size of the object tells.

    This makes `complete_upload` idempotent. A caller that lost the response repeats the call, and it succeeds.
    """
    if found is None or found.size_bytes != sum(part.size_bytes for part in parts):
        raise Conflict("the upload is over and did not become this object")


def part_mismatch(number: int) -> Conflict:
    return Conflict(f"part {number} has not arrived as described")


def invalid_multipart_id() -> BadRequest:
    return BadRequest("that is not the id of a multipart upload")


def require_sha256(actual: str, expected: str) -> None:
    """Both in hexadecimal."""
    if actual != expected:
        raise Unprocessable(f"the bytes have the SHA-256 {actual}, not {expected}")
