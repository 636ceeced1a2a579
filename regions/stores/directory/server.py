"""The object server: a WSGI application that gives access to the directory store, by signed URL only.

    PUT      /part/{multipart id}/{number}    exactly as many bytes as were signed; responds with the part's ETag
    GET HEAD /object/{bucket}/{key}           the bytes, or one range of them
    PUT      /object/{bucket}/{key}           the bytes and headers that were signed, if there is no object yet
    GET HEAD /health

An object may be anything that somebody uploaded, so browsers must neither run it nor guess its type. Web pages of any
origin may use a URL (CORS): the signature is the only permission, and no cookie or other secret is read.
"""

import http
import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from io import FileIO
from typing import Any

from regions import byte_ranges
from regions.errors import (
    PROBLEM_JSON,
    BadRequest,
    Forbidden,
    LengthRequired,
    MethodNotAllowed,
    NotFound,
    Problem,
    RangeNotSatisfiable,
    TooLarge,
    Unprocessable,
)
from regions.image_limits import MAX_RAW_BYTES
from regions.stores.directory.objects import DirectoryObjects
from regions.stores.directory.signing import Claim, SignedContent, read_claim
from regions.stores.objects import RAW, ObjectInfo

log = logging.getLogger(__name__)

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

_LENGTH = re.compile("[0-9]{1,18}")
_PART = re.compile("/part/([^/]+)/([0-9]{1,5})")
_OBJECT = re.compile("/object/([^/]+)/(.+)")
_SPACES = re.compile("=[ \t]+")
_SIGNED_HEADERS = {
    "Content-Type": "CONTENT_TYPE",
    "Cache-Control": "HTTP_CACHE_CONTROL",
    "If-None-Match": "HTTP_IF_NONE_MATCH",
}
"""The headers that a URL may bind, and their names in WSGI."""

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
    """The WSGI server closes `body` if it has a `close`, and ends a file where Content-Length says."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Iterable[bytes] = ()


class ObjectServer:
    """Safe to call from several threads.

    The web server in front receives each request whole before it calls this one, and sends objects by its file wrapper
    (PEP 3333), so that no client occupies a thread by sending or reading slowly. It asks `takes_body` about each head.
    """

    max_body_bytes = MAX_RAW_BYTES
    """A whole object may be a raw. Of a body that is kept, the URL says the size."""

    def __init__(self, store: DirectoryObjects, clock_ms: Callable[[], int]) -> None:
        self._store, self._clock_ms = store, clock_ms

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        response = self._respond(environ)
        line = f"{response.status} {http.HTTPStatus(response.status).phrase}"
        start_response(line, list({**_ALWAYS, **response.headers}.items()))
        return response.body

    def takes_body(self, method: str, path: str, query: str, size_bytes: int) -> bool:
        """Whether a body of `size_bytes` sent with this head may be kept: only if the URL is signed for that size."""
        try:
            claim = read_claim(self._store.secret, method, path, query, self._clock_ms())
        except Problem:
            return False
        return method == "PUT" and size_bytes == claim.size_bytes

    def _respond(self, environ: Environ) -> ServerResponse:
        try:
            return self._route(environ)
        except Problem as problem:
            return _problem(environ, problem)
        except Exception as error:
            # The last line of defence: a bug becomes a 500 and a line in the log.
            log.error("the object server failed", exc_info=error, extra={"path": environ.get("PATH_INFO")})
            return _problem(environ, Problem("an internal error; it has been logged"))

    def _route(self, environ: Environ) -> ServerResponse:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        if method == "OPTIONS":
            return ServerResponse(204, _PREFLIGHT)
        if found := _PART.fullmatch(path):
            _require_method(method, "PUT")
            return self._put_part(environ, found[1], int(found[2]))
        if found := _OBJECT.fullmatch(path):
            _require_method(method, "GET", "HEAD", "PUT")
            answer = self._put_object if method == "PUT" else self._get_object
            return answer(environ, found[1], found[2])
        if path == "/health":
            _require_method(method, "GET", "HEAD")
            return _document(method, 200, "application/json", {"status": "ok"})
        raise NotFound(f"nothing is served at {path[:200]}")

    def _put_part(self, environ: Environ, multipart_id: str, number: int) -> ServerResponse:
        size_bytes = _signed_length(environ, self._claim(environ))
        part = self._store.write_part(multipart_id, number, environ["wsgi.input"], size_bytes)
        return ServerResponse(200, {"ETag": part.etag, "Content-Length": "0"})

    def _put_object(self, environ: Environ, bucket: str, key: str) -> ServerResponse:
        claim = self._claim(environ)
        content = _signed_content(environ, claim)
        size_bytes = _signed_length(environ, claim)
        try:
            self._store.put_new(bucket, key, environ["wsgi.input"], size_bytes, content)
        except Unprocessable as error:
            # As S3 answers.
            raise BadRequest(error.detail) from error
        return ServerResponse(200, {"ETag": f'"{content.sha256}"', "Content-Length": "0"})

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
            return ServerResponse(200, headers, environ["wsgi.file_wrapper"](file))
        headers |= {"Content-Length": str(len(span)), "Content-Range": span.content_range}
        file.seek(span.start)
        return ServerResponse(206, headers, environ["wsgi.file_wrapper"](file))

    def _claim(self, environ: Environ) -> Claim:
        return read_claim(
            self._store.secret,
            environ["REQUEST_METHOD"],
            environ["PATH_INFO"],
            environ.get("QUERY_STRING", ""),
            self._clock_ms(),
        )


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


def _signed_length(environ: Environ, claim: Claim) -> int:
    size_bytes = _content_length(environ)
    if size_bytes > (claim.size_bytes or 0):
        raise TooLarge(f"the URL takes exactly {claim.size_bytes} bytes, not {size_bytes}")
    if size_bytes != claim.size_bytes:
        raise BadRequest(f"the URL takes exactly {claim.size_bytes} bytes, not {size_bytes}")
    return size_bytes


def _signed_content(environ: Environ, claim: Claim) -> SignedContent:
    """Raises Forbidden unless the request has exactly the headers that were signed."""
    if claim.content is None:
        raise Forbidden("the URL was not signed for an object")
    signed = claim.content.headers()
    for name, variable in _SIGNED_HEADERS.items():
        if environ.get(variable, "") != signed.get(name, ""):
            raise Forbidden(f"the URL was signed with another {name}")
    return claim.content


def _content_length(environ: Environ) -> int:
    text = environ.get("CONTENT_LENGTH", "")
    if not text:
        raise LengthRequired("a body needs a Content-Length")
    if not _LENGTH.fullmatch(text):
        raise BadRequest("Content-Length is not a number of bytes")
    return int(text)


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
