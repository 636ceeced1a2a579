"""HEAD and GET of one object, as boto3's client has them, without what it does around them.

boto3 takes about 1 ms of processor time for a request, and this a tenth of that; a lane makes two for each object that
it copies. The certificates that are trusted and the errors are botocore's own.
"""

import random
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any

import botocore.session
from botocore.exceptions import ClientError, HTTPClientError
from botocore.httpsession import get_cert_path
from botocore.parsers import ResponseParserError

from regions.kept_connections import ERRORS, KeptAnswer, KeptConnections, KeptHosts
from regions.retry import backoff_s
from regions.stores.s3.session import (
    CONNECT_S,
    CONNECTION_ERRORS,
    CONNECTIONS,
    READ_S,
    TRIES,
    Credentials,
    S3Address,
)
from regions.stores.s3.signing import signed_url

_VALID_S = 300
_OK, _AGAIN = (200, 206), (429, 500, 502, 503, 504)
_HEADERS = {
    "ETag": "etag",
    "ContentType": "content-type",
    "CacheControl": "cache-control",
    "ChecksumSHA256": "x-amz-checksum-sha256",
}
_SHA256 = "x-amz-meta-sha256"
_CODE = re.compile("<Code>([A-Za-z0-9.]{1,100})</Code>")
_MAX_ERROR_BYTES = 64 << 10


class Reads:
    """`head_object` and `get_object` of one address, with the names of boto3's client; `Bucket` is S3's name of one.

    Any number of threads may use it; `pause` waits for so many seconds. Both raise ClientError, and what botocore
    raises for a connection.
    """

    def __init__(
        self, address: S3Address, credentials: Credentials, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._address, self._keys = address, (credentials.access_key, credentials.secret_key)
        self._pause = pause
        # One or two: those at which both buckets are.
        self._hosts = KeptHosts(_connections)

    def head_object(self, *, Bucket: str, Key: str, ChecksumMode: str) -> Mapping[str, Any]:
        with closing(self._answered("HEAD", Bucket, Key, {"x-amz-checksum-mode": ChecksumMode})) as answer:
            # An empty body that was read: so the connection is kept.
            answer.read(1)
            return _described(answer)

    def get_object(self, *, Bucket: str, Key: str, Range: str = "", IfMatch: str = "") -> Mapping[str, Any]:
        """The caller reads `Body`, and closes it."""
        headers = {"Range": Range, "If-Match": IfMatch} if Range else {}
        answer = self._answered("GET", Bucket, Key, headers)
        return {**_described(answer), "Body": _Body(answer)}

    def _answered(self, method: str, bucket: str, key: str, headers: Mapping[str, str]) -> KeptAnswer:
        url = self._address.object_url(bucket, key)
        for attempt in count(1):
            try:
                answer = self._sent(method, url, headers)
                if answer.status in _OK:
                    return answer
                error: Exception = _refusal(method, answer)
                may_pass = answer.status in _AGAIN
            except CONNECTION_ERRORS as broken:
                error, may_pass = broken, True
            if attempt == TRIES or not may_pass:
                raise error
            self._pause(backoff_s(attempt, random.random))
        raise AssertionError("the last attempt has returned or raised")

    def _sent(self, method: str, url: str, headers: Mapping[str, str]) -> KeptAnswer:
        region, now = self._address.service.region, datetime.now(UTC)
        signed = signed_url(method, url, headers, self._keys, region, now, _VALID_S)
        with _as_botocores():
            return self._hosts.ask(method, signed, headers)


class _Body:
    def __init__(self, answer: KeptAnswer) -> None:
        self._answer, self.close = answer, answer.close

    def read(self, most: int) -> bytes:
        with _as_botocores():
            return self._answer.read(most)


@contextmanager
def _as_botocores() -> Iterator[None]:
    try:
        yield
    except ERRORS as error:
        raise HTTPClientError(error=error) from error


def _connections(url: str) -> KeptConnections:
    context = None
    if url.startswith("https:"):
        ca_bundle = botocore.session.get_session().get_config_variable("ca_bundle")
        context = ssl.create_default_context(cafile=ca_bundle or get_cert_path(True))
    return KeptConnections(url, CONNECTIONS, CONNECT_S, READ_S, context)


def _described(answer: KeptAnswer) -> dict[str, Any]:
    """What boto3 says of an object, as far as anybody here asks."""
    headers = answer.headers
    if "content-length" not in headers:
        raise ResponseParserError("S3 says of each object how long it is")
    described = {name: headers[header] for name, header in _HEADERS.items() if header in headers}
    metadata = {"sha256": headers[_SHA256]} if _SHA256 in headers else {}
    return {**described, "ContentLength": int(headers["content-length"]), "Metadata": metadata}


def _refusal(method: str, answer: KeptAnswer) -> ClientError:
    """With S3's name for the error; the answer to HEAD has no body, and so only its status."""
    with closing(answer), _as_botocores():
        named = _CODE.search(answer.read(_MAX_ERROR_BYTES).decode(errors="replace"))
    error = {"Code": named[1] if named else str(answer.status)}
    return ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": answer.status}}, method)
