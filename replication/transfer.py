"""Sends one object from this region's store to another region's, by a signed PUT. The bytes pass through this process.

The destination's store compares them with the SHA-256 that its region signed, so what is corrupt here never counts
there.
"""

import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import urllib3

from regions.border.offers import OfferedObject
from regions.errors import BadGateway, Unavailable, Unprocessable
from regions.stores.objects import Objects, SignedPut

_CONNECT_S, _IDLE_S, _WITHIN_S = 2.0, 20.0, 300.0
_CONNECTIONS = 32
_MAX_REPLY_BYTES = 4096
_STORED, _THERE_ALREADY = (200, 201, 204), 412


class Sender:
    """To the store that other regions reach at `store_url`, and to no other. Any number of threads may call it."""

    def __init__(self, store_url: str, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock_s = urlsplit(store_url), clock_s
        self._http = urllib3.PoolManager(num_pools=2, maxsize=_CONNECTIONS, retries=False)

    def send(self, objects: Objects, photo_id: str, wanted: OfferedObject, put: SignedPut) -> None:
        """Raises NotFound if the object is not here, Unprocessable if its bytes are not the recorded ones or end early.

        Raises Unavailable if the destination's store does not take it now.
        """
        self._require_its_store(put.url)
        key = wanted.key(photo_id)
        with objects.open(wanted.bucket, key) as chunks:
            body = _exactly(chunks, wanted.size_bytes, key, self._clock_s() + _WITHIN_S, self._clock_s)
            headers = {**put.headers, "Content-Length": str(wanted.size_bytes)}
            timeout = urllib3.Timeout(connect=_CONNECT_S, read=_IDLE_S)
            try:
                response = self._http.request(
                    "PUT", put.url, body=body, headers=headers, timeout=timeout, preload_content=False, redirect=False
                )
                try:
                    reply = response.read(_MAX_REPLY_BYTES)
                finally:
                    response.release_conn()
            except urllib3.exceptions.HTTPError as error:
                raise Unavailable(f"the store of the destination did not take {key}: {type(error).__name__}") from error
        if response.status not in (*_STORED, _THERE_ALREADY):
            raise _refusal(response.status, key, reply)

    def _require_its_store(self, url: str) -> None:
        """Another region names the URL: it must not make this process write to anything else. Raises BadGateway."""
        named, store = urlsplit(url), self._store
        host, own = named.hostname or "", store.hostname or ""
        # S3 may have the bucket's name before its host.
        is_own = host == own or host.endswith(f".{own}")
        if not own or not is_own or (named.scheme, named.port) != (store.scheme, store.port):
            raise BadGateway(f"the destination names a store at {host[:100]}, which is not its own")


def _refusal(status: int, key: str, reply: bytes) -> Unavailable | Unprocessable:
    """400 is S3's answer to bytes that have another checksum; 403 to a URL that has run out."""
    if status in (400, 422):
        return Unprocessable(f"{key} is not stored: its bytes do not have the recorded SHA-256")
    return Unavailable(f"the store of the destination answered {status} to {key}")


def _exactly(
    chunks: Iterator[bytes], size_bytes: int, key: str, give_up_s: float, clock_s: Callable[[], float]
) -> Iterator[bytes]:
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
                raise TimeoutError
            yield chunk
    except Unavailable as error:
        raise Unprocessable(f"{key} can't be read to its end: {error.detail}") from error
    if left_bytes:
        raise Unprocessable(f"{key} does not have the {size_bytes} bytes that are recorded")
