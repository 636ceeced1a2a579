"""HEAD and GET of one object, as boto3's client has them, without what it does around them.

boto3 takes about 1 ms of processor time for a request, and this a fifth of that; a lane makes two for each object that
it copies. The certificates that are trusted and the errors are botocore's own.
"""

import random
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any

import botocore.session
import urllib3
from botocore.exceptions import ClientError, HTTPClientError
from botocore.httpsession import get_cert_path
from botocore.response import StreamingBody

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
    "ETag": "ETag",
    "ContentType": "Content-Type",
    "CacheControl": "Cache-Control",
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
        self._pools: dict[str, urllib3.HTTPConnectionPool] = {}

    def head_object(self, *, Bucket: str, Key: str, ChecksumMode: str) -> Mapping[str, Any]:
        return _described(self._answered("HEAD", Bucket, Key, {"x-amz-checksum-mode": ChecksumMode}))

    def get_object(self, *, Bucket: str, Key: str, Range: str = "", IfMatch: str = "") -> Mapping[str, Any]:
        """The caller reads `Body`, and closes it."""
        headers = {"Range": Range, "If-Match": IfMatch} if Range else {}
        response = self._answered("GET", Bucket, Key, headers)
        described = _described(response)
        return {**described, "Body": StreamingBody(response, described["ContentLength"])}

    def _answered(self, method: str, bucket: str, key: str, headers: Mapping[str, str]) -> Any:
        url = self._address.object_url(bucket, key)
        for attempt in count(1):
            try:
                response = self._sent(method, url, headers)
                if response.status in _OK:
                    return response
                error: Exception = _refusal(method, response)
                may_pass = response.status in _AGAIN
            except CONNECTION_ERRORS as broken:
                error, may_pass = broken, True
            if attempt == TRIES or not may_pass:
                raise error
            self._pause(backoff_s(attempt, random.random))

    def _sent(self, method: str, url: str, headers: Mapping[str, str]) -> Any:
        region, now = self._address.service.region, datetime.now(UTC)
        signed = signed_url(method, url, headers, self._keys, region, now, _VALID_S)
        path = signed.index("/", signed.index("//") + 2)
        try:
            # Who reads the body counts its bytes.
            return self._pool(signed[:path]).urlopen(
                method, signed[path:], headers=headers, preload_content=False, decode_content=False,
                enforce_content_length=False, redirect=False,
            )  # fmt: skip
        except urllib3.exceptions.HTTPError as error:
            raise HTTPClientError(error=error) from error

    def _pool(self, host: str) -> urllib3.HTTPConnectionPool:
        """Of the one or two hosts at which both buckets are."""
        return self._pools.get(host) or self._pools.setdefault(host, _connections(host))


def _connections(host: str) -> urllib3.HTTPConnectionPool:
    timeout = urllib3.Timeout(connect=CONNECT_S, read=READ_S)
    ca_bundle = botocore.session.get_session().get_config_variable("ca_bundle")
    trusted = {"ca_certs": ca_bundle or get_cert_path(True)} if host.startswith("https:") else {}
    return urllib3.connection_from_url(host, maxsize=CONNECTIONS, timeout=timeout, retries=False, **trusted)


def _described(response: Any) -> dict[str, Any]:
    """What boto3 says of an object, as far as anybody here asks."""
    headers = response.headers
    described = {name: headers[header] for name, header in _HEADERS.items() if header in headers}
    metadata = {"sha256": headers[_SHA256]} if _SHA256 in headers else {}
    return {**described, "ContentLength": int(headers["Content-Length"]), "Metadata": metadata}


def _refusal(method: str, response: Any) -> ClientError:
    """With S3's name for the error; a response to HEAD has no body, and so only its status."""
    text = response.read(_MAX_ERROR_BYTES).decode(errors="replace") if method == "GET" else ""
    response.close()
    named = _CODE.search(text)
    code = named[1] if named else str(response.status)
    error = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": response.status}}
    return ClientError(error, method)
