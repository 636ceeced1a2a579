"""The health checks of every objects store: a test object in each bucket, through the port and through signed URLs."""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import urllib3
from urllib3.exceptions import HTTPError

from regions.clock import now_ms
from regions.errors import Unavailable
from regions.stores.health import CheckResult, HealthCheck, Level
from regions.stores.objects import Objects

_DATA = b"a health check"
_TIMEOUT = urllib3.Timeout(connect=3, read=5)
_GOOD_FOR_MS = 60_000
_WRITE = "Allow the region's keys to put, get, list and delete objects and uploads here; look at quota and space."
_SIGNED = (
    "Let clients reach the address that signed URLs name (the object server, or S3's endpoint), and let no proxy change"
    " the URL; the clocks must agree."
)
_PUBLIC = "Take public access away at once: the bucket's policy, its ACL, or a proxy that answers for it."


def checks(objects: Objects, bucket: str) -> list[HealthCheck]:
    return [
        HealthCheck(f"{bucket}: write, read, delete", lambda: _write(objects, bucket), _WRITE),
        HealthCheck(f"{bucket}: signed URLs", lambda: _reach(objects, bucket), _SIGNED),
    ]


def _write(objects: Objects, bucket: str) -> str:
    with _test_object(objects, bucket) as key:
        with objects.open(bucket, key) as chunks:
            if b"".join(chunks) != _DATA:
                raise Unavailable("reading did not return what was written")
        if not any(info.key == key for info in objects.list(bucket, key)):
            raise Unavailable("what was written is not listed")
        objects.abort_upload(objects.create_upload(bucket, key))
    if objects.info(bucket, key) is not None:
        raise Unavailable("what was deleted is still there")
    return "done"


def _reach(objects: Objects, bucket: str) -> str | CheckResult:
    """The URL serves the object, and without its signature it does not."""
    with _test_object(objects, bucket) as key, urllib3.PoolManager(timeout=_TIMEOUT, retries=False) as http:
        url = objects.sign_get(bucket, key, now_ms() + _GOOD_FOR_MS)
        status, data = _get(http, url)
        if (status, data) != (200, _DATA):
            raise Unavailable(f"a signed URL does not serve its object: {status}")
        status, data = _get(http, url.partition("?")[0])
    if data == _DATA:
        return CheckResult(f"{bucket}: signed URLs", Level.FAILURE, "anybody may read it, without a signature", _PUBLIC)
    return f"serve the object; without a signature {status}"


def _get(http: urllib3.PoolManager, url: str) -> tuple[int, bytes]:
    try:
        response = http.request("GET", url)
    except HTTPError as error:
        raise Unavailable(f"a signed URL can't be reached: {type(error).__name__}") from error
    return response.status, response.data


@contextmanager
def _test_object(objects: Objects, bucket: str) -> Iterator[str]:
    """An object that exists during the block. Its key has no slash, which would leave a folder on a disk."""
    key = f"health-check-{secrets.token_hex(8)}"
    objects.put(bucket, key, [_DATA], hashlib.sha256(_DATA).hexdigest(), "text/plain")
    try:
        yield key
    finally:
        objects.delete(bucket, key)
