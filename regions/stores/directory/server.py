"""The object server: a WSGI application that gives access to the directory store, by signed URL only.

    PUT      /part/{multipart id}/{number}    exactly as many bytes as were signed; responds with the part's ETag
    GET HEAD /object/{bucket}/{key}           the bytes, or one range of them
    GET HEAD /health

An object may be anything that somebody uploaded, so browsers must neither run it nor guess its type. Web pages of any
origin may use a URL (CORS): the signature is the only permission, and no cookie or other secret is read.
"""

import http
import json
import logging
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import FileIO
from typing import Any

from regions import byte_ranges
from regions.errors import (
    PROBLEM_JSON,
    BadRequest,
    MethodNotAllowed,
    NotFound,
    Problem,
    RangeNotSatisfiable,
    TooLarge,
    Unavailable,
)
from regions.stores.directory.connection_limits import (
    DRAIN_BYTES,
    Environ,
    RequestBody,
    deadline,
    hang_up,
    limit_stalls,
    one_of,
)
from regions.stores.directory.objects import DirectoryObjects
from regions.stores.directory.signing import Claim, read_claim
from regions.stores.objects import RAW, ObjectInfo

log = logging.getLogger(__name__)

StartResponse = Callable[..., Any]

_CHUNK_BYTES = 256 * 1024
# Of the server's 16 threads. The other three are left for readers.
_PARTS_AT_ONCE = 10
_DRAINS_AT_ONCE = 3

