"""Shared by the tests of object stores: bytes, hashes, and shortcuts to put, read, list and send."""

import hashlib
import random

import urllib3

from regions.stores.objects import IMMUTABLE, VARIANTS, ObjectInfo, Objects


def grain(size_bytes: int, seed: int = 1) -> bytes:
    """Random bytes, the same for the same seed."""
    return random.Random(seed).randbytes(size_bytes)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def put(objects: Objects, key: str, data: bytes, bucket: str = VARIANTS) -> ObjectInfo:
    return objects.put(bucket, key, [data], sha256(data), "image/jpeg", IMMUTABLE)


def whole(objects: Objects, bucket: str, key: str) -> bytes:
    with objects.open(bucket, key) as chunks:
        return b"".join(chunks)


def keys(objects: Objects, bucket: str, prefix: str = "") -> list[str]:
    return sorted(info.key for info in objects.list(bucket, prefix))


def send(method: str, url: str, body: bytes | None = None, **headers: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request(method, url, body=body, headers=headers, retries=False, timeout=20)
