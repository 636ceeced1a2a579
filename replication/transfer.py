"""Sends one object from this region's store to another region's, by a signed PUT. The bytes pass through this process.

The destination's store compares them with the SHA-256 that its region signed, so what is corrupt here never counts
there.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

from regions.border.offers import OfferedObject
from regions.errors import AWAY_STATUSES, BadGateway, Unavailable, Unprocessable
from regions.kept_connections import ERRORS, KeptConnections, KeptHosts
from regions.stores.objects import Objects, SignedPut

_CONNECT_S, _IDLE_S, _WITHIN_S = 5.0, 20.0, 300.0
# Each piece may take `_IDLE_S`, as long as all of them together take no longer than `_WITHIN_S`.
_PIECE_BYTES = 128 << 10
_MAX_ANSWER_BYTES = 64 << 10
_CONNECTIONS = 96
_STORED, _THERE_ALREADY = (200, 201, 204), 412


class Sender:
    """To the store in which `address_of(bucket, key)` is an object's URL without a query, and to no other.

    Any number of threads may call it.
    """

    def __init__(
        self,
        address_of: Callable[[str, str], str],
        spend: Callable[[int], object] = lambda n_bytes: None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`spend` is called with the size of each piece before it is sent, and may wait."""
        self._address_of, self._spend, self._clock_s = address_of, spend, clock_s
        # One or two: those at which both buckets are.
        self._hosts = KeptHosts(_connections)

    def send(self, objects: Objects, photo_id: str, wanted: OfferedObject, put: SignedPut) -> None:
        """Raises NotFound if the object is not here, Unprocessable if its bytes are not the recorded ones or end early.

        Raises Unavailable if the destination's store does not take it now.
        """
        key = wanted.key(photo_id)
        # Another region names the URL: it must not make this process write to anything else. It is compared as text,
        # since two parsers may read one URL in two ways.
        if put.url.partition("?")[0] != self._address_of(wanted.bucket, key):
            raise BadGateway("the destination names another URL than that of the object in its store")
        with objects.open(wanted.bucket, key) as chunks:
            body = self._paid(_exactly(chunks, wanted.size_bytes, key, self._clock_s() + _WITHIN_S, self._clock_s))
            headers = {**put.headers, "Content-Length": str(wanted.size_bytes)}
            try:
                status = self._put(put.url, headers, body)
            except ERRORS as error:
                raise Unavailable(f"the store of the destination did not take {key}: {type(error).__name__}") from error
        if status not in (*_STORED, _THERE_ALREADY):
            raise _refusal(status, key)

    def _put(self, url: str, headers: Mapping[str, str], body: Iterator[memoryview]) -> int:
        with closing(self._hosts.ask("PUT", url, headers, body)) as answer:
            # So that the connection is kept.
            answer.read(_MAX_ANSWER_BYTES)
            return answer.status

    def _paid(self, pieces: Iterator[memoryview]) -> Iterator[memoryview]:
        for piece in pieces:
            self._spend(len(piece))
            yield piece


def _connections(url: str) -> KeptConnections:
    return KeptConnections(url, _CONNECTIONS, _CONNECT_S, _IDLE_S, whole_answers=True)


def _refusal(status: int, key: str) -> Unavailable | Unprocessable:
    """Only what says that the store is away is tried again in its place; all else is set aside, and stops no other.

    400 is S3's answer to bytes that have another checksum.
    """
    if status in AWAY_STATUSES:
        return Unavailable(f"the store of the destination answered {status} to {key}")
    if status == 400:
        return Unprocessable(f"{key} is not stored: its bytes do not have the recorded SHA-256")
    return Unprocessable(f"the store of the destination answered {status} to {key}")


def _exactly(
    chunks: Iterator[bytes], size_bytes: int, key: str, give_up_s: float, clock_s: Callable[[], float]
) -> Iterator[memoryview]:
    """The chunks, if they are that many bytes in all. Turns Unavailable in the middle into Unprocessable.

    Unavailable means "retry for as long as it takes". But a source that opens an object and then can't read it, for
    example because of a bad sector, will never succeed, and its event must not block others for that long. If the
    source really became unavailable in the middle, the next attempt fails to open the object and retries as usual.
    """
    left_bytes = size_bytes
    try:
        for chunk in chunks:
            left_bytes -= len(chunk)
            if left_bytes < 0:
                break
            if clock_s() > give_up_s:
                raise Unprocessable(f"{key} was not sent within {_WITHIN_S:g} s")
            for start in range(0, len(chunk), _PIECE_BYTES):
                yield memoryview(chunk)[start : start + _PIECE_BYTES]
    except Unavailable as error:
        raise Unprocessable(f"{key} can't be read to its end: {error.detail}") from error
    if left_bytes:
        raise Unprocessable(f"{key} does not have the {size_bytes} bytes that are recorded")
