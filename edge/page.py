"""`/` and `/static/…`: the files of the web page, and no other file of the disk."""

import hashlib
import re
from pathlib import Path

from edge import page_limits, responses
from edge.responses import Request, Response
from regions import byte_ranges
from regions.errors import NotFound

# Images come from other edges, and upload parts go to object stores. The page learns those addresses at run time.
_CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' blob: data: http: https:; connect-src 'self' http: https:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_SECURITY_HEADERS = (
    ("Content-Security-Policy", _CONTENT_SECURITY_POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
)
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}
_NAME = re.compile("[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_MAX_DEPTH = 4


class Page:
    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def respond(self, request: Request, path: str) -> Response:
        """The file at `path` below the folder. Raises NotFound."""
        file = self._file(path)
        content_type = _TYPES.get(file.suffix)
        if content_type is None:
            raise NotFound("nothing is served there")
        try:
            body = page_limits.fill_in(file.suffix, file.read_bytes())
        except OSError as error:
            raise NotFound("nothing is served there") from error
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        headers = [("ETag", etag), ("Cache-Control", "no-cache"), *_SECURITY_HEADERS]
        if byte_ranges.matches(request.header("if-none-match"), etag):
            return responses.not_modified(*headers)
        return responses.from_bytes(200, content_type, body, *headers)

    def _file(self, path: str) -> Path:
        """Refuses escapes, hidden files, and links that lead out of the folder."""
        names = path.split("/")
        if len(names) > _MAX_DEPTH or not all(_NAME.fullmatch(name) for name in names):
            raise NotFound("nothing is served there")
        file = self._folder.joinpath(*names).resolve()
        if not file.is_relative_to(self._folder) or not file.is_file():
            raise NotFound("nothing is served there")
        return file
