"""HTTP/1.1 heads as bytes (RFC 9112): reads a request's, writes an answer's.

Pure: bytes in, values out. Strict, since whatever two servers read differently lets one request hide in another
(RFC 9112 section 11.2): no bare line feeds, no folded lines, one Content-Length or none, no Transfer-Encoding.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from regions.errors import BadRequest, HeadTooLarge, LengthRequired, TooLarge

MAX_HEAD_BYTES = 16 * 1024
MAX_BODY_BYTES = 64 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_MAX_FIELDS = 100
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb"{1,20}) ([!-~]+) HTTP/1\.([01])")
_FIELD = re.compile(rb"(" + _TOKEN + rb"+):([\t -~\x80-\xff]*)")
_ABSOLUTE = re.compile("https?://[^/?#]*", re.IGNORECASE)
_LENGTH = re.compile("[0-9]{1,15}")
_ONCE = ("host", "content-length", "authorization", "darkroom-node", "range")
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Head:
    """A request's head. `fields` are by lower-case name; a name that came twice has its values joined by commas."""

    method: str
    path: str
    query: str
    minor: int
    fields: Mapping[str, str]

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def keeps_alive(self) -> bool:
        said = {token.strip().lower() for token in self.fields.get("connection", "").split(",")}
        return "close" not in said and (self.minor == 1 or "keep-alive" in said)

    @property
    def expects_continue(self) -> bool:
        return self.minor == 1 and self.fields.get("expect", "").lower() == "100-continue"


def parse_head(data: bytes) -> Head:
    """`data` ends before the blank line. Raises BadRequest, or HeadTooLarge for too many fields."""
    line, *rest = data.split(b"\r\n")
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise BadRequest("the first line is not a request of HTTP/1.1")
    if len(rest) > _MAX_FIELDS:
        raise HeadTooLarge(f"the header may have {_MAX_FIELDS} fields")
    fields = _fields(rest)
    if "host" not in fields and found[3] == b"1":
        raise BadRequest("the request names no host")
    path, _, query = _origin_form(found[2].decode()).partition("?")
    return Head(found[1].decode(), path, query, int(found[3]), fields)


def body_bytes(head: Head) -> int:
    """The length of the request's body. Raises LengthRequired, BadRequest or TooLarge."""
    if "transfer-encoding" in head.fields:
        raise LengthRequired("send a Content-Length in place of a Transfer-Encoding")
    length = head.fields.get("content-length", "0")
    if not _LENGTH.fullmatch(length):
        raise BadRequest("Content-Length is not a length")
    if int(length) > MAX_BODY_BYTES:
        raise TooLarge(f"the body may have {MAX_BODY_BYTES} bytes")
    return int(length)


def answer_head(status: int, fields: Iterable[tuple[str, str]]) -> bytes:
    """The head with its blank line. No field can break out of its line."""
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, '')}"]
    lines += [f"{name}: {value}".replace("\r", " ").replace("\n", " ") for name, value in fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _origin_form(target: str) -> str:
    """The target without scheme and host, which a server must accept as well (RFC 9112 section 3.2.2)."""
    path = _ABSOLUTE.sub("", target, count=1)
    if path != target and not path.startswith("/"):
        path = f"/{path}"
    if not path.startswith("/"):
        raise BadRequest("the request's target must be a path")
    return path.partition("#")[0]


def _fields(lines: list[bytes]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in lines:
        found = _FIELD.fullmatch(line)
        if found is None:
            raise BadRequest("a header line is not `name: value`")
        name, value = found[1].decode().lower(), found[2].strip(b" \t").decode("latin-1")
        if name in fields:
            if name in _ONCE:
                raise BadRequest(f"{name} is said twice")
            value = f"{fields[name]}, {value}"
        fields[name] = value
    return fields
