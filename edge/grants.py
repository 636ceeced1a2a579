"""The origin's response about one image: its hash and size, and whether a place may serve and cache it. Pure.

Between edges it travels in headers: `Darkroom-Grant` (RFC 9651), `Repr-Digest` (RFC 9530), `Content-Length` and
`Age`. Anything that does not parse exactly counts as no grant. Without a grant, nothing is cached and nothing served.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from regions.errors import BadGateway, ResidencyDenied
from regions.variant_names import CONTENT_TYPES

GRANT_HEADER = "Darkroom-Grant"
MAX_IMAGE_BYTES = 16 * 1024 * 1024

_GRANT = re.compile(r'serve=\?([01]), cache=\?([01]); ?rule="((?:[ !#-\[\]-~]|\\["\\])*)"')
_SHA256 = re.compile("[0-9a-f]{64}")
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
class Permission:
    """What a place may do with an image. `rule` is the policy rule that decided, by file and line."""

    serve: bool
    cache: bool
    rule: str


@dataclass(frozen=True, slots=True)
class PlaceGrant:
    """An image's hash, and what one place may do with it. The origin gave both at `at_s` on this process's clock."""

    sha256: str
    permission: Permission
    at_s: float

    @property
    def etag(self) -> str:
        return f'"{self.sha256}"'

    @property
    def digest(self) -> str:
        """Repr-Digest's value."""
        return f"sha-256=:{base64.b64encode(bytes.fromhex(self.sha256)).decode()}:"


def to_header(permission: Permission) -> str:
    rule = "".join(char if " " <= char <= "~" else "?" for char in permission.rule)
    rule = rule.replace("\\", "\\\\").replace('"', '\\"')
    return f'serve=?{int(permission.serve)}, cache=?{int(permission.cache)}; rule="{rule}"'


def from_header(text: str) -> Permission | None:
    found = _GRANT.fullmatch(text)
    if found is None:
        return None
    return Permission(found[1] == "1", found[2] == "1", re.sub(r"\\(.)", r"\1", found[3]))


def require_serve(grant: PlaceGrant) -> None:
    """Raises ResidencyDenied, with the rule."""
    if not grant.permission.serve:
        raise ResidencyDenied("the image may not be shown from here", grant.permission.rule)


def from_shield(headers: Mapping[str, str], now_s: float) -> tuple[PlaceGrant, int]:
    """From a shield's 200: the grant, and the length of the body. Raises BadGateway."""
    digest, size = _DIGEST.fullmatch(headers.get("Repr-Digest", "")), headers.get("Content-Length", "")
    if digest is None or not _NUMBER.fullmatch(size):
        raise BadGateway("the shield's response has no digest or no length")
    return renewed(base64.b64decode(digest[1]).hex(), headers, now_s), _checked_size(int(size))


def renewed(sha256: str, headers: Mapping[str, str], now_s: float) -> PlaceGrant:
    """From a shield's 304, which confirms bytes that are cached here. Raises BadGateway."""
    permission, age = from_header(headers.get(GRANT_HEADER, "")), headers.get("Age", "")
    if permission is None or not _NUMBER.fullmatch(age):
        raise BadGateway("the shield's response has no readable grant")
    return PlaceGrant(sha256, permission, now_s - int(age))


@dataclass(frozen=True, slots=True)
class OriginGrant:
    """An origin's response: where the bytes are, and what it grants each place."""

    url: str
    size_bytes: int
    by_place: Mapping[str, PlaceGrant]


def from_origin(document: Any, places: list[str], now_s: float) -> OriginGrant:
    """Raises BadGateway."""
    try:
        url, sha256, size_bytes = str(document["url"]), str(document["sha256"]), document["size_bytes"]
        by_place = {place: PlaceGrant(sha256, _permission(document["places"][place]), now_s) for place in places}
    except (KeyError, TypeError) as error:
        raise BadGateway("the origin's response has no readable grant") from error
    if type(size_bytes) is not int or not _SHA256.fullmatch(sha256):
        raise BadGateway("the origin's response has no readable grant")
    return OriginGrant(url, _checked_size(size_bytes), by_place)


def _permission(parsed: Mapping[str, Any]) -> Permission:
    """Only the JSON value `true` allows; other truthy values do not."""
    return Permission(parsed["serve"] is True, parsed["cache"] is True, str(parsed["rule"]))


def _checked_size(size_bytes: int) -> int:
    if not 0 < size_bytes <= MAX_IMAGE_BYTES:
        raise BadGateway(f"an edge transfers images of 1 to {MAX_IMAGE_BYTES} bytes")
    return size_bytes
