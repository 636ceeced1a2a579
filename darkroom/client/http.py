"""One request to Darkroom and its answer: pool, deadlines, retries, and problem documents turned into errors."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

Json = dict[str, Any]

_TIMEOUT = urllib3.Timeout(connect=5, read=30)
_TRANSIENT = (429, 502, 503, 504)
_IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE")  # RFC 9110 section 9.2.2
_POOL_SIZE = 8


class ClientError(Exception):
    """Darkroom said no. `document` is the problem document (RFC 9457), or as much of one as could be made out."""

    def __init__(self, status: int, title: str, detail: str, document: Json) -> None:
        super().__init__(f"{title}: {detail}" if detail else title)
        self.status, self.title, self.detail, self.document = status, title, detail, document


class Unreachable(ClientError):
    """Nobody answered, or not to the end. `status` is 0."""

    def __init__(self, url: str, error: HTTPError) -> None:
        super().__init__(0, f"{url} does not answer", str(getattr(error, "reason", None) or error), {})


class HttpClient:
    """Requests to one edge as one user. Safe to share between threads."""

    def __init__(self, edge_url: str, token: str | None) -> None:
        self._edge_url = edge_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._pool = urllib3.PoolManager(num_pools=_POOL_SIZE, maxsize=_POOL_SIZE, timeout=_TIMEOUT)

    def json(self, method: str, path: str, body: Json | None = None, *, repeatable: bool = False) -> Json:
        """The answer's document, `{}` where it has none. Raises ClientError.

        `repeatable` says that this POST does no harm when it is sent twice.
        """
        headers = dict(self._headers)
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        response = self._ask(method, self._edge_url + path, data, headers, _retry(repeatable))
        return _document(response.data)

    def get_bytes(self, url: str) -> tuple[bytes, Mapping[str, str]]:
        """A public object and its headers. Raises ClientError. Sends no token: the URL may lead to another host."""
        response = self._ask("GET", url, None, {}, _retry(False))
        return response.data, response.headers

    def put_part(self, url: str, headers: Mapping[str, str], chunks: Iterable[bytes], size_bytes: int) -> str:
        """Sends one part as it is read, and gives its ETag. Raises ClientError, and never tries again by itself."""
        sent = {**headers, "Content-Length": str(size_bytes)}
        response = self._ask("PUT", url, chunks, sent, False)
        etag = response.headers.get("ETag")
        if etag is None:
            raise ClientError(response.status, "The part was taken without an ETag", "the upload can't go on", {})
        return etag

    def _ask(
        self,
        method: str,
        url: str,
        body: bytes | Iterable[bytes] | None,
        headers: Mapping[str, str],
        retries: urllib3.Retry | bool,
    ) -> urllib3.BaseHTTPResponse:
        try:
            response = self._pool.request(method, url, body=body, headers=headers, retries=retries)
        except HTTPError as error:
            raise Unreachable(url.partition("?")[0], error) from error
        if response.status >= 300:
            raise _refusal(response)
        return response


def _retry(repeatable_post: bool) -> urllib3.Retry:
    """A refused connection is tried again for every request; a lost answer or a 503 only where that does no harm."""
    return urllib3.Retry(
        total=4,
        redirect=0,
        allowed_methods=(*_IDEMPOTENT, "POST") if repeatable_post else _IDEMPOTENT,
        status_forcelist=_TRANSIENT,
        backoff_factor=0.1,
        backoff_jitter=0.2,
        backoff_max=3,
        retry_after_max=10,
        raise_on_status=False,
        raise_on_redirect=False,
    )


def _refusal(response: urllib3.BaseHTTPResponse) -> ClientError:
    document = _document(response.data)
    title = str(document.get("title") or response.reason or "Refused")
    return ClientError(response.status, title, str(document.get("detail") or ""), document)


def _document(data: bytes) -> Json:
    """What is not a JSON object (a proxy's error page, say) counts as nothing."""
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
