"""Requests to origins, shields and objects: bounded pools, deadlines, and every failure as a problem.

Unavailable means that nothing was reached, BadGateway that an answer was lost or was none.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gevent
import urllib3
from urllib3.exceptions import ConnectTimeoutError, EmptyPoolError, HTTPError, MaxRetryError, NewConnectionError

from edge.routing import cdn_id
from regions import tokens
from regions.errors import BadGateway, Unavailable

_HOSTS = 64
_CONNECTIONS = 64
_POOL_WAIT_S = 3.0
_TIMEOUT = urllib3.Timeout(connect=2.0, read=10.0)
_ASK_S = 20.0
_RENEW_S = 20
_MAX_REPLY_BYTES = 8 * 1024 * 1024
_PIECE_BYTES = 64 * 1024
_IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")
# One fresh connection for one that died in the pool; a POST is sent again only where nothing was reached.
_RETRY = urllib3.Retry(
    total=2, connect=1, read=1, redirect=0, status=0, other=0, allowed_methods=_IDEMPOTENT, backoff_factor=0.05,
    backoff_jitter=0.05, raise_on_redirect=False,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    fields: list[tuple[str, str]]
    data: bytes

    def document(self) -> Any:
        """The body's JSON; None for what is none."""
        return read_json(self.data)


class NodeClient:
    """What the edge called `name` asks others. `clock_s` is Unix time in seconds."""

    def __init__(self, name: str, private_key: str, clock_s: Callable[[], int]) -> None:
        self._name, self._private_key, self._clock_s = name, private_key, clock_s
        self._pools = urllib3.PoolManager(num_pools=_HOSTS, maxsize=_CONNECTIONS, block=True, timeout=_TIMEOUT)
        self._token, self._token_from_s = "", 0

    def node_token(self) -> str:
        """Says who we are. Signed anew long before it runs out."""
        now_s = self._clock_s()
        if not 0 <= now_s - self._token_from_s < _RENEW_S:
            self._token, self._token_from_s = tokens.issue_node(self._name, self._private_key, now_s), now_s
        return self._token

    def ask(self, method: str, url: str, fields: Mapping[str, str], body: bytes | None = None) -> Reply:
        """A whole answer, within a deadline; sends our node token."""
        sent = {**fields, tokens.NODE_HEADER: self.node_token()}
        with gevent.Timeout(_ASK_S, BadGateway(f"{_host(url)} took too long")):
            response = self._request(method, url, sent, body)
            data = b"".join(Body(response, url, _MAX_REPLY_BYTES))
        return Reply(response.status, list(response.headers.items()), data)

    def open_shield(self, url: str, fields: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """An answer whose body is still to come, for a `Body`. Says who we are, and that the request was here."""
        sent = {**fields, tokens.NODE_HEADER: self.node_token(), "CDN-Loop": cdn_id(self._name)}
        return self._request("GET", url, sent, None)

    def open_signed(self, url: str) -> urllib3.BaseHTTPResponse:
        """Of a signed URL, which alone opens the object: who we are is none of the store's business."""
        return self._request("GET", url, {}, None)

    def _request(
        self, method: str, url: str, fields: Mapping[str, str], body: bytes | None
    ) -> urllib3.BaseHTTPResponse:
        try:
            return self._pools.request(
                method, url, body=body, headers=fields, retries=_RETRY, redirect=False, preload_content=False,
                decode_content=False, pool_timeout=_POOL_WAIT_S,
            )  # fmt: skip
        except HTTPError as error:
            cause = error.reason if isinstance(error, MaxRetryError) else error
            if isinstance(cause, (NewConnectionError, ConnectTimeoutError, EmptyPoolError)):
                raise Unavailable(f"{_host(url)} can't be reached") from error
            raise BadGateway(f"{_host(url)} did not answer") from error


class Body:
    """An answer's body as it arrives. Iterating raises BadGateway where it ends early or has over `most_bytes`."""

    def __init__(self, response: urllib3.BaseHTTPResponse, url: str, most_bytes: int) -> None:
        self._response, self._url, self._most_bytes = response, url, most_bytes

    def __iter__(self) -> Iterator[bytes]:
        left_bytes = self._most_bytes
        try:
            while chunk := self._response.read1(_PIECE_BYTES):
                left_bytes -= len(chunk)
                if left_bytes < 0:
                    raise BadGateway(f"{_host(self._url)} sent more than there can be")
                yield chunk
        except HTTPError as error:
            raise BadGateway(f"{_host(self._url)} broke off in the middle") from error
        finally:
            self.close()

    def close(self) -> None:
        """Does nothing to a connection that was read to its end: that is in the pool again."""
        self._response.close()


def read_json(data: bytes) -> Any:
    """None for what is no JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _host(url: str) -> str:
    return urllib3.util.parse_url(url).netloc or url
