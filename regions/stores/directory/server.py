"""The object door: a WSGI application through which others reach the directory store, by signed URL only.

    PUT      /part/{multipart id}/{number}    exactly as many bytes as were signed; answers the part's ETag
    GET HEAD /object/{bucket}/{key}           the bytes, or one range of them
    GET HEAD /health

What it serves may be anything that somebody uploaded, so that no browser may run it or guess what it is.
Whoever holds a URL may come from any web page (CORS), since no cookie or other secret is looked at.
"""

import http
import json
import logging
import os
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO
from typing import Any

from regions.errors import (
    PROBLEM_JSON,
    BadRequest,
    LengthRequired,
    MethodNotAllowed,
    NotFound,
    Problem,
    RangeNotSatisfiable,
    TooLarge,
    Unavailable,
)
from regions.stores.directory.objects import DirectoryObjects
from regions.stores.directory.signing import Claim, read_claim
from regions.stores.objects import RAW, ObjectInfo

log = logging.getLogger(__name__)

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

DRAIN_BYTES = 8 << 20
"""How much of a refused body is read, so that a client that sends first and listens then gets the answer."""

_CHUNK_BYTES = 256 * 1024
_STALL_S = 30.0
_SLOWEST_BYTES_PER_S = 16 * 1024
# Of the server's 16 threads. What is left over is for those who read.
_PARTS_AT_ONCE = 10
_DRAINS_AT_ONCE = 3

_PART = re.compile("/part/([^/]+)/([0-9]{1,5})")
_OBJECT = re.compile("/object/([^/]+)/(.+)")
_LENGTH = re.compile("[0-9]{1,18}")
_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)

_ALWAYS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag, Content-Range",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, PUT",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "86400",
}


@dataclass(frozen=True, slots=True)
class ServerResponse:
    """`body` is closed by the server where it has a `close`."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Iterable[bytes] = ()


class _Body:
    """A request's body, which ends where its Content-Length says, whatever comes behind it."""

    def __init__(self, environ: Environ) -> None:
        self._stream, self._length = environ["wsgi.input"], environ.get("CONTENT_LENGTH", "")
        self.left_bytes = int(self._length) if _LENGTH.fullmatch(self._length) else 0

    def promised_bytes(self) -> int:
        """Content-Length. A body in chunks of unknown number is refused before it is read."""
        if not self._length:
            raise LengthRequired("a part comes with a Content-Length")
        if not _LENGTH.fullmatch(self._length):
            raise BadRequest("Content-Length is not a number of bytes")
        return int(self._length)

    def read(self, size: int, /) -> bytes:
        # Nothing is left where this raises or comes to an early end.
        left_bytes, self.left_bytes = self.left_bytes, 0
        chunk = bytes(self._stream.read(min(size, left_bytes))) if left_bytes else b""
        self.left_bytes = left_bytes - len(chunk) if chunk else 0
        return chunk

    def drain(self) -> None:
        """Reads on, up to `DRAIN_BYTES`."""
        self.left_bytes = min(self.left_bytes, DRAIN_BYTES)
        with suppress(OSError):
            while self.read(_CHUNK_BYTES):
                pass