_PART = re.compile("/part/([^/]+)/([0-9]{1,5})")
_OBJECT = re.compile("/object/([^/]+)/(.+)")
_SPACES = re.compile("=[ \t]+")

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
    """The WSGI server closes `body` if it has a `close`."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Iterable[bytes] = ()


class ObjectServer:
    """Safe to call from several threads. Under gunicorn no client can occupy one for long without moving bytes.

    Two semaphores share out the threads: one for parts being received, one for rejected bodies being drained. Both
    are taken without waiting, so slow senders can never occupy all threads, and readers are always served.
    """

    def __init__(self, store: DirectoryObjects, clock_ms: Callable[[], int]) -> None:
        self._store, self._clock_ms = store, clock_ms
        self._parts = threading.BoundedSemaphore(_PARTS_AT_ONCE)
        self._drains = threading.BoundedSemaphore(_DRAINS_AT_ONCE)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        response = self._respond(environ)
        line = f"{response.status} {http.HTTPStatus(response.status).phrase}"
        start_response(line, list({**_ALWAYS, **response.headers}.items()))
        return response.body

    def _respond(self, environ: Environ) -> ServerResponse:
        limit_stalls(environ)
        body = RequestBody(environ)
        try:
            return self._route(environ, body)
        except Problem as problem:
            return self._reject(environ, body, problem)
        except (ConnectionError, TimeoutError):
            return self._reject(environ, body, BadRequest("the body did not arrive completely"))
        except Exception as error:
            # The last line of defence: a bug becomes a 500 and a line in the log.
            log.error("the object server failed", exc_info=error, extra={"path": environ.get("PATH_INFO")})
            return self._reject(environ, body, Problem("an internal error; it has been logged"))

    def _route(self, environ: Environ, body: RequestBody) -> ServerResponse:
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

    def _put_part(self, environ: Environ, body: RequestBody, multipart_id: str, number: int) -> ServerResponse:
        claim = self._claim(environ)
        size_bytes = body.content_length()
        if size_bytes > (claim.size_bytes or 0):
            raise TooLarge(f"the URL takes exactly {claim.size_bytes} bytes, not {size_bytes}")
        if size_bytes != claim.size_bytes:
            raise BadRequest(f"the URL takes exactly {claim.size_bytes} bytes, not {size_bytes}")
        with one_of(self._parts), deadline(environ, size_bytes):
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
            span = _requested_span(environ, headers["ETag"], info.size_bytes)
        except Problem:
            file.close()
            raise
        if span is None:
            headers["Content-Length"] = str(info.size_bytes)
            return ServerResponse(200, headers, _FileSlice(file, 0, info.size_bytes))
        headers |= {"Content-Length": str(len(span)), "Content-Range": span.content_range}
        return ServerResponse(206, headers, _FileSlice(file, span.start, span.stop))

    def _claim(self, environ: Environ) -> Claim:
        return read_claim(
            self._store.secret,
            environ["REQUEST_METHOD"],
            environ["PATH_INFO"],
            environ.get("QUERY_STRING", ""),
            self._clock_ms(),
        )

    def _reject(self, environ: Environ, body: RequestBody, problem: Problem) -> ServerResponse:
        response = _problem(environ, problem)
        return ServerResponse(response.status, response.headers, self._send_then_drain(response.body, body, environ))

    def _send_then_drain(self, document: Iterable[bytes], body: RequestBody, environ: Environ) -> Iterator[bytes]:
        """Sends the response, and only then reads what the client is still sending.

        Many clients send their whole body before they read a response. If we closed the connection while bytes of
        theirs are unread, TCP would reset it, and the reset can destroy the response before the client reads it.
        On a connection that stays open, unread bytes would also be taken for the next request. So the body is read
        and discarded, within limits. If too many bodies are being drained already, the connection is shut down and
        the response may be lost: that is better than having no thread left for readers.
        """
        yield from document
        if not body.left_bytes:
            return
        try:
            with one_of(self._drains), deadline(environ, min(body.left_bytes, DRAIN_BYTES)):
                body.drain()
        except Unavailable:
            hang_up(environ)


class _FileSlice:
    """The bytes of a file from `start` up to `stop` as a WSGI body, which closes the file."""

    def __init__(self, file: FileIO, start: int, stop: int) -> None:
        self._file, self._start, self._stop = file, start, stop

    def __iter__(self) -> Iterator[bytes]:
        left_bytes = self._stop - self._start
        self._file.seek(self._start)
        while left_bytes and (chunk := self._file.read(min(left_bytes, _CHUNK_BYTES))):
            left_bytes -= len(chunk)
            yield chunk

    def close(self) -> None:
        self._file.close()


def _requested_span(environ: Environ, etag: str, size_bytes: int) -> byte_ranges.Span | None:
    # This server also accepts spaces after `=`, as some clients write them.
    range_field = _SPACES.sub("=", environ.get("HTTP_RANGE", ""), count=1)
    return byte_ranges.span(range_field, environ.get("HTTP_IF_RANGE"), etag, size_bytes)


def _object_headers(bucket: str, info: ObjectInfo, file: FileIO) -> dict[str, str]:
    headers = {
        "Content-Type": info.content_type,
        "Cache-Control": info.cache_control or "private, no-store",
        "ETag": f'"{info.sha256 or _strong_validator(file)}"',
        "Accept-Ranges": "bytes",
    }
    return headers | ({"Content-Disposition": "attachment"} if bucket == RAW else {})


def _strong_validator(file: FileIO) -> str:
    """A strong validator for bytes without a hash: no other bytes of this key have this modification time and size."""
    at = os.fstat(file.fileno())
    return f"{at.st_mtime_ns:x}-{at.st_size:x}"


def _require_method(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise MethodNotAllowed(f"only {' and '.join(allowed)} can be used here", allow=[*allowed, "OPTIONS"])


def _document(
    method: str, status: int, content_type: str, document: Mapping[str, Any], **headers: str
) -> ServerResponse:
    text = json.dumps(document).encode()
    headers = {"Content-Type": content_type, "Content-Length": str(len(text)), "Cache-Control": "no-store", **headers}
    return ServerResponse(status, headers, () if method == "HEAD" else (text,))


def _problem(environ: Environ, problem: Problem) -> ServerResponse:
    if problem.status >= 500:
        log.error("request failed", extra={"path": environ.get("PATH_INFO"), "detail": problem.detail})
    headers = {}
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    if isinstance(problem, MethodNotAllowed):
        headers["Allow"] = ", ".join(problem.members["allow"])
    if isinstance(problem, RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{problem.members['size_bytes']}"
    return _document(environ["REQUEST_METHOD"], problem.status, PROBLEM_JSON, problem.document(), **headers)
