"""Shared by the tests of object stores: bytes, hashes, altered URLs, and shortcuts to put, read, list and send."""

import hashlib
import random
from collections.abc import Iterator

import urllib3

from regions.stores.objects import IMMUTABLE, VARIANTS, ObjectInfo, Objects


def grain(size_bytes: int, seed: int = 1) -> bytes:
    """Random bytes, the same for the same seed."""
    return random.Random(seed).randbytes(size_bytes)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def image(key: str, data: bytes, content_type: str = "image/jpeg", cache_control: str = IMMUTABLE) -> ObjectInfo:
    """What a store knows of these bytes."""
    return ObjectInfo(key, len(data), sha256(data), content_type, cache_control)


def put(objects: Objects, key: str, data: bytes, bucket: str = VARIANTS) -> ObjectInfo:
    return objects.put(bucket, key, [data], sha256(data), "image/jpeg", IMMUTABLE)


def whole(objects: Objects, bucket: str, key: str) -> bytes:
    with objects.open(bucket, key) as chunks:
        return b"".join(chunks)


def keys(objects: Objects, bucket: str, prefix: str = "") -> list[str]:
    return sorted(info.key for info in objects.list(bucket, prefix))


def send(
    method: str, url: str, body: bytes | Iterator[bytes] | None = None, **headers: str
) -> urllib3.BaseHTTPResponse:
    return urllib3.request(method, url, body=body, headers=headers, retries=False, timeout=20)


def with_other_end(text: str) -> str:
    return text[:-1] + ("1" if text[-1] == "0" else "0")


def altered_urls(url: str) -> list[str]:
    """Variants of the URL with one change each: at the end of its path, or at the end of a value in its query."""
    path, _, query = url.partition("?")
    pairs = query.split("&")
    changed = [[*pairs[:at], with_other_end(pair), *pairs[at + 1 :]] for at, pair in enumerate(pairs)]
    return [f"{with_other_end(path)}?{query}", *(f"{path}?{'&'.join(pairs)}" for pairs in changed)]