class ObjectServer:
    """Safe to call from several threads. Under gunicorn no client can hold one for long without moving bytes.

    Only so many parts are taken at once, so that those who send, however slowly, leave threads for those who read.
    """

    def __init__(self, store: DirectoryObjects, clock_ms: Callable[[], int]) -> None:
        self._store, self._clock_ms = store, clock_ms
        self._parts = threading.BoundedSemaphore(_PARTS_AT_ONCE)
        self._drains = threading.BoundedSemaphore(_DRAINS_AT_ONCE)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        answer = self._answer(environ)
        line = f"{answer.status} {http.HTTPStatus(answer.status).phrase}"
        start_response(line, list({**_ALWAYS, **answer.headers}.items()))
        return answer.body

    def _answer(self, environ: Environ) -> ServerResponse:
        _limit_stalls(environ)
        body = _Body(environ)
        try:
            return self._route(environ, body)
        except Problem as problem:
            return self._refusal(environ, body, problem)
        except (ConnectionError, TimeoutError):
            return self._refusal(environ, body, BadRequest("the body did not come to its end"))
        except Exception as error:
            # The last line of defence: a defect of ours is a 500 and a line in the log.
            log.error("the door failed", exc_info=error, extra={"path": environ.get("PATH_INFO")})
            return self._refusal(environ, body, Problem("an error of ours; it has been logged"))

    def _route(self, environ: Environ, body: _Body) -> ServerResponse:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        if method == "OPTIONS":
            return ServerResponse(204, _PREFLIGHT)
        if found := _PART.fullmatch(path):
            _require_method(method, "PUT")
            return self._put_part(environ, body, found[1], int(found[2]))
        if found := _OBJECT.fullmatch(path):
            _require_method(method, "GET", "HEAD")
            return self._get_object(environ, found[1], found[2])
        if path == "/health":
            _require_method(method, "GET", "HEAD")
            return _document(method, 200, "application/json", {"status": "ok"})
        raise NotFound(f"nothing is served at {path[:200]}")

    def _put_part(self, environ: Environ, body: _Body, multipart_id: str, number: int) -> ServerResponse:
        claim = self._claim(environ)
        size_bytes = body.promised_bytes()
        if size_bytes > (claim.size_bytes or 0):
            raise TooLarge(f"the URL takes exactly {claim.size_bytes} bytes, not {size_bytes}")
        if size_bytes != claim.size_bytes:
            raise BadRequest(f"the URL takes exactly {claim.size_bytes} bytes, not {size_bytes}")
        with _one_of(self._parts), _deadline(environ, size_bytes):
            part = self._store.write_part(multipart_id, number, body, size_bytes)
        return ServerResponse(200, {"ETag": part.etag, "Content-Length": "0"})

    def _get_object(self, environ: Environ, bucket: str, key: str) -> ServerResponse:
        self._claim(environ)
        info, file = self._store.open_file(bucket, key)
        try:
            headers = _object_headers(bucket, info, file)
            if environ["REQUEST_METHOD"] == "HEAD":
                file.close()
                return ServerResponse(200, {**headers, "Content-Length": str(info.size_bytes)})
            asked = None if _is_outdated(environ, headers["ETag"]) else environ.get("HTTP_RANGE")
            return _bytes_of(file, headers, requested_range(asked, info.size_bytes), info.size_bytes)
        except Problem:
            file.close()
            raise

    def _claim(self, environ: Environ) -> Claim:
        return read_claim(
            self._store.secret,
            environ["REQUEST_METHOD"],
            environ["PATH_INFO"],
            environ.get("QUERY_STRING", ""),
            self._clock_ms(),
        )

    def _refusal(self, environ: Environ, body: _Body, problem: Problem) -> ServerResponse:
        answer = _problem(environ, problem)
        return ServerResponse(answer.status, answer.headers, self._and_then_drain(answer.body, body, environ))

    def _and_then_drain(self, text: Iterable[bytes], body: _Body, environ: Environ) -> Iterator[bytes]:
        """Answers first, and then reads what may still be coming: where a connection is closed on unread bytes it is
        reset, and the answer may be lost with it. Where too many are being read already, that is risked."""
        yield from text
        if not body.left_bytes:
            return
        try:
            with _one_of(self._drains), _deadline(environ, min(body.left_bytes, DRAIN_BYTES)):
                body.drain()
        except Unavailable:
            _hang_up(environ)


def requested_range(header: str | None, size_bytes: int) -> range | None:
    """The one range of bytes that a Range header asks for; None where the whole is to be sent.

    What is no byte range, or more than one, is ignored, as RFC 9110 section 14.2 allows. Raises RangeNotSatisfiable.
    """
    found = _RANGE.fullmatch(header or "")
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        asked = range(max(0, size_bytes - int(found[2])), size_bytes)
    else:
        last = int(found[2]) if found[2] else size_bytes - 1
        if found[2] and last < int(found[1]):
            return None
        asked = range(int(found[1]), min(last + 1, size_bytes))
    if not asked:
        raise RangeNotSatisfiable(f"the object has {size_bytes} bytes", size_bytes=size_bytes)
    return asked


