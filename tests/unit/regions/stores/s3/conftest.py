"""Stores that speak S3 by real HTTP: moto, which has every call but checks no signature; versitygw, which is strict
but has no lifecycle rules; and a proxy before moto that fails as it is told to."""

import hashlib
import logging
import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import urllib3
from moto.server import ThreadedMotoServer

from regions.stores.objects import RAW, VARIANTS, ObjectInfo
from regions.stores.s3.buckets import prepare_buckets
from regions.stores.s3.objects import S3Objects
from regions.stores.s3.session import Credentials, S3Address, connect, parse_address

_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
_OVER = b"<Error><Code>NoSuchUpload</Code><Message>The upload may have been completed.</Message></Error>"


@dataclass
class Bench:
    """One store under test, opened. `client` is boto3's own, to look at the store past our adapter."""

    address: S3Address
    credentials: Credentials

    @property
    def objects(self) -> S3Objects:
        return S3Objects(self.address, self.credentials)

    @property
    def client(self) -> Any:
        return connect(self.address.service, self.credentials)

    def prepare(self) -> None:
        prepare_buckets(self.address, self.credentials)

    def put(self, key: str, data: bytes) -> ObjectInfo:
        return self.objects.put(RAW, key, [data], hashlib.sha256(data).hexdigest(), "image/jpeg")

    def whole(self, key: str) -> bytes:
        with self.objects.open(RAW, key) as chunks:
            return b"".join(chunks)

    def unfinished(self) -> list[Any]:
        found = self.client.list_multipart_uploads(Bucket=self.address.bucket(RAW)).get("Uploads", [])
        return list(found)


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class FaultyProxy:
    """What came through it, and what is still to go wrong: one fault a request, and then `then` for good.

    A fault is `slow down` (503, and nothing reaches the store), `lost answer` (the store did it), `over` (it did it,
    and says that there is no such upload), `cut` (half the answer's body), `no range` (neither range nor condition
    is heeded), or empty.
    """

    upstream: str
    seen: list[Seen] = field(default_factory=list)
    faults: deque[str] = field(default_factory=deque)
    then: str = ""
    url: str = ""

    def fail(self, *faults: str, then: str = "") -> None:
        self.seen.clear()
        self.faults, self.then = deque(faults), then

    def next_fault(self) -> str:
        return self.faults.popleft() if self.faults else self.then


class _Forwarding(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultyProxy

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.proxy.seen.append(Seen(self.command, self.path, dict(self.headers.items())))
        fault = self.proxy.next_fault()
        self.close_connection = bool(fault)
        if fault == "slow down":
            return self._answer(503, {"Content-Length": str(len(_SLOW_DOWN))}, _SLOW_DOWN)
        dropped = {"Expect", "Connection"} | ({"Range", "If-Match"} if fault == "no range" else set())
        headers = {name: value for name, value in self.headers.items() if name not in dropped}
        url = self.proxy.upstream + self.path
        said = urllib3.request(self.command, url, body=body, headers=headers, retries=False, timeout=20)
        if fault == "lost answer":
            return None
        if fault == "over":
            return self._answer(404, {"Content-Length": str(len(_OVER))}, _OVER)
        kept = {name: value for name, value in said.headers.items() if name not in ("Connection", "Date", "Server")}
        return self._answer(said.status, kept, said.data[: len(said.data) // 2] if fault == "cut" else said.data)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
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
    # A line for each request would hide what a failing test has to say.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto(moto_url: str) -> Bench:
    """Without buckets yet."""
    return Bench(_address(moto_url, "conditional=1"), Credentials("key", "secret"))


@pytest.fixture
def proxy(moto_url: str) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(moto_url)
    handler = type("Handler", (_Forwarding,), {"proxy": proxy})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        yield proxy
        server.shutdown()
        serving.join()


@pytest.fixture
def proxied(proxy: FaultyProxy) -> Bench:
    """A store behind the proxy, with its buckets."""
    bench = Bench(_address(proxy.url, "conditional=0"), Credentials("key", "secret"))
    bench.prepare()
    proxy.fail()
    return bench


@pytest.fixture
def strict() -> Iterator[Bench]:
    """versitygw, with buckets that are removed in the end."""
    if "DARKROOM_TEST_VERSITYGW" not in os.environ:
        if os.environ.get("CI"):
            pytest.fail("DARKROOM_TEST_VERSITYGW must say where versitygw is")
        pytest.skip("versitygw does not run: `python -m deploy.servers run -- pytest` starts it")
    address = _address(os.environ["DARKROOM_TEST_VERSITYGW"], "lifecycle=0&access_block=0")
    bench = Bench(address, Credentials("darkroom", os.environ["DARKROOM_TEST_VERSITYGW_SECRET"]))
    bench.prepare()
    with _removed_in_the_end(bench):
        yield bench


@contextmanager
def _removed_in_the_end(bench: Bench) -> Iterator[None]:
    try:
        yield
    finally:
        for bucket in (RAW, VARIANTS):
            for info in list(bench.objects.list(bucket)):
                bench.objects.delete(bucket, info.key)
            bench.client.delete_bucket(Bucket=bench.address.bucket(bucket))


def _address(endpoint: str, settings: str) -> S3Address:
    return parse_address(f"s3://test-{os.urandom(8).hex()}?endpoint={endpoint}&region=us-east-1&style=path&{settings}")
