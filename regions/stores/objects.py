"""The objects port: buckets of immutable bytes, multipart uploads and URLs that let others reach the bytes directly.

Keys spread over prefixes: `{2 hash characters}/{photo}` in the bucket `raw` and
`{2 hash characters}/{photo}/{size}.jpg` in the bucket `variants`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from regions.stores.health import CheckResult

RAW, VARIANTS = "raw", "variants"
IMMUTABLE = "public, max-age=31536000, immutable"
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store knows of an object. `sha256` is None where the store never saw the whole (a multipart upload)."""

    key: str
    size_bytes: int
    sha256: str | None
    content_type: str
    cache_control: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A part that has arrived."""

    number: int
    etag: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SignedPart:
    """Where a client PUTs one part. It must send `headers` as they are."""

    number: int
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Objects(Protocol):
    """What has returned survives kill -9.

    Every method raises `Unavailable` where the store can't be reached, and `BadRequest` for a bucket or a key that
    is none of ours: a key is segments of ASCII letters, digits, `_`, `-` and `.`, none of which begins with `-` or `.`.
    """

    def prepare(self) -> None:
        """Makes what the store needs before its first use. Idempotent, and safe by two at once.

        Raises TopologyError where what is there already may not be used.
        """
        ...

    def create_upload(self, bucket: str, key: str) -> str:
        """Begins a multipart upload and returns its id."""
        ...

    def sign_part(self, multipart_id: str, number: int, size_bytes: int, expires_at_ms: int) -> SignedPart:
        """A URL that takes exactly `size_bytes` for that part until it expires. Asks no store."""
        ...

    def list_parts(self, multipart_id: str) -> list[Part]:
        """The parts that have arrived, by number. Empty where the upload is over or unknown."""
        ...

    def complete_upload(self, multipart_id: str, parts: Sequence[Part]) -> None:
        """Makes the object of these parts, in order. Idempotent; raises Conflict where a part is not as said."""
        ...

    def abort_upload(self, multipart_id: str) -> None:
        """Forgets an unfinished upload and its parts. Idempotent."""
        ...

    def list_uploads(self, bucket: str, key: str) -> list[str]:
        """The ids of uploads of this key that are not over; read from where the bytes are, not from an index."""
        ...

    def abort_stale_uploads(self, before_ms: int) -> int:
        """Aborts uploads that began before then, and to which nothing comes any more; returns how many.

        These are what crashes left: the catalog knows of every other.
        """
        ...

    def put(
        self, bucket: str, key: str, chunks: Iterable[bytes], sha256: str, content_type: str, cache_control: str = ""
    ) -> ObjectInfo:
        """Stores the object whole. Where its bytes have another SHA-256, raises Unprocessable and stores nothing."""
        ...

    def info(self, bucket: str, key: str) -> ObjectInfo | None: ...

    def open(self, bucket: str, key: str) -> AbstractContextManager[Iterator[bytes]]:
        """The object's bytes in chunks of at most `CHUNK_BYTES`. Raises NotFound."""
        ...

    def sign_get(self, bucket: str, key: str, expires_at_ms: int) -> str:
        """A URL that gives the object until it expires. Asks no store."""
        ...

    def delete(self, bucket: str, key: str) -> None:
        """Idempotent."""
        ...

    def check_health(self) -> list[CheckResult]:
        """What is well with the store and what is not, found by reading and by writing something of its own.

        What is wrong is a finding and never raised. Bounded in time; leaves nothing behind.
        """
        ...

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every object whose key starts with `prefix`, in no order, read from where the bytes are.

        A store may tell only key and size here, with None and "" for the rest, which `info` knows.
        """
        ...


def raw_key(photo_id: str) -> str:
    return f"{_spread(photo_id)}/{photo_id}"


def variant_prefix(photo_id: str) -> str:
    return f"{_spread(photo_id)}/{photo_id}/"


def variant_key(photo_id: str, size: int) -> str:
    return f"{variant_prefix(photo_id)}{size}.jpg"


def _spread(photo_id: str) -> str:
    return hashlib.sha256(photo_id.encode()).hexdigest()[:2]
