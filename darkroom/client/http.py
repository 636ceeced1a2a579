"""HTTP requests to Darkroom: connection pool, timeouts, retries, and errors made from problem documents."""

import json
import math
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

import urllib3
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError
from urllib3.exceptions import TimeoutError as NoAnswerInTime

Json = dict[str, Any]

ANSWER_S = 12.0
"""An edge answers within 10 s, whatever is away (docs/consistency.md)."""
_CONNECT_S, _BYTES_S = 5.0, 30.0
_REPEATED_SHARE = 0.4
"""Of `answer_s`: nothing is sent again later than that, so that a person hears soon what is wrong."""
_TRANSIENT = (502, 503, 504)
_UNANSWERED = (0, 502, 504)
_THROTTLED = 429
_SHORT_WAIT_S, _SHORT_WAITS = 3, 4
_IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE")  # RFC 9110 section 9.2.2
_POOL_SIZE = 8
_SECONDS = re.compile("[0-9]{1,9}")


class ClientError(Exception):
    """Darkroom rejected a request. `document` is the problem document (RFC 9457), or `{}` if there was none."""

    def __init__(self, status: int, title: str, detail: str, document: Json) -> None:
        super().__init__(f"{title}: {detail}" if detail else title)
        self.status, self.title, self.detail, self.document = status, title, detail, document

    @property
    def is_unanswered(self) -> bool:
        """Whether there was no answer, by the server itself or by one that it asked: the request may have worked."""
        return self.status in _UNANSWERED


class Unreachable(ClientError):
    """There was no response, or it was cut off. `status` is 0. `is_down`: nothing listens there."""

    def __init__(self, url: str, error: HTTPError) -> None:
        cause = error.reason if isinstance(error, MaxRetryError) else error
        self.is_down = isinstance(cause, NewConnectionError)
        detail = "the connection broke off"
        if self.is_down:
            detail = "nothing listens there"
        elif isinstance(cause, NoAnswerInTime):
            detail = "it is silent"
        super().__init__(0, f"{url} does not answer now", detail, {})


class HomeAway(ClientError):
    """The user's home region gave no usable response. `status` is 0, or that of the edge which asked it."""

    def __init__(self, region: str, cause: ClientError) -> None:
        title = f"Your home region {region} does not answer now"
        # The person need not know by which URL.
        detail = cause.detail if isinstance(cause, Unreachable) else str(cause)
        super().__init__(cause.status, title, detail, cause.document)
        self.is_down = isinstance(cause, Unreachable) and cause.is_down


class Throttled(ClientError):
    """There was too much for a while. Nothing was done; in `retry_after_s` seconds it may be."""

    def __init__(self, retry_after_s: int, title: str, detail: str, document: Json) -> None:
        super().__init__(_THROTTLED, title, detail, document)
        self.retry_after_s = retry_after_s


class _Retry(urllib3.Retry):
    """Sends nothing again after `until_s` (monotonic): who is silent for long may be so each time.

    Leaves a 429 to `_patiently`: its wait may be long.
    """

    RETRY_AFTER_STATUS_CODES = frozenset((503,))
    until_s = math.inf

    def new(self, **changes: Any) -> "_Retry":
        made = super().new(**changes)
        made.until_s = self.until_s
        return made

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: urllib3.BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> "_Retry":
        if _pool is not None and time.monotonic() > self.until_s:
            raise MaxRetryError(_pool, url or "", error)
        return super().increment(method, url, response, error, _pool, _stacktrace)


class HttpClient:
    """Requests to one edge, each attempt of which is answered within `answer_s`. Safe to share between threads."""

    def __init__(self, edge_url: str, answer_s: float = ANSWER_S) -> None:
        self._edge_url, self._answer_s = edge_url.rstrip("/"), answer_s
        self._pool = urllib3.PoolManager(num_pools=_POOL_SIZE, maxsize=_POOL_SIZE)

    def json(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        repeatable: bool = False,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        """The response's JSON document, or `{}` if it has none. Raises ClientError; Throttled if the wait is not short.

        `repeatable` means that this POST may safely be sent twice: it gets an Idempotency-Key. `token` is an access
        token.
        """
        sent = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        if repeatable:
            sent.setdefault("Idempotency-Key", secrets.token_urlsafe(16))
        data = None
        if body is not None:
            data, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        return _document(self._patiently(method, self._edge_url + path, data, sent, repeatable).data)

    def get_bytes(self, url: str) -> tuple[bytes, Mapping[str, str]]:
        """A public object and its headers. Raises ClientError. Sends no token: the URL may name another host."""
        response = self._request("GET", url, None, {}, self._retry(False), _BYTES_S)
        return response.data, response.headers

    def put_part(self, url: str, headers: Mapping[str, str], chunks: Iterable[bytes], size_bytes: int) -> str:
        """Streams one part to `url` and returns its ETag. Raises ClientError. Never retries: the caller does."""
        sent = {**headers, "Content-Length": str(size_bytes)}
        response = self._request("PUT", url, chunks, sent, False, _BYTES_S)
        etag = response.headers.get("ETag")
        if etag is None:
            raise ClientError(response.status, "The part was stored without an ETag", "the upload can't continue", {})
        return etag

    def _patiently(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], repeatable: bool
    ) -> urllib3.BaseHTTPResponse:
        """Waits where a server asks for it and it is short: whatever the method, nothing was done."""
        for _ in range(_SHORT_WAITS):
            try:
                return self._request(method, url, body, headers, self._retry(repeatable), self._answer_s)
            except Throttled as error:
                if error.retry_after_s > _SHORT_WAIT_S:
                    raise
                time.sleep(error.retry_after_s)
        return self._request(method, url, body, headers, self._retry(repeatable), self._answer_s)

    def _retry(self, repeatable_post: bool) -> _Retry:
        """Retries a refused connection for any request, but a lost response or a 503 only if repeating is harmless."""
        made = _Retry(
            total=4,
            redirect=0,
            allowed_methods=(*_IDEMPOTENT, "POST") if repeatable_post else _IDEMPOTENT,
            status_forcelist=_TRANSIENT,
            backoff_factor=0.1,
            backoff_jitter=0.2,
            backoff_max=3,
            retry_after_max=3,
            raise_on_status=False,
            raise_on_redirect=False,
        )
        made.until_s = time.monotonic() + self._answer_s * _REPEATED_SHARE
        return made

    def _request(
        self,
        method: str,
        url: str,
        body: bytes | Iterable[bytes] | None,
        headers: Mapping[str, str],
        retries: urllib3.Retry | bool,
        within_s: float,
    ) -> urllib3.BaseHTTPResponse:
        timeout = urllib3.Timeout(connect=_CONNECT_S, read=within_s)
        try:
            response = self._pool.request(method, url, body=body, headers=headers, retries=retries, timeout=timeout)
        except HTTPError as error:
            raise Unreachable(url.partition("?")[0], error) from error
        if response.status >= 300:
            document = _document(response.data)
            title = str(document.get("title") or response.reason or "Rejected")
            detail, after = str(document.get("detail") or ""), response.headers.get("Retry-After", "")
            if response.status == _THROTTLED and _SECONDS.fullmatch(after):
                raise Throttled(int(after), title, detail, document)
            raise ClientError(response.status, title, detail, document)
        return response


def _document(data: bytes) -> Json:
    """The JSON object in `data`; `{}` for anything else, such as a proxy's error page."""
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
