"""Heads of HTTP/1.1 messages: of requests, written, and of answers, read, with how their bodies end. Pure.

RFC 9112, as far as a client needs it that asks for no trailers and no upgrade. What is ambiguous there is an error
here: two ways to read where an answer ends are how one request gets another's answer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

END = b"\r\n\r\n"
MOST_BYTES = 64 << 10
"""Of a head; Python's http.client takes as much for a single line."""

_TARGET = re.compile("[!-~]+")
_NAME, _VALUE = re.compile("[!#$%&'*+.^_`|~0-9A-Za-z-]+"), re.compile("[\t -~\x80-\xff]*")
_FIELD = re.compile(f"({_NAME.pattern}):[\t ]*({_VALUE.pattern})")
_STATUS = re.compile(r"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [\t -~\x80-\xff]*)?")
_LENGTH = re.compile("[0-9]{1,18}")
_CHUNK_SIZE = re.compile("([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")


class InvalidAnswer(Exception):
    """What arrived is no answer of HTTP/1.1, or has no single meaning."""


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """`headers` by name, in lower case. `length` is the body's, in bytes; None if it is chunked, or ends with the
    connection. `keeps` is whether the server will take another request on this connection."""

    status: int
    headers: Mapping[str, str]
    length: int | None
    is_chunked: bool
    keeps: bool


def request_head(method: str, target: str, host: str, headers: Mapping[str, str]) -> bytes:
    """Raises ValueError for what would not stay in its place: a line break in it would begin another header."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Accept-Encoding: identity"]
    if not _TARGET.fullmatch(target):
        raise ValueError("a target is of visible ASCII")
    for name, value in headers.items():
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            raise ValueError(f"no header: {name!r}")
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def parse_answer_head(method: str, head: bytes) -> AnswerHead:
    """Of the answer to a request with this method; `head` is without `END`. Raises InvalidAnswer."""
    first, *lines = head.decode("latin-1").split("\r\n")
    started = _STATUS.fullmatch(first)
    if started is None:
        raise InvalidAnswer("it does not begin with a status")
    status, headers = int(started[2]), _parse_headers(lines)
    codings, length = headers.get("transfer-encoding"), headers.get("content-length")
    if codings is not None and (length is not None or codings.lower() != "chunked"):
        raise InvalidAnswer("nobody can tell where its body ends")
    if length is not None and not _LENGTH.fullmatch(length):
        raise InvalidAnswer("its Content-Length is no number")
    is_chunked = codings is not None
    # RFC 9112, section 6.3: whatever their headers say.
    if method == "HEAD" or status < 200 or status in (204, 304):
        length, is_chunked = "0", False
    keeps = started[1] == "1" and "close" not in headers.get("connection", "").lower()
    return AnswerHead(
        status,
        headers,
        None if length is None else int(length),
        is_chunked,
        keeps and (is_chunked or length is not None),
    )


def parse_chunk_size(line: bytes) -> int:
    """Raises InvalidAnswer."""
    size = _CHUNK_SIZE.fullmatch(line.decode("latin-1"))
    if size is None:
        raise InvalidAnswer("a chunk without a size")
    return int(size[1], 16)


def _parse_headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise InvalidAnswer("a line of its head is no header")
        name, value = field[1].lower(), field[2].rstrip("\t ")
        if headers.setdefault(name, value) != value:
            headers[name] += f", {value}"
    return headers
