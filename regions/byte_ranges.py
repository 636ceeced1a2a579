"""Byte ranges and conditions of a GET (RFC 9110 sections 13 and 14). Pure.

The edge and the object server use this module for range requests. It supports one byte range. A request for several
ranges gets the whole representation, which RFC 9110 section 14.2 allows. Conditions compare strong ETags only: nothing
here has a modification date.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from regions.errors import RangeNotSatisfiable

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)
_ETAG = re.compile(r'(?:W/)?("[!#-~\x80-\xff]*")')


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes from `start` up to, but not including, `stop`, of `size_bytes` in all. Never empty."""

    start: int
    stop: int
    size_bytes: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.stop - 1}/{self.size_bytes}"


def matches(if_none_match: str, etag: str) -> bool:
    """Whether If-None-Match lists the ETag, by weak comparison. If so, respond 304."""
    return if_none_match.strip() == "*" or etag in _ETAG.findall(if_none_match)


def span(range_header: str, if_range: str | None, etag: str, size_bytes: int) -> Span | None:
    """The range to send; None means the whole. Raises RangeNotSatisfiable.

    A header that is not exactly one byte range is ignored. `if_range` is None if the request has no If-Range. If it
    does not equal `etag`, the client has part of a different representation, so the range is ignored too
    (section 13.1.5).
    """
    found = _RANGE.fullmatch(range_header.strip(" \t"))
    if found is None or not any(found.groups()) or (if_range is not None and if_range.strip(" \t") != etag):
        return None
    first, last = found.groups()
    if not first:
        start, stop = max(0, size_bytes - int(last)), size_bytes
    else:
        start, stop = int(first), min(size_bytes, int(last) + 1 if last else size_bytes)
        if last and int(last) < int(first):
            return None
    if start >= stop:
        raise RangeNotSatisfiable(f"there are {size_bytes} bytes", size_bytes=size_bytes)
    return Span(start, stop, size_bytes)


def slice_chunks(chunks: Iterable[bytes], wanted: Span) -> Iterator[bytes]:
    """The bytes of the span. Stops reading `chunks` at the end of the span."""
    position = 0
    for chunk in chunks:
        piece = chunk[max(0, wanted.start - position) : max(0, wanted.stop - position)]
        position += len(chunk)
        if piece:
            yield piece
        if position >= wanted.stop:
            return
