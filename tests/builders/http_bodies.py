"""Pure: which bytes of an HTTP/1.1 connection are bodies (RFC 9112, section 6), however the bytes come in pieces.

For a proxy that changes bytes: it takes both ends to be right about their messages, and rejects nothing. What is not
HTTP, and what follows a switch of protocols, has no bodies.
"""

import re
from collections import deque
from collections.abc import Callable, Sequence

from tests.builders.line_faults import BodyPart

_MOST_HEAD_BYTES = 1 << 16
_START = re.compile(rb"(?:HTTP/1\.\d (?P<status>\d{3})|(?P<method>[A-Z]+) )")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*\bchunked", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]+")
_ENDLESS = 1 << 62


class BodyTracker:
    """One direction of a connection.

    `methods` is shared by both directions: requests put theirs there, and responses take them, since what follows the
    head of a response depends on what was asked.
    """

    def __init__(self, methods: "deque[bytes]") -> None:
        self._methods = methods
        self._step: Callable[[bytes, int], int] = self._head
        self._text = b""
        self._message = self._offset = self._left = 0
        self._is_chunked = False
        self._spans: list[BodyPart] = []

    def feed(self, piece: bytes) -> Sequence[BodyPart]:
        """The parts of bodies in the piece that follows the last one."""
        self._spans, at = [], 0
        while at < len(piece):
            at = self._step(piece, at)
        return self._spans

    def _head(self, piece: bytes, at: int) -> int:
        head, at = self._until(b"\r\n\r\n", piece, at)
        if head is not None:
            self._message, self._offset = self._message + 1, 0
            self._begin_body(b"\r\n" + head.lstrip(b"\r\n"))
        return at

    def _begin_body(self, head: bytes) -> None:
        start = _START.match(head, 2)
        if start is None or start["method"] == b"CONNECT" or start["status"] == b"101":
            self._step = self._not_http
            return
        length, self._is_chunked = _LENGTH.search(head), bool(_CHUNKED.search(head))
        if not self._may_have_body(start["method"], start["status"]):
            self._step = self._head
        elif self._is_chunked:
            self._step = self._chunk_size
        else:
            endless = _ENDLESS if start["status"] else 0
            self._begin_data(int(length[1]) if length else endless, self._head)

    def _may_have_body(self, method: bytes | None, status: bytes | None) -> bool:
        if status is None:
            self._methods.append(method or b"")
            return True
        if status.startswith(b"1"):
            return False
        asked = self._methods.popleft() if self._methods else b""
        return asked != b"HEAD" and status not in (b"204", b"304")

    def _begin_data(self, size_bytes: int, following: Callable[[bytes, int], int]) -> None:
        self._left, self._step = size_bytes, self._data if size_bytes else following

    def _data(self, piece: bytes, at: int) -> int:
        end = min(len(piece), at + self._left)
        self._spans.append(BodyPart(at, end, self._offset, self._message))
        self._offset, self._left = self._offset + end - at, self._left - (end - at)
        if not self._left:
            self._step = self._chunk_end if self._is_chunked else self._head
        return end

    def _chunk_size(self, piece: bytes, at: int) -> int:
        line, at = self._until(b"\r\n", piece, at)
        if line is not None:
            size = _CHUNK_SIZE.match(line)
            if size is None:
                self._step = self._not_http
            else:
                self._begin_data(int(size[0], 16), self._trailer)
        return at

    def _chunk_end(self, piece: bytes, at: int) -> int:
        line, at = self._until(b"\r\n", piece, at)
        if line is not None:
            self._step = self._chunk_size
        return at

    def _trailer(self, piece: bytes, at: int) -> int:
        line, at = self._until(b"\r\n", piece, at)
        if line == b"":
            self._step = self._head
        return at

    def _not_http(self, piece: bytes, at: int) -> int:
        return len(piece)

    def _until(self, end: bytes, piece: bytes, at: int) -> tuple[bytes | None, int]:
        """What came before `end`, and where the piece goes on after it; None before it has come."""
        known = len(self._text)
        text = self._text + piece[at : at + _MOST_HEAD_BYTES]
        found = text.find(end, max(0, known - len(end)))
        if found >= 0:
            self._text = b""
            return text[:found], at + found + len(end) - known
        self._text = text
        if len(text) > _MOST_HEAD_BYTES:
            self._text, self._step = b"", self._not_http
        return None, at + len(text) - known
