"""The objects port: buckets of immutable bytes, multipart uploads and URLs that let others reach the bytes directly.

Keys spread over prefixes: `{2 hash characters}/{photo}` in the bucket `raw` and
`{2 hash characters}/{photo}/{variant's name}` in the bucket `variants` (`regions.variant_names`).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from regions.stores.health import CheckResult

RAW, VARIANTS = "raw", "variants"
IMMUTABLE = "public, max-age=31536000, immutable"
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store knows of an object. `sha256` is None if the store has not computed it, as for a multipart upload."""

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


@dataclass(frozen=True, slots=True)
class SignedPut:
    """Where somebody PUTs one whole object. They must send `headers` as they are, and Content-Length."""

    url: str
    headers: Mapping[str, str]


class Objects(Protocol):
    """A write that has returned survives kill -9.

    Every method raises `Unavailable` if the store can't be reached, and `BadRequest` for an unknown bucket or an
    invalid key. A key consists of segments, separated by `/`, of ASCII letters, digits, `_`, `-` and `.`; no segment
    begins with `-` or `.` (see `object_rules`).
    """

    def create_upload(self, bucket: str, key: str) -> str:
        """Begins a multipart upload and returns its id."""
        ...

    def sign_part(self, multipart_id: str, number: int, size_bytes: int, expires_at_ms: int) -> SignedPart:
        """A URL that takes exactly `size_bytes` for that part until it expires. Sends no request."""
        ...

    def list_parts(self, multipart_id: str) -> list[Part]:
        """The parts that have arrived, by number. Empty if the upload is over or unknown."""
        ...

    def complete_upload(self, multipart_id: str, parts: Sequence[Part]) -> None:
        """Joins these parts, in order, into the object. Idempotent. Raises Conflict if a part is not as described."""
        ...

    def abort_upload(self, multipart_id: str) -> None:
        """Removes an unfinished upload and its parts. Idempotent."""
        ...

    def list_uploads(self, bucket: str, key: str) -> list[str]:
        """The ids of the unfinished uploads of this key, read from the store of the bytes, not from an index."""
        ...

    def abort_stale_uploads(self, before_ms: int) -> int:
        """Aborts uploads that began before `before_ms` and have not received a part since; returns how many.

        For uploads that a crash has left without a record in the catalog. The caller chooses `before_ms` so far back
        that the catalog has no record of an older one.
        """
        ...

    def put(
        self, bucket: str, key: str, chunks: Iterable[bytes], sha256: str, content_type: str, cache_control: str = ""
    ) -> ObjectInfo:
        """Stores the whole object. If its bytes have another SHA-256, raises Unprocessable and stores nothing."""
        ...

    def info(self, bucket: str, key: str) -> ObjectInfo | None: ...

    def open(self, bucket: str, key: str) -> AbstractContextManager[Iterator[bytes]]:
        """The object's bytes in chunks of at most `CHUNK_BYTES`. Raises NotFound."""
        ...

    def sign_get(self, bucket: str, key: str, expires_at_ms: int) -> str:
        """A URL that serves the object until it expires. Sends no request."""
        ...

    def sign_put(self, bucket: str, info: ObjectInfo, expires_at_ms: int) -> SignedPut:
        """A URL that takes exactly this object, once: checksum, length, type and `If-None-Match: *` are signed.

        Sends no request. Raises BadRequest for what can't be signed (`object_rules.require_sendable`). The sender gets

        - 200: the object is stored as by `put`, and `info` has what was signed. From a store that can't compare a
          SHA-256, it has None as the hash: then the bytes have to be read before they count;
        - 412: there is an object already, whichever it is;
        - 400: these are other bytes, or they ended early;
        - 403: the URL has expired or was altered, or a header is missing or another one;
        - 400, 403 or 413: the body has another length;
        - 409, from some stores: somebody else is writing this object at the moment.

        Only a 200 changes anything. A request that has no response may have been carried out: sent again it gets 412.
        "Once" ends with the object: when it is deleted, the URL, until it expires, brings it back; and so does a body
        that began to arrive before, at some stores however slowly it comes.
        """
        ...

    def delete(self, bucket: str, key: str) -> None:
        """Idempotent."""
        ...

    def check_health(self) -> list[CheckResult]:
        """Checks the store by reading, and by writing test objects.

        A problem is a result and never raised. Takes a bounded time and leaves nothing behind.
        """
        ...

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every object whose key starts with `prefix`, in no particular order, read from the store of the bytes.

        A store may list only key and size, with None and "" for the rest. `info` has all of it.
        """
        ...


def raw_key(photo_id: str) -> str:
    return f"{_spread(photo_id)}/{photo_id}"


def variant_prefix(photo_id: str) -> str:
    return f"{_spread(photo_id)}/{photo_id}/"


def variant_key(photo_id: str, name: str) -> str:
    return f"{variant_prefix(photo_id)}{name}"


def _spread(photo_id: str) -> str:
    return hashlib.sha256(photo_id.encode()).hexdigest()[:2]


class ObjectServerApplication(Protocol):
    """The WSGI application of a store that clients reach through a process of ours."""

    max_body_bytes: int

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any], /) -> Iterable[bytes]: ...

    def takes_body(self, method: str, path: str, query: str, size_bytes: int) -> bool:
        """Whether a body of `size_bytes` sent with this head may be kept. Does not wait."""
