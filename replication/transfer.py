"""Moves one object from one region's store to another's, verified by the SHA-256 in the photo's record."""

from collections.abc import Iterator

from regions.errors import Unavailable, Unprocessable
from regions.stores.objects import Objects
from replication.placement import ExpectedObject


def is_there(objects: Objects, expected: ExpectedObject) -> bool:
    """Whether the store holds it as it must be, by what the store knows; only a patrol reads the bytes again."""
    info = objects.info(expected.bucket, expected.key)
    return info is not None and (info.sha256, info.size_bytes) == (expected.sha256, expected.size_bytes)


def copy(source: Objects, destination: Objects, expected: ExpectedObject) -> int:
    """Streams it, and returns how many bytes moved: none where the copy is there already.

    The destination shows the copy only when it has the recorded SHA-256, which proves the source too. Raises
    NotFound where the source lacks the object, Unprocessable where its bytes are not those recorded or end early.
    """
    if is_there(destination, expected):
        return 0
    with source.open(expected.bucket, expected.key) as chunks:
        info = destination.put(
            expected.bucket,
            expected.key,
            _whole(chunks, expected.key),
            expected.sha256,
            expected.content_type,
            expected.cache_control,
        )
    return info.size_bytes


def _whole(chunks: Iterator[bytes], key: str) -> Iterator[bytes]:
    """A source that opens an object but can't read it has spoiled it, and must not be waited for like one that is away.

    Where it did go away in the middle, the next attempt finds that it does not open, and waits.
    """
    try:
        yield from chunks
    except Unavailable as error:
        raise Unprocessable(f"{key} can't be read to its end: {error.detail}") from error