class _Slice:
    """Part of a file as a WSGI body, which closes the file."""

    def __init__(self, file: FileIO, part: range) -> None:
        self._file, self._part = file, part

    def __iter__(self) -> Iterator[bytes]:
        left_bytes = len(self._part)
        self._file.seek(self._part.start)
        while left_bytes and (chunk := self._file.read(min(left_bytes, _CHUNK_BYTES))):
            left_bytes -= len(chunk)
            yield chunk

    def close(self) -> None:
        self._file.close()


def _bytes_of(file: FileIO, headers: Mapping[str, str], part: range | None, size_bytes: int) -> ServerResponse:
    if part is None:
        return ServerResponse(200, {**headers, "Content-Length": str(size_bytes)}, _Slice(file, range(size_bytes)))
    said = {"Content-Length": str(len(part)), "Content-Range": f"bytes {part.start}-{part.stop - 1}/{size_bytes}"}
    return ServerResponse(206, {**headers, **said}, _Slice(file, part))


def _object_headers(bucket: str, info: ObjectInfo, file: FileIO) -> dict[str, str]:
    headers = {
        "Content-Type": info.content_type,
        "Cache-Control": info.cache_control or "private, no-store",
        "ETag": f'"{info.sha256 or _stamp(file)}"',
        "Accept-Ranges": "bytes",
    }
    return headers | ({"Content-Disposition": "attachment"} if bucket == RAW else {})


def _stamp(file: FileIO) -> str:
    """What no other bytes under the same key have: the time at which they took their place."""
    at = os.fstat(file.fileno())
    return f"{at.st_mtime_ns:x}-{at.st_size:x}"


def _is_outdated(environ: Environ, etag: str) -> bool:
    """Whether the client has a part of other bytes, which a range of these would not fit (RFC 9110 section 13.1.5)."""
    return bool(environ.get("HTTP_IF_RANGE", etag) != etag)


def _require_method(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise MethodNotAllowed(f"only {' and '.join(allowed)} can be done here", allow=[*allowed, "OPTIONS"])


def _document(
    method: str, status: int, content_type: str, document: Mapping[str, Any], **headers: str
) -> ServerResponse:
    text = json.dumps(document).encode()
    said = {"Content-Type": content_type, "Content-Length": str(len(text)), "Cache-Control": "no-store", **headers}
    return ServerResponse(status, said, () if method == "HEAD" else (text,))


def _problem(environ: Environ, problem: Problem) -> ServerResponse:
    if problem.status >= 500:
        log.error("refused", extra={"path": environ.get("PATH_INFO"), "detail": problem.detail})
    headers = {}
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    if isinstance(problem, MethodNotAllowed):
        headers["Allow"] = ", ".join(problem.members["allow"])
    if isinstance(problem, RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{problem.members['size_bytes']}"
    return _document(environ["REQUEST_METHOD"], problem.status, PROBLEM_JSON, problem.document(), **headers)


@contextmanager
def _one_of(places: threading.BoundedSemaphore) -> Iterator[None]:
    """Raises Unavailable where none is free: whoever waited would hold a thread."""
    if not places.acquire(blocking=False):
        raise Unavailable("as many are sending as can be listened to")
    try:
        yield
    finally:
        places.release()


def _limit_stalls(environ: Environ) -> None:
    """A client that neither sends nor takes a byte for so long is given up."""
    connection = environ.get("gunicorn.socket")
    if isinstance(connection, socket.socket):
        connection.settimeout(_STALL_S)


@contextmanager
def _deadline(environ: Environ, size_bytes: int) -> Iterator[None]:
    """Ends a body that trickles: from then on the connection has nothing more to read."""
    connection = environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket) or not size_bytes:
        yield
        return
    timer = threading.Timer(_STALL_S + size_bytes / _SLOWEST_BYTES_PER_S, _stop_reading, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(environ: Environ) -> None:
    """Nothing more goes either way; what was said still arrives."""
    connection = environ.get("gunicorn.socket")
    if isinstance(connection, socket.socket):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _stop_reading(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
