"""HTTP/1.1 message heads as bytes (RFC 9112): parses a request's, formats a response's.

Pure: bytes in, values out. The parser is strict. If two servers read the same bytes differently, a request can be
smuggled inside another (RFC 9112 section 11.2). So there are no bare line feeds, no folded lines, at most one
Content-Length, and no Transfer-Encoding.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from regions.errors import BadRequest, HeadTooLarge, LengthRequired, TooLarge

MAX_HEAD_BYTES = 16 * 1024
MAX_BODY_BYTES = 64 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_MAX_HEADERS = 100
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb"{1,20}) ([!-~]+) HTTP/1\.([01])")
_HEADER = re.compile(rb"(" + _TOKEN + rb"+):([\t -~\x80-\xff]*)")
_SCHEME_AND_HOST = re.compile("https?://[^/?#]*", re.IGNORECASE)
_LENGTH = re.compile("[0-9]{1,15}")
_SINGLE = ("host", "content-length", "authorization", "darkroom-node", "range")
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class RequestHead:
    """The request line and the headers.

    `headers` has lower-case names. The values of a repeated header are joined by commas.
    """

    method: str
    path: str
    query: str
    minor_version: int
    headers: Mapping[str, str]

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def keeps_alive(self) -> bool:
        options = {option.strip().lower() for option in self.headers.get("connection", "").split(",")}
        return "close" not in options and (self.minor_version == 1 or "keep-alive" in options)

    @property
    def expects_continue(self) -> bool:
        return self.minor_version == 1 and self.headers.get("expect", "").lower() == "100-continue"


def parse_head(data: bytes) -> RequestHead:
    """`data` ends before the blank line. Raises BadRequest, or HeadTooLarge if there are too many headers."""
    request_line, *header_lines = data.split(b"\r\n")
    found = _REQUEST_LINE.fullmatch(request_line)
    if found is None:
        raise BadRequest("the first line is not an HTTP/1.1 request line")
    if len(header_lines) > _MAX_HEADERS:
        raise HeadTooLarge(f"a request may have at most {_MAX_HEADERS} headers")
    headers = _parse_headers(header_lines)
    if "host" not in headers and found[3] == b"1":
        raise BadRequest("the request has no Host header")
    path, _, query = _origin_form(found[2].decode()).partition("?")
    return RequestHead(found[1].decode(), path, query, int(found[3]), headers)


def body_bytes(head: RequestHead) -> int:
    """The length of the request's body. Raises LengthRequired, BadRequest or TooLarge."""
    if "transfer-encoding" in head.headers:
        raise LengthRequired("send a Content-Length instead of a Transfer-Encoding")
    length = head.headers.get("content-length", "0")
    if not _LENGTH.fullmatch(length):
        raise BadRequest("Content-Length is not a length")
    if int(length) > MAX_BODY_BYTES:
        raise TooLarge(f"the body may have at most {MAX_BODY_BYTES} bytes")
    return int(length)


def format_head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    """The response's status line and headers, with the blank line. A header value can't start another line."""
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, '')}"]
    lines += [f"{name}: {value}".replace("\r", " ").replace("\n", " ") for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _origin_form(target: str) -> str:
    """The target without scheme and host. A server must accept both forms (RFC 9112 section 3.2.2)."""
    path = _SCHEME_AND_HOST.sub("", target, count=1)
    if path != target and not path.startswith("/"):
        path = f"/{path}"
    if not path.startswith("/"):
        raise BadRequest("the request's target must be a path")
    return path.partition("#")[0]


def _parse_headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None:
            raise BadRequest("a header line is not `name: value`")
        name, value = found[1].decode().lower(), found[2].strip(b" \t").decode("latin-1")
        if name in headers:
            if name in _SINGLE:
                raise BadRequest(f"the header {name} may appear only once")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return headers
