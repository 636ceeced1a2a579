"""HTTP requests to origins, shields and object stores: bounded pools, deadlines, and every failure as a Problem.

Unavailable means that the server was not reached. BadGateway means that its response was lost or unusable.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import gevent
import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NewConnectionError

from edge.routing import cdn_id
from regions import node_tokens
from regions.breaker import BreakerLimits
from regions.bulkheads import AdmittedCall, BulkheadLimits, Bulkheads
from regions.errors import BadGateway, Unavailable
from regions.node_tokens import Call, NodeSigner
from regions.request_target import request_target

_MAX_HOSTS = 64
_AT_ONCE = 64
# A burst of requests waits for a moment. A stalled upstream holds these and no more.
_LIMITS = BulkheadLimits(_AT_ONCE, queued=192, queue_s=1.0, breaker=BreakerLimits(waiting=8, silent_s=2.0))
# Until a response begins: a shield waits for its origin and then for its objects, so who asks it waits longer.
_OBJECTS_S = _ORIGIN_S = 4.0
_SHIELD_S = 6.0
_API_S = 10.0
_HEALTH_S, _ASK_EVERY_S = 2.0, 1.0
_TIMEOUT = urllib3.Timeout(connect=1.0, read=_API_S)
_MAX_REPLY_BYTES = 8 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")
# One new connection if the server had closed a pooled one. A POST is repeated only if it did not reach the server. No
# response is repeated: urllib3 would turn a 503 with a Retry-After into an error of its own, and it is for the client.
_RETRY = urllib3.Retry(
    total=2, connect=1, read=1, redirect=0, status=0, other=0, allowed_methods=_IDEMPOTENT, backoff_factor=0.05,
    backoff_jitter=0.05, raise_on_redirect=False, respect_retry_after_header=False,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reply:
    """Another server's complete response."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def json(self) -> Any:
        """The parsed body; None if it is not JSON."""
        return parse_json(self.body)


