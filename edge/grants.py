"""A grant: the facts about one image, as its origin states them. What may be done with it, `permissions` decides. Pure.

Between edges it travels in headers: `Darkroom-Grant` (RFC 9651), `Repr-Digest` (RFC 9530), `Content-Length` and
`Age`. Anything that does not parse exactly counts as no grant. Without a grant, nothing is cached and nothing served.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from regions.errors import BadGateway
from regions.untrusted_text import SHA256
from regions.variant_names import CONTENT_TYPES

GRANT_HEADER = "Darkroom-Grant"
MAX_IMAGE_BYTES = 16 * 1024 * 1024
_MAX_CLASS = 80

_GRANT = re.compile(r'class="((?:[ !#-\[\]-~]|\\["\\]){1,160})", cache=\?([01])')
_DIGEST = re.compile("sha-256=:([A-Za-z0-9+/]{43}=):")
_NUMBER = re.compile("[0-9]{1,10}")


class Key(NamedTuple):
    """One variant of one photo. `name` is one that `variant_names.parse` reads."""

    photo_id: str
    name: str

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.name.rpartition(".")[2]]


@dataclass(frozen=True, slots=True)
class Grant:
    """An image's hash, its owner's residency class, and its home. The origin stated them at `at_s` on this process's
    clock. `sender_caches` is false if the shield that passed it on says that this edge may not cache it."""

    sha256: str
    residency_class: str
    home: str
    at_s: float
    sender_caches: bool = True

    @property
    def etag(self) -> str:
        return f'"{self.sha256}"'

    @property
    def digest(self) -> str:
        """Repr-Digest's value."""
        return f"sha-256=:{base64.b64encode(bytes.fromhex(self.sha256)).decode()}:"


def to_header(grant: Grant, cache: bool) -> str:
    """`cache` is what the sender decides for the receiver's place."""
    name = "".join(char if " " <= char <= "~" else "?" for char in grant.residency_class)
    name = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'class="{name}", cache=?{int(cache)}'


def from_shield(headers: Mapping[str, str], home: str, now_s: float) -> tuple[Grant, int]:
    """From a shield's 200: the grant, and the length of the body. Raises BadGateway."""
    digest, size = _DIGEST.fullmatch(headers.get("Repr-Digest", "")), headers.get("Content-Length", "")
    if digest is None or not _NUMBER.fullmatch(size):
        raise BadGateway("the shield's response has no digest or no length")
    return renewed(base64.b64decode(digest[1]).hex(), headers, home, now_s), _checked_size(int(size))


def renewed(sha256: str, headers: Mapping[str, str], home: str, now_s: float) -> Grant:
    """From a shield's 304, which confirms bytes that are cached here. Raises BadGateway."""
    found, age = _GRANT.fullmatch(headers.get(GRANT_HEADER, "")), headers.get("Age", "")
    if found is None or not _NUMBER.fullmatch(age):
        raise BadGateway("the shield's response has no readable grant")
    return Grant(sha256, re.sub(r"\\(.)", r"\1", found[1]), home, now_s - int(age), found[2] == "1")


@dataclass(frozen=True, slots=True)
class OriginGrant:
    """An origin's response: the grant, and where the bytes are."""

    grant: Grant
    url: str
    size_bytes: int


def from_origin(document: Any, home: str, now_s: float) -> OriginGrant:
    """Raises BadGateway."""
    try:
        url, sha256, size_bytes = str(document["url"]), str(document["sha256"]), document["size_bytes"]
        residency_class = document["residency_class"]
    except (KeyError, TypeError) as error:
        raise BadGateway("the origin's response has no readable grant") from error
    if not isinstance(residency_class, str) or not 0 < len(residency_class) <= _MAX_CLASS:
        raise BadGateway("the origin's response has no readable grant")
    if type(size_bytes) is not int or not SHA256.fullmatch(sha256):
        raise BadGateway("the origin's response has no readable grant")
    return OriginGrant(Grant(sha256, residency_class, home, now_s), url, _checked_size(size_bytes))


def _checked_size(size_bytes: int) -> int:
    if not 0 < size_bytes <= MAX_IMAGE_BYTES:
        raise BadGateway(f"an edge transfers images of 1 to {MAX_IMAGE_BYTES} bytes")
    return size_bytes
