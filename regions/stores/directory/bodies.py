"""Request bodies that the directory store receives: exactly as many bytes as were signed."""

from collections.abc import Iterator
from typing import Protocol

from regions.errors import BadRequest
from regions.stores.objects import CHUNK_BYTES


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def exactly(stream: Readable, size_bytes: int) -> Iterator[bytes]:
    """The next `size_bytes` of the stream, in chunks. Raises BadRequest if it ends before."""
    left_bytes = size_bytes
    while left_bytes:
        chunk = stream.read(min(left_bytes, CHUNK_BYTES))
        if not chunk:
            raise BadRequest(f"the body ended {left_bytes} bytes early")
        left_bytes -= len(chunk)
        yield chunk
