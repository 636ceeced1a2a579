"""S3 stores over real HTTP: moto, which has every call but checks no signatures; versitygw, which is strict but has no
lifecycle rules; and a proxy in front of moto that fails on request."""

import hashlib
import logging
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import urllib3
from moto.server import ThreadedMotoServer

from regions.stores.objects import RAW, VARIANTS, ObjectInfo
from regions.stores.s3 import stamped_buckets
from regions.stores.s3.objects import S3Objects
from regions.stores.s3.session import Credentials, S3Address, connect, parse_address
from tests.builders.http import running
from tests.builders.stores import REGION_OF_STORES, STAMP

_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
_NO_UPLOAD = b"<Error><Code>NoSuchUpload</Code><Message>The upload may have been completed.</Message></Error>"


@dataclass
class Store:
    """A store under test. `client` is boto3's own, to read the store without our adapter."""

    address: S3Address
    credentials: Credentials

    @cached_property
    def objects(self) -> S3Objects:
        return S3Objects(self.address, self.credentials, REGION_OF_STORES)

    @property
    def client(self) -> Any:
        return connect(self.address.service, self.credentials)

    def prepare(self) -> None:
        stamped_buckets.create(self.address, self.credentials, STAMP)
        self._read_stamp()

    def opened_as(self, checksums: str, conditional: bool) -> "Store":
        """The same store, as if it had these features of S3."""
        service = replace(self.address.service, checksums=checksums)
        store = Store(replace(self.address, service=service, conditional=conditional), self.credentials)
        store._read_stamp()
        return store

    def _read_stamp(self) -> None:
        """Through `objects`, so that its later requests are only those of the test."""
        assert self.objects.info(RAW, "missing") is None

    def put(self, key: str, data: bytes) -> ObjectInfo:
        return self.objects.put(RAW, key, [data], hashlib.sha256(data).hexdigest(), "image/jpeg")

    def whole(self, key: str) -> bytes:
        with self.objects.open(RAW, key) as chunks:
            return b"".join(chunks)

    def unfinished(self) -> list[Any]:
        found = self.client.list_multipart_uploads(Bucket=self.address.bucket(RAW)).get("Uploads", [])
        return list(found)


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class FaultyProxy:
    """The requests that it got, and the faults that it will cause: one for each request, then always `then`.

    - `slow down`: responds 503, and the store gets nothing;
    - `lost response`: the store gets the request, but the client gets no response;
    - `no upload`: the store gets the request, but the client gets the response that there is no such upload;
    - `cut`: the response has half of its body;
    - `no range`: the store ignores the range and the condition;
    - empty: no fault.
    """

    upstream: str
    requests: list[Request] = field(default_factory=list)
    faults: deque[str] = field(default_factory=deque)
    then: str = ""
    url: str = ""

    def fail(self, *faults: str, then: str = "") -> None:
        self.requests.clear()
        self.faults, self.then = deque(faults), then

    def next_fault(self) -> str:
        return self.faults.popleft() if self.faults else self.then


class _Forwarding(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultyProxy

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.proxy.requests.append(Request(self.command, self.path, dict(self.headers.items())))
        fault = self.proxy.next_fault()
        self.close_connection = bool(fault)
        if fault == "slow down":
            return self._respond(503, {"Content-Length": str(len(_SLOW_DOWN))}, _SLOW_DOWN)
        dropped = {"Expect", "Connection"} | ({"Range", "If-Match"} if fault == "no range" else set())
        headers = {name: value for name, value in self.headers.items() if name not in dropped}
        url = self.proxy.upstream + self.path
        response = urllib3.request(self.command, url, body=body, headers=headers, retries=False, timeout=20)
        if fault == "lost response":
            return None
        if fault == "no upload":
            return self._respond(404, {"Content-Length": str(len(_NO_UPLOAD))}, _NO_UPLOAD)
        kept = {name: value for name, value in response.headers.items() if name not in ("Connection", "Date", "Server")}
        sent = response.data[: len(response.data) // 2] if fault == "cut" else response.data
        return self._respond(response.status, kept, sent)

    def _respond(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    # A line for each request would hide the output of a failing test.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto(moto_url: str) -> Store:
    """Still without buckets."""
    return Store(_address(moto_url, "conditional=1"), Credentials("key", "secret"))


@pytest.fixture
def proxy(moto_url: str) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(moto_url)
    handler = type("Handler", (_Forwarding,), {"proxy": proxy})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        with running(server):
            yield proxy


@pytest.fixture
def proxied(proxy: FaultyProxy) -> Store:
    """A store behind the proxy, with its buckets."""
    store = Store(_address(proxy.url, "conditional=0"), Credentials("key", "secret"))
    store.prepare()
    proxy.fail()
    return store


@pytest.fixture
def strict() -> Iterator[Store]:
    """versitygw, with buckets that are removed after the test."""
    if "DARKROOM_TEST_VERSITYGW" not in os.environ:
        if os.environ.get("CI"):
            pytest.fail("DARKROOM_TEST_VERSITYGW must be the address of versitygw")
        pytest.skip("versitygw does not run: `python -m deploy.servers run -- pytest` starts it")
    address = _address(os.environ["DARKROOM_TEST_VERSITYGW"], "lifecycle=0&access_block=0")
    store = Store(address, Credentials("darkroom", os.environ["DARKROOM_TEST_VERSITYGW_SECRET"]))
    store.prepare()
    with _removed_afterwards(store):
        yield store


@contextmanager
def _removed_afterwards(store: Store) -> Iterator[None]:
    try:
        yield
    finally:
        for bucket in (RAW, VARIANTS):
            for info in list(store.objects.list(bucket)):
                store.objects.delete(bucket, info.key)
            store.client.delete_bucket(Bucket=store.address.bucket(bucket))


def _address(endpoint: str, settings: str) -> S3Address:
    return parse_address(f"s3://test-{os.urandom(8).hex()}?endpoint={endpoint}&region=us-east-1&style=path&{settings}")