class NodeClient:
    """Sends requests as the edge of the signer. `receiver` is the name of the node that is asked.

    Each node, and each region's object store, has a bulkhead and a breaker of its own: a stalled one holds a bounded
    number of requests, and then all others that need it are refused at once, with Unavailable. `clock_s` is monotonic.
    """

    def __init__(self, signer: NodeSigner, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._signer = signer
        self._bulkheads = Bulkheads(_LIMITS, clock_s)
        self._last_url: dict[str, str] = {}
        self._pools = urllib3.PoolManager(num_pools=_MAX_HOSTS, maxsize=_AT_ONCE, timeout=_TIMEOUT)

    def token(self, call: Call) -> str:
        """Proves to another server that this edge asks for `call`."""
        return self._signer.token(call)

    def refused(self) -> list[str]:
        """The upstreams that do not answer at the moment."""
        return self._bulkheads.refused()

    def ask_refused_forever(self) -> None:
        """So that who is back is not named until somebody needs it: other loops poll shields alone."""
        while True:
            self.ask_refused()
            gevent.sleep(_ASK_EVERY_S)

    def ask_refused(self) -> None:
        """Any answer of the server counts."""
        gevent.joinall([gevent.spawn(self._ask_health, upstream) for upstream in self.refused()])

    def request(
        self,
        receiver: str,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        within_s: float = _API_S,
    ) -> Reply:
        """The complete response, within a deadline. Sends our node token."""
        return self._whole(self._bulkheads.of(receiver).enter(), receiver, method, url, headers, body, within_s)

    def poll(
        self, receiver: str, method: str, url: str, headers: Mapping[str, str], body: bytes | None, within_s: float
    ) -> Reply:
        """The same for a loop, which goes on asking a node that does not answer others."""
        return self._whole(self._bulkheads.of(receiver).poll(), receiver, method, url, headers, body, within_s)

    def grant(self, region: str, url: str, headers: Mapping[str, str]) -> Reply:
        """The response of the origin of a region to a request for a grant."""
        return self.request(region, "GET", url, headers, within_s=_ORIGIN_S)

    def open_shield(self, receiver: str, url: str, headers: Mapping[str, str]) -> "Incoming":
        """Sends our node token and CDN-Loop. What it returns must be closed."""
        token = self.token(Call(receiver, "GET", request_target(url)))
        sent = {**headers, node_tokens.HEADER: token, "CDN-Loop": cdn_id(self._signer.name)}
        return self._begun(receiver, url, sent, _SHIELD_S)

    def open_signed(self, home: str, url: str) -> "Incoming":
        """As `open_shield`, for the signed URL of an object of the region `home`. That alone gives access, so no node
        token is sent."""
        return self._begun(f"objects of {home}", url, {}, _OBJECTS_S)

    def _ask_health(self, upstream: str) -> None:
        parts = urlsplit(self._last_url[upstream])
        url = f"{parts.scheme}://{parts.netloc}/health"
        too_late = gevent.Timeout(_HEALTH_S, BadGateway(f"{parts.netloc} took too long"))
        with suppress(Unavailable, BadGateway), self._bulkheads.of(upstream).poll(), too_late:
            for _ in _read(self._open("GET", url, {}, None), url, _MAX_REPLY_BYTES):
                pass

    def _whole(
        self,
        call: AdmittedCall,
        receiver: str,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        within_s: float,
    ) -> Reply:
        self._last_url[receiver] = url
        with call, gevent.Timeout(within_s, BadGateway(f"{_host(url)} took too long")):
            signed = Call(receiver, method, request_target(url), body or b"", key=headers.get("idempotency-key", ""))
            sent = {**headers, node_tokens.HEADER: self.token(signed)}
            response = self._open(method, url, sent, body)
            data = b"".join(_read(response, url, _MAX_REPLY_BYTES))
        return Reply(response.status, list(response.headers.items()), data)

    def _begun(self, upstream: str, url: str, headers: Mapping[str, str], within_s: float) -> "Incoming":
        self._last_url[upstream] = url
        call = self._bulkheads.of(upstream).enter()
        try:
            with gevent.Timeout(within_s, BadGateway(f"{_host(url)} took too long")):
                response = self._open("GET", url, headers, None)
            call.answered()
        except BaseException as error:
            call.close(error)
            raise
        return Incoming(response, url, call)

    def _open(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> urllib3.BaseHTTPResponse:
        try:
            return self._pools.request(
                method, url, body=body, headers=headers, retries=_RETRY, redirect=False, preload_content=False,
                decode_content=False,
            )  # fmt: skip
        except HTTPError as error:
            cause = error.reason if isinstance(error, MaxRetryError) else error
            if isinstance(cause, (NewConnectionError, ConnectTimeoutError)):
                raise Unavailable(f"{_host(url)} can't be reached") from error
            raise BadGateway(f"{_host(url)} did not respond") from error


class Incoming:
    """A response whose body is still to be read. Until it is closed, it holds a slot of its upstream's bulkhead."""

    def __init__(self, response: urllib3.BaseHTTPResponse, url: str, call: AdmittedCall) -> None:
        self._response, self._url, self._call = response, url, call

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """By names in any case."""
        return self._response.headers

    def body(self, max_bytes: int) -> "StreamedBody":
        """As it arrives. Closing it closes this."""
        return StreamedBody(self, _read(self._response, self._url, max_bytes))

    def close(self) -> None:
        """Idempotent. Closes a connection whose body was not read to its end. Otherwise it is in the pool again."""
        self._response.close()
        self._call.close()


class StreamedBody:
    """Iterating raises BadGateway if the body ends early or is too long."""

    def __init__(self, incoming: Incoming, chunks: Iterator[bytes]) -> None:
        self._incoming, self._chunks = incoming, chunks

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._chunks
        finally:
            self.close()

    def close(self) -> None:
        self._incoming.close()


def _read(response: urllib3.BaseHTTPResponse, url: str, max_bytes: int) -> Iterator[bytes]:
    """Closes the response unless it was read to its end."""
    left_bytes = max_bytes
    try:
        while chunk := response.read1(_CHUNK_BYTES):
            left_bytes -= len(chunk)
            if left_bytes < 0:
                raise BadGateway(f"{_host(url)} sent more than {max_bytes} bytes")
            yield chunk
    except HTTPError as error:
        raise BadGateway(f"{_host(url)} closed the connection in the middle of the body") from error
    finally:
        response.close()


def parse_json(data: bytes) -> Any:
    """None if it is not JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _host(url: str) -> str:
    return urllib3.util.parse_url(url).netloc or url
