"""HTTP requests to origins, shields and object stores: bounded pools, deadlines, and every failure as a Problem.

Unavailable means that the server was not reached. BadGateway means that its response was lost or unusable.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gevent
import urllib3
from urllib3.exceptions import ConnectTimeoutError, EmptyPoolError, HTTPError, MaxRetryError, NewConnectionError

from edge.routing import cdn_id
from regions import node_tokens
from regions.errors import BadGateway, Unavailable
from regions.node_tokens import Call, NodeSigner
from regions.request_target import request_target

_MAX_HOSTS = 64
_MAX_CONNECTIONS = 64
_POOL_WAIT_S = 3.0
_TIMEOUT = urllib3.Timeout(connect=2.0, read=10.0)
_REQUEST_S = 20.0
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
    """Sends requests as the edge of the signer. `receiver` is the name of the node that is asked."""

    def __init__(self, signer: NodeSigner) -> None:
        self._signer = signer
        self._pools = urllib3.PoolManager(num_pools=_MAX_HOSTS, maxsize=_MAX_CONNECTIONS, block=True, timeout=_TIMEOUT)

    def token(self, call: Call) -> str:
        """Proves to another server that this edge asks for `call`."""
        return self._signer.token(call)

    def request(
        self, receiver: str, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Reply:
        """The complete response, within a deadline. Sends our node token."""
        call = Call(receiver, method, request_target(url), body or b"", key=headers.get("idempotency-key", ""))
        sent = {**headers, node_tokens.HEADER: self.token(call)}
        with gevent.Timeout(_REQUEST_S, BadGateway(f"{_host(url)} took too long")):
            response = self._open(method, url, sent, body)
            data = b"".join(StreamedBody(response, url, _MAX_REPLY_BYTES))
        return Reply(response.status, list(response.headers.items()), data)

    def open_shield(self, receiver: str, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """A response whose body is still to be read, by a `StreamedBody`. Sends our node token and CDN-Loop."""
        token = self.token(Call(receiver, "GET", request_target(url)))
        sent = {**headers, node_tokens.HEADER: token, "CDN-Loop": cdn_id(self._signer.name)}
        return self._open("GET", url, sent, None)

    def open_signed(self, url: str) -> urllib3.BaseHTTPResponse:
        """As `open_shield`, for an object's signed URL. That alone gives access, so no node token is sent."""
        return self._open("GET", url, {}, None)

    def _open(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> urllib3.BaseHTTPResponse:
        try:
            return self._pools.request(
                method, url, body=body, headers=headers, retries=_RETRY, redirect=False, preload_content=False,
                decode_content=False, pool_timeout=_POOL_WAIT_S,
            )  # fmt: skip
        except HTTPError as error:
            cause = error.reason if isinstance(error, MaxRetryError) else error
            if isinstance(cause, (NewConnectionError, ConnectTimeoutError, EmptyPoolError)):
                raise Unavailable(f"{_host(url)} can't be reached") from error
            raise BadGateway(f"{_host(url)} did not respond") from error


class StreamedBody:
    """A response's body as it arrives. Iterating raises BadGateway if it ends early or is over `max_bytes`."""

    def __init__(self, response: urllib3.BaseHTTPResponse, url: str, max_bytes: int) -> None:
        self._response, self._url, self._max_bytes = response, url, max_bytes

    def __iter__(self) -> Iterator[bytes]:
        left_bytes = self._max_bytes
        try:
            while chunk := self._response.read1(_CHUNK_BYTES):
                left_bytes -= len(chunk)
                if left_bytes < 0:
                    raise BadGateway(f"{_host(self._url)} sent more than {self._max_bytes} bytes")
                yield chunk
        except HTTPError as error:
            raise BadGateway(f"{_host(self._url)} closed the connection in the middle of the body") from error
        finally:
            self.close()

    def close(self) -> None:
        """Closes a connection whose body was not read to its end. Otherwise the connection is in the pool again."""
        self._response.close()


def parse_json(data: bytes) -> Any:
    """None if it is not JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _host(url: str) -> str:
    return urllib3.util.parse_url(url).netloc or url
