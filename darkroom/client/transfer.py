"""Uploads a file in parts, a few at a time, each read while it is sent. If a part fails, only that part is retried."""

import hashlib
import io
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from darkroom.client.http import ClientError, HttpClient, Json
from regions.image_limits import AVIF, BMP, CONTENT_TYPES, GIF, HEIC, JPEG, PNG, TIFF, WEBP
from regions.retry import backoff_s

Progress = Callable[[int], None]

_THREADS = 4
_ATTEMPTS = 5
_CHUNK_BYTES = 256 * 1024
_TYPES = {".jpg": JPEG, ".tif": TIFF} | {
    f".{content_type.removeprefix('image/')}": content_type for content_type in CONTENT_TYPES
}
SUFFIXES = frozenset(_TYPES)
"""The suffixes of files that count as photos."""
_STARTS = {
    b"\xff\xd8": JPEG,
    b"\x89PNG": PNG,
    b"GIF87a": GIF,
    b"GIF89a": GIF,
    b"II*\0": TIFF,
    b"MM\0*": TIFF,
    b"BM": BMP,
}


@dataclass(frozen=True, slots=True)
class Source:
    """A file or bytes in memory. Several threads may read it, because each call opens it for itself."""

    name: str
    size_bytes: int
    content_type: str
    open: Callable[[], io.BufferedIOBase]

    def sha256(self) -> str:
        with self.open() as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def chunks(self, offset: int, size_bytes: int) -> Iterator[bytes]:
        with self.open() as file:
            file.seek(offset)
            while size_bytes > 0:
                chunk = file.read(min(_CHUNK_BYTES, size_bytes))
                if not chunk:
                    raise OSError(f"{self.name} became shorter while it was being sent")
                size_bytes -= len(chunk)
                yield chunk


def source_of(path_or_bytes: str | Path | bytes) -> Source:
    """Raises OSError if the file can't be read. The suffix gives the content type; the server checks the content."""
    if isinstance(path_or_bytes, bytes):
        data = path_or_bytes
        return Source("photo.jpg", len(data), _sniffed(data[:12]), lambda: io.BytesIO(data))
    path = Path(path_or_bytes)
    with path.open("rb") as file:
        content_type = _TYPES.get(path.suffix.lower()) or _sniffed(file.read(12))
    return Source(path.name, path.stat().st_size, content_type, lambda: path.open("rb"))


def _sniffed(head: bytes) -> str:
    """By the first 12 bytes. The server refuses what is none of its types, and says which those are."""
    if head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp":
        return AVIF if head[8:12] == b"avif" else HEIC
    found = (content_type for start, content_type in _STARTS.items() if head.startswith(start))
    return next(found, "application/octet-stream")


class Transfer:
    """Sends the missing parts of one upload.

    `json(method, path)` sends a request as the user. Calls `progress` from several threads, but never concurrently,
    with the number of bytes just sent; the number is negative if bytes have to be sent again.
    """

    def __init__(
        self,
        http: HttpClient,
        json: Callable[[str, str], Json],
        source: Source,
        upload_id: str,
        part_size_bytes: int,
        progress: Progress,
    ) -> None:
        self._http, self._json, self._source, self._upload_id = http, json, source, upload_id
        self._part_size_bytes, self._progress = part_size_bytes, progress
        self._sent_bytes, self._lock = 0, threading.Lock()

    def run(self, arrived: list[Json], missing: list[Json]) -> list[Json]:
        """The list of all parts for `complete`. Raises ClientError when a part has failed too often."""
        for part in arrived:
            self._report(self._size_bytes(part["number"]))
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="part")
        try:
            etags = {part["number"]: part["etag"] for part in arrived}
            etags |= dict(pool.map(self._upload_part, missing))
        except BaseException:
            self._report(-self._sent_bytes)
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        return [{"number": number, "etag": etags[number]} for number in sorted(etags)]

    def _upload_part(self, part: Json) -> tuple[int, str]:
        number, failures = int(part["number"]), 0
        while "etag" not in part:
            try:
                return number, self._put(part)
            except ClientError as error:
                failures += 1
                if failures == _ATTEMPTS:
                    raise
                time.sleep(backoff_s(failures, random.random))
                part = self._renew(number, error)
        self._report(self._size_bytes(number))
        return number, str(part["etag"])

    def _renew(self, number: int, failure: ClientError) -> Json:
        """The part's current state: its ETag if it arrived and only the response was lost, otherwise a new URL."""
        upload = self._json("GET", f"/v1/uploads/{self._upload_id}")
        known = {part["number"]: part for part in (*upload["parts"], *upload["missing"])}
        if number not in known:
            raise failure
        return dict(known[number])

    def _put(self, part: Json) -> str:
        number, sent_bytes = int(part["number"]), 0
        size_bytes = self._size_bytes(number)

        def counted() -> Iterator[bytes]:
            nonlocal sent_bytes
            for chunk in self._source.chunks((number - 1) * self._part_size_bytes, size_bytes):
                yield chunk
                sent_bytes += len(chunk)
                self._report(len(chunk))

        try:
            return self._http.put_part(part["url"], part["headers"], counted(), size_bytes)
        except ClientError:
            self._report(-sent_bytes)
            raise

    def _size_bytes(self, number: int) -> int:
        return min(self._part_size_bytes, self._source.size_bytes - (number - 1) * self._part_size_bytes)

    def _report(self, size_bytes: int) -> None:
        with self._lock:
            self._sent_bytes += size_bytes
            self._progress(size_bytes)
