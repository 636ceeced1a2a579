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
from regions.image_limits import VARIANT_SIZES

GRANT_HEADER = "Darkroom-Grant"
MAX_IMAGE_BYTES = 16 * 1024 * 1024

_GRANT = re.compile(r'serve=\?([01]), cache=\?([01]); ?rule="((?:[ !#-\[\]-~]|\\["\\])*)"')
_SHA256 = re.compile("[0-9a-f]{64}")
_DIGEST = re.compile("sha-256=:([A-Za-z0-9+/]{43}=):")
_NUMBER = re.compile("[0-9]{1,10}")


class Key(NamedTuple):
    """One variant of one photo."""

    photo_id: str
    size: int


@dataclass(frozen=True, slots=True)
class Grant:
    """For one place. `rule` is the policy rule that decided, by file and line."""

    serve: bool
    cache: bool
    rule: str


@dataclass(frozen=True, slots=True)
class ImageMeta:
    """The hash of an image, and the grant for one place. The origin gave both at `at_s` on this process's clock."""

    sha256: str
    grant: Grant
    at_s: float

    @property
    def etag(self) -> str:
        return f'"{self.sha256}"'

    @property
    def digest(self) -> str:
        """Repr-Digest's value."""
        return f"sha-256=:{base64.b64encode(bytes.fromhex(self.sha256)).decode()}:"


def keys_of(photo_id: str) -> list[Key]:
    return [Key(photo_id, size) for size in VARIANT_SIZES]


def to_header(grant: Grant) -> str:
    rule = "".join(char if " " <= char <= "~" else "?" for char in grant.rule)
    rule = rule.replace("\\", "\\\\").replace('"', '\\"')
    return f'serve=?{int(grant.serve)}, cache=?{int(grant.cache)}; rule="{rule}"'


def from_header(text: str) -> Grant | None:
    found = _GRANT.fullmatch(text)
    if found is None:
        return None
    return Grant(found[1] == "1", found[2] == "1", re.sub(r"\\(.)", r"\1", found[3]))


def require_serve(image_meta: ImageMeta) -> None:
    """Raises ResidencyDenied, with the rule."""
    if not image_meta.grant.serve:
        raise ResidencyDenied("the image may not be shown from here", image_meta.grant.rule)


def from_shield(headers: Mapping[str, str], now_s: float) -> tuple[ImageMeta, int]:
    """From a shield's 200: the ImageMeta, and the length of the body. Raises BadGateway."""
    digest, size = _DIGEST.fullmatch(headers.get("Repr-Digest", "")), headers.get("Content-Length", "")
    if digest is None or not _NUMBER.fullmatch(size):
        raise BadGateway("the shield's response has no digest or no length")
    return renewed(base64.b64decode(digest[1]).hex(), headers, now_s), _checked_size(int(size))


def renewed(sha256: str, headers: Mapping[str, str], now_s: float) -> ImageMeta:
    """From a shield's 304, which confirms bytes that are cached here. Raises BadGateway."""
    grant, age = from_header(headers.get(GRANT_HEADER, "")), headers.get("Age", "")
    if grant is None or not _NUMBER.fullmatch(age):
        raise BadGateway("the shield's response has no readable grant")
    return ImageMeta(sha256, grant, now_s - int(age))


@dataclass(frozen=True, slots=True)
class Granted:
    """An origin's response: where the bytes are, and the ImageMeta of each place."""

    url: str
    size_bytes: int
    image_meta: Mapping[str, ImageMeta]


def from_origin(document: Any, places: list[str], now_s: float) -> Granted:
    """Raises BadGateway."""
    try:
        url, sha256, size_bytes = str(document["url"]), str(document["sha256"]), document["size_bytes"]
        image_meta = {place: ImageMeta(sha256, _grant(document["places"][place]), now_s) for place in places}
    except (KeyError, TypeError) as error:
        raise BadGateway("the origin's response has no readable grant") from error
    if type(size_bytes) is not int or not _SHA256.fullmatch(sha256):
        raise BadGateway("the origin's response has no readable grant")
    return Granted(url, _checked_size(size_bytes), image_meta)


def _grant(parsed: Mapping[str, Any]) -> Grant:
    """Only the JSON value `true` allows; other truthy values do not."""
    return Grant(parsed["serve"] is True, parsed["cache"] is True, str(parsed["rule"]))


def _checked_size(size_bytes: int) -> int:
    if not 0 < size_bytes <= MAX_IMAGE_BYTES:
        raise BadGateway(f"an edge transfers images of 1 to {MAX_IMAGE_BYTES} bytes")
    return size_bytes
