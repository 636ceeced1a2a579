"""What the origin says of one image: its bytes' hash and size, and whether they may be shown and kept at a place. Pure.

Between edges it travels in header fields: `Darkroom-Grant` (RFC 9651), `Repr-Digest` (RFC 9530), `Content-Length` and
`Age`. What is not exactly understood is no grant, and without a grant nothing is kept and nothing is shown.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from regions.errors import BadGateway, ResidencyDenied
from regions.image_limits import VARIANT_SIZES

GRANT_FIELD = "Darkroom-Grant"
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
    """For one place. `rule` names the rule of the policy that decides, by file and line."""

    serve: bool
    cache: bool
    rule: str


@dataclass(frozen=True, slots=True)
class ImageMeta:
    """What an image's bytes are, and the grant for one place, as the origin said at `at_s` on this process's clock."""

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


def to_field(grant: Grant) -> str:
    rule = "".join(letter if " " <= letter <= "~" else "?" for letter in grant.rule)
    rule = rule.replace("\\", "\\\\").replace('"', '\\"')
    return f'serve=?{int(grant.serve)}, cache=?{int(grant.cache)}; rule="{rule}"'


def from_field(text: str) -> Grant | None:
    found = _GRANT.fullmatch(text)
    if found is None:
        return None
    return Grant(found[1] == "1", found[2] == "1", re.sub(r"\\(.)", r"\1", found[3]))


def require_serve(facts: ImageMeta) -> None:
    """Raises ResidencyDenied, with the rule."""
    if not facts.grant.serve:
        raise ResidencyDenied("the image may not be shown from here", facts.grant.rule)


def from_shield(fields: Mapping[str, str], now_s: float) -> tuple[ImageMeta, int]:
    """The facts and the length of the body of a shield's 200. Raises BadGateway."""
    digest, size = _DIGEST.fullmatch(fields.get("Repr-Digest", "")), fields.get("Content-Length", "")
    if digest is None or not _NUMBER.fullmatch(size):
        raise BadGateway("the shield did not say what it sends")
    return renewed(base64.b64decode(digest[1]).hex(), fields, now_s), _size(int(size))


def renewed(sha256: str, fields: Mapping[str, str], now_s: float) -> ImageMeta:
    """Of a shield's 304 about bytes that lie here. Raises BadGateway."""
    grant, age = from_field(fields.get(GRANT_FIELD, "")), fields.get("Age", "")
    if grant is None or not _NUMBER.fullmatch(age):
        raise BadGateway("the shield gave no grant that can be read")
    return ImageMeta(sha256, grant, now_s - int(age))


@dataclass(frozen=True, slots=True)
class Granted:
    """An origin's answer: where the bytes are, and the facts by place."""

    url: str
    size_bytes: int
    facts: Mapping[str, ImageMeta]


def from_origin(document: Any, places: list[str], now_s: float) -> Granted:
    """Raises BadGateway."""
    try:
        url, sha256, size_bytes = str(document["url"]), str(document["sha256"]), document["size_bytes"]
        facts = {place: ImageMeta(sha256, _grant(document["places"][place]), now_s) for place in places}
    except (KeyError, TypeError) as error:
        raise BadGateway("the origin gave no grant that can be read") from error
    if type(size_bytes) is not int or not _SHA256.fullmatch(sha256):
        raise BadGateway("the origin gave no grant that can be read")
    return Granted(url, _size(size_bytes), facts)


def _grant(said: Mapping[str, Any]) -> Grant:
    """Only `true` allows."""
    return Grant(said["serve"] is True, said["cache"] is True, str(said["rule"]))


def _size(size_bytes: int) -> int:
    if not 0 < size_bytes <= MAX_IMAGE_BYTES:
        raise BadGateway("the image is none that an edge could carry")
    return size_bytes
