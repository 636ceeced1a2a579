"""Ranges and conditions of a GET (RFC 9110 sections 13 and 14). Pure.

One range of bytes is served; several at once are answered with the whole, as the RFC allows. There are no dates:
bytes are known by their strong ETag only.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from regions.errors import RangeNotSatisfiable

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)
_ETAG = re.compile(r'(?:W/)?("[!#-~\x80-\xff]*")')


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to before `stop` of `size_bytes`; never empty."""

    start: int
    stop: int
    size_bytes: int

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.stop - 1}/{self.size_bytes}"


def matches(if_none_match: str, etag: str) -> bool:
    """If-None-Match holds the ETag, by weak comparison: answer 304."""
    return if_none_match.strip() == "*" or etag in _ETAG.findall(if_none_match)


def span(range_field: str, if_range: str, etag: str, size_bytes: int) -> Span | None:
    """The range to serve; None means the whole. Raises RangeNotSatisfiable.

    What is not exactly one range of bytes is ignored, and so is a range of other bytes than ours (If-Range).
    """
    found = _RANGE.fullmatch(range_field.strip())
    if found is None or not any(found.groups()) or (if_range and if_range.strip() != etag):
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


def cut(chunks: Iterable[bytes], wanted: Span) -> Iterator[bytes]:
    """The bytes of the span; reads no further than its end."""
    at = 0
    for chunk in chunks:
        piece = chunk[max(0, wanted.start - at) : max(0, wanted.stop - at)]
        at += len(chunk)
        if piece:
            yield piece
        if at >= wanted.stop:
            return
