"""Copies one object from one region's store to another's, verified by the SHA-256 in the photo's record."""

from collections.abc import Iterator

from regions.errors import Unavailable, Unprocessable
from regions.stores.objects import Objects
from replication.placement import ExpectedObject


def is_stored(objects: Objects, expected: ExpectedObject) -> bool:
    """Whether the store has the object with the expected checksum and size, by its metadata; reads no bytes again."""
    info = objects.info(expected.bucket, expected.key)
    return info is not None and (info.sha256, info.size_bytes) == (expected.sha256, expected.size_bytes)


def copy(source: Objects, destination: Objects, expected: ExpectedObject) -> int:
    """Streams the object, and returns how many bytes moved: 0 if the destination has the copy already.

    The copy becomes visible at the destination only if its bytes have the recorded SHA-256, so a corrupt source is
    detected, too. Raises NotFound if the source does not have the object, Unprocessable if its bytes are not the
    recorded ones or end early.
    """
    # Checked again although the lane has checked: another process may have copied the object meanwhile.
    if is_stored(destination, expected):
        return 0
    with source.open(expected.bucket, expected.key) as chunks:
        info = destination.put(
            expected.bucket,
            expected.key,
            _to_the_end(chunks, expected.key),
            expected.sha256,
            expected.content_type,
            expected.cache_control,
        )
    return info.size_bytes


def _to_the_end(chunks: Iterator[bytes], key: str) -> Iterator[bytes]:
    """Turns Unavailable in the middle of the object into Unprocessable.

    Unavailable means "retry for as long as it takes". But a source that opens an object and then can't read it, for
    example because of a bad sector, will never succeed, and its event must not block others for that long. If the
    source really became unavailable in the middle, the next attempt fails to open the object and retries as usual.
    """
    try:
        yield from chunks
    except Unavailable as error:
        raise Unprocessable(f"{key} can't be read to its end: {error.detail}") from error
