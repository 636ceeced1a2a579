"""The connection to an S3 store: its address, deadlines and retries, and what its errors mean.

The URL declares how an S3-compatible store differs from S3. The adapter never finds out by trying.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, IncompleteReadError
from botocore.parsers import ResponseParserError

from regions.errors import TopologyError, Unavailable

# One call ends within 4 x (3 + 10) + 7 s: four tries, and at most 1 + 2 + 4 s of waiting between them (botocore waits
# a random part of that, and of a tenth of it after any error but SlowDown). READ_S limits the longest silence, not the
# whole transfer. We do not use the mode `adaptive`, because it delays calls without a bound.
CONNECT_S, READ_S, TRIES = 3, 10, 4
# More than any of our processes has threads. With boto3's default of 10, every further thread would open a connection
# for each call and close it again.
CONNECTIONS = 128

# `-variants` must still fit into the 63 characters of a bucket's name. No dots: TLS wildcard certificates do not match
# them.
_PREFIX = re.compile("[a-z0-9][a-z0-9-]{1,52}")
_REGION = re.compile("[a-z0-9][a-z0-9-]{0,62}")
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")
_CHOICES = {
    "style": ("virtual", "path"),
    "checksums": ("when_supported", "when_required"),
    "conditional": ("1", "0"),
    "lifecycle": ("1", "0"),
    "access_block": ("1", "0"),
}

# 403 too: if our keys are no longer valid, that must not look like a missing photo.
_UNAVAILABLE_STATUS = {401, 403, 408, 409, 429, 500, 502, 503, 504}
_UNAVAILABLE_CODES = {"NoSuchBucket", "RequestTimeout", "BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch"}
CONNECTION_ERRORS = (ConnectionError, HTTPClientError, IncompleteReadError, ResponseParserError)


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"Credentials({self.access_key!r}, …)"


@dataclass(frozen=True, slots=True)
class S3Service:
    """A store, and how it differs from S3. Without an endpoint it is AWS.

    `checksums` is `when_supported` if the store accepts SHA-256 as a checksum, and `when_required` if it accepts it
    only as the signed hash of a body.
    """

    endpoint: str | None
    region: str
    style: str
    checksums: str

    @property
    def accepts_checksums(self) -> bool:
        return self.checksums == "when_supported"


@dataclass(frozen=True, slots=True)
class S3Address:
    """Two buckets, `{prefix}-raw` and `{prefix}-variants`, and which calls their store supports: writes with
    `If-None-Match`, lifecycle rules, blocking of public access."""

    prefix: str
    service: S3Service
    conditional: bool
    lifecycle: bool
    access_block: bool

    def bucket(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def object_url(self, bucket: str, key: str) -> str:
        """As botocore signs it, without the signature. `bucket` is S3's name of it."""
        service = self.service
        scheme, _, host = (service.endpoint or f"https://s3.{service.region}.amazonaws.com").partition("://")
        return f"{scheme}://{host}/{bucket}/{key}" if service.style == "path" else f"{scheme}://{bucket}.{host}/{key}"


def parse_address(url: str) -> S3Address:
    """Parses `s3://PREFIX?region=R`, with `&endpoint=URL&style=path` if it is not AWS. `_CHOICES` lists the other
    settings; the first value of each is its default. Raises TopologyError."""
    split = _split(url)
    parameters = dict(parse_qsl(split.query, keep_blank_values=True))
    # First, because a wrong endpoint may contain credentials, which must not be repeated in a message.
    endpoint = _checked_endpoint(parameters.pop("endpoint")) if "endpoint" in parameters else None
    if "@" in split.netloc:
        raise TopologyError("an S3 URL must not hold credentials: they belong in the secrets folder")
    if not _PREFIX.fullmatch(split.netloc) or split.path not in ("", "/"):
        raise TopologyError(f"{url!r}: after s3:// comes the prefix of the buckets: lower-case letters, digits and -")
    region = parameters.pop("region", "")
    if not _REGION.fullmatch(region):
        raise TopologyError(f"{url!r}: region must name the store's region, such as us-east-1")
    chosen = {name: parameters.pop(name, choices[0]) for name, choices in _CHOICES.items()}
    for name, value in chosen.items():
        if value not in _CHOICES[name]:
            raise TopologyError(f"{url!r}: {name} must be {' or '.join(_CHOICES[name])}")
    if parameters:
        raise TopologyError(f"{url!r}: unknown setting {', '.join(sorted(parameters))}")
    service = S3Service(endpoint, region, chosen["style"], chosen["checksums"])
    has = {name: chosen[name] == "1" for name in ("conditional", "lifecycle", "access_block")}
    return S3Address(split.netloc, service, **has)


def _checked_endpoint(endpoint: str) -> str:
    split = _split(endpoint)
    if not _ENDPOINT.fullmatch(f"{split.scheme}://{split.netloc}") or split.path.strip("/") or split.query:
        raise TopologyError("the endpoint of an S3 URL must be http[s]://host[:port], and no more")
    return endpoint.rstrip("/")


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise TopologyError(f"this is not a URL: {error}") from error


_connecting = threading.Lock()


def connect(service: S3Service, credentials: Credentials | None) -> Any:
    """The process's one client of the store, which any thread may use. Without credentials, an anonymous one.

    Sends no request. The client is shared, because making one takes about 0.1 s, and it has a pool of connections.
    """
    with _connecting:
        return _client(service, credentials)


@cache
def _session() -> Any:
    """Only one thread at a time may make a client from it."""
    return boto3.session.Session()


@cache
def _client(service: S3Service, credentials: Credentials | None) -> Any:
    config = Config(
        # Signed URLs use version 4 only if it is requested.
        signature_version="s3v4" if credentials else UNSIGNED,
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"mode": "standard", "total_max_attempts": TRIES},
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        ignore_configured_endpoint_urls=True,
        request_checksum_calculation=service.checksums,
        # Readers compare the SHA-256 of the whole object.
        response_checksum_validation="when_required",
        s3={
            "addressing_style": service.style,
            "us_east_1_regional_endpoint": "regional",
            "payload_signing_enabled": not service.accepts_checksums,
        },
    )
    return _session().client(
        "s3",
        region_name=service.region,
        endpoint_url=service.endpoint,
        aws_access_key_id=credentials and credentials.access_key,
        aws_secret_access_key=credentials and credentials.secret_key,
        config=config,
    )


def code(error: ClientError) -> str:
    """S3's name for the error, or its status if the response had no body, as for HEAD."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextmanager
def errors_as_unavailable() -> Iterator[None]:
    """Turns errors that time or an operator can resolve into Unavailable, without addresses. Our own bugs pass."""
    try:
        yield
    except ClientError as error:
        if status(error) not in _UNAVAILABLE_STATUS and code(error) not in _UNAVAILABLE_CODES:
            raise
        raise Unavailable(f"the object store can't serve the request: {code(error)}") from error
    except CONNECTION_ERRORS as error:
        raise Unavailable(f"the object store does not answer: {type(error).__name__}") from error


def list_all(s3: Any, operation: str, items: str, query: Mapping[str, str]) -> Iterator[Any]:
    """All items of a list operation, page after page."""
    with errors_as_unavailable():
        for page in s3.get_paginator(operation).paginate(**query):
            yield from page.get(items, ())
