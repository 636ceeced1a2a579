"""Signed URLs. The holder of one may do exactly one thing to one object until it expires, and needs no other
permission.

Pure: the clock is an argument. A URL has `size` (for a PUT), `sha256`, `type` and `cache` (for that of a whole object),
`expires` and `signature`, an HMAC-SHA256 (RFC 2104) over all of them with the method and the path. The URL of a GET is
good for HEAD too.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from urllib.parse import parse_qsl, urlencode

from regions.errors import Forbidden

_NUMBER = re.compile("[0-9]{1,18}")
_CONTENT = ("sha256", "type", "cache")
"""The parameters of a `SignedContent`, in its order."""


@dataclass(frozen=True, slots=True)
class SignedContent:
    """What a whole object is. Its `cache_control` may be empty."""

    sha256: str
    content_type: str
    cache_control: str

    def headers(self) -> dict[str, str]:
        """What must be sent with it: the same as to S3, as far as it is not in the URL here."""
        cache = {"Cache-Control": self.cache_control} if self.cache_control else {}
        return {"Content-Type": self.content_type, **cache, "If-None-Match": "*"}


@dataclass(frozen=True, slots=True)
class Claim:
    """What a signature allows.

    `size_bytes` is the exact length of the body, None if there is no body; `content` is None if it is no whole object.
    """

    method: str
    path: str
    size_bytes: int | None
    expires_at_ms: int
    content: SignedContent | None = None


def sign(secret: bytes, claim: Claim) -> str:
    # As JSON, because no two claims have the same JSON, whatever characters the path contains.
    content = astuple(claim.content) if claim.content else ()
    message = json.dumps([claim.method, claim.path, claim.size_bytes, claim.expires_at_ms, *content])
    return hmac.new(secret, message.encode(), hashlib.sha256).hexdigest()


def verify(secret: bytes, claim: Claim, signature: str) -> bool:
    """Takes as long for a wrong signature as for the right one."""
    return hmac.compare_digest(sign(secret, claim).encode(), signature.encode(errors="replace"))


def signed_url(secret: bytes, base_url: str, claim: Claim) -> str:
    """`base_url` comes before the path and is not signed, so a proxy may stand in front of the object server."""
    size = {} if claim.size_bytes is None else {"size": claim.size_bytes}
    content = dict(zip(_CONTENT, astuple(claim.content), strict=True)) if claim.content else {}
    query = urlencode({**size, **content, "expires": claim.expires_at_ms, "signature": sign(secret, claim)})
    return f"{base_url}{claim.path}?{query}"


def read_claim(secret: bytes, method: str, path: str, query: str, now_ms: int) -> Claim:
    """The verified claim of a request. Raises Forbidden if it was altered or has expired."""
    parameters = dict(parse_qsl(query))
    size, expires = parameters.get("size"), parameters.get("expires", "")
    if not all(_NUMBER.fullmatch(number) for number in (expires, "0" if size is None else size)):
        raise Forbidden("the URL was not signed here")
    size_bytes, content = None if size is None else int(size), _read_content(parameters)
    claim = Claim("GET" if method == "HEAD" else method, path, size_bytes, int(expires), content)
    if not verify(secret, claim, parameters.get("signature", "")):
        raise Forbidden("the URL was not signed here")
    if now_ms >= claim.expires_at_ms:
        raise Forbidden("the URL has expired; ask for a new one", expired=True)
    return claim


def _read_content(parameters: Mapping[str, str]) -> SignedContent | None:
    if "sha256" not in parameters:
        return None
    return SignedContent(*(parameters.get(name, "") for name in _CONTENT))
