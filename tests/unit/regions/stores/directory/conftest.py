"""A running object server, served as in a region, and a client that can send any bytes."""

import hashlib
import http.client
import io
import json
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from wsgiref.util import FileWrapper

import pytest

from regions.clock import now_ms
from regions.stores.directory.objects import DirectoryObjects
from regions.stores.directory.server import ObjectServer
from regions.stores.objects import IMMUTABLE, RAW, VARIANTS, SignedPut
from tests.builders.objects import image
from tests.builders.stores import directory_objects

SECRET = b"secret"
RESPONSE_S = 30
MINUTE_MS = 60_000

SERVE = """
import socket, sys
from darkroom.processes.wsgi import WsgiServer
from darkroom.processes.pace import PaceLimits
from regions.clock import now_ms
from regions.stores.directory.server import ObjectServer
from tests.builders.stores import directory_objects

root, descriptor, grace_s = sys.argv[1:]
server = ObjectServer(directory_objects(root, "http://object-server", b"secret"), now_ms)
limits = PaceLimits(grace_s=float(grace_s), idle_s=float(grace_s))
WsgiServer(socket.socket(fileno=int(descriptor)), server, server.max_body_bytes, server.takes_body, limits).run()
"""


@dataclass
class Response:
    """A complete response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def problem(self) -> dict:
        assert self.headers["Content-Type"] == "application/problem+json"
        return json.loads(self.body)


class Connection(io.BufferedReader):
    """A connection to the server. Each `HTTPResponse` closes its file when it ends, so this one survives being closed,
    and the next response is read from the same buffer."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=RESPONSE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(socket.SocketIO(self.socket, "r"))

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.socket.sendall(piece)

    def response(self, method: str) -> Response:
        response = http.client.HTTPResponse(self, method=method)
        response.begin()
        return Response(response.status, response.headers, response.read())

    def makefile(self, mode: str) -> "Connection":
        return self

    def close(self) -> None:
        """Called by a response when it ends. Does nothing."""

    def __exit__(self, *raised: object) -> None:
        self.socket.close()


@dataclass
class RunningServer:
    """A running object server, and its store."""

    store: DirectoryObjects
    root: Path
    address: tuple[str, int]
    process: subprocess.Popen[bytes]

    def connect(self) -> Connection:
        return Connection(self.address)

    def encode(self, method: str, url: str, body: bytes = b"", headers: dict[str, str | None] | None = None) -> bytes:
        """The bytes of a request. Content-Length is that of the body unless `headers` override it. A header that is
        None is omitted."""
        parts = urlsplit(url)
        sent = {"Host": "object-server", "Content-Length": str(len(body)), **(headers or {})}
        lines = [f"{name}: {value}" for name, value in sent.items() if value is not None]
        return "\r\n".join([f"{method} {parts.path}?{parts.query} HTTP/1.1", *lines, "", ""]).encode() + body

    def request(self, method: str, url: str, body: bytes = b"", **headers: str | None) -> Response:
        return self.exchange(method, [self.encode(method, url, body, headers)])

    def exchange(self, method: str, pieces: Iterable[bytes]) -> Response:
        """Sends the pieces of a request one by one, and reads the response."""
        with self.connect() as connection:
            connection.send(*pieces)
            return connection.response(method)

    def part_url(self, upload: str, size_bytes: int, number: int = 1, expires_in_ms: int = MINUTE_MS) -> str:
        return self.store.sign_part(upload, number, size_bytes, now_ms() + expires_in_ms).url

    def signed_put(self, key: str, data: bytes, expires_in_ms: int = MINUTE_MS) -> SignedPut:
        """For a variant of these bytes."""
        return self.store.sign_put(VARIANTS, image(key, data), now_ms() + expires_in_ms)

    def put(self, key: str, data: bytes, bucket: str = VARIANTS, content_type: str = "image/jpeg") -> str:
        """Stores an object and returns its URL."""
        self.store.put(bucket, key, [data], hashlib.sha256(data).hexdigest(), content_type, IMMUTABLE)
        return self.store.sign_get(bucket, key, now_ms() + MINUTE_MS)

    def parts(self, upload: str) -> list[int]:
        """The sizes of the parts that have arrived."""
        return [part.size_bytes for part in self.store.list_parts(upload)]

    def unfinished_files(self) -> list[Path]:
        """Files that are still being written, or were left behind."""
        return [path for path in (self.root / "tmp").rglob("*") if path.is_file()]


def opened(root: Path, grace_s: float) -> Iterator[RunningServer]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor, address = listener.fileno(), listener.getsockname()[:2]
        command = [sys.executable, "-c", SERVE, str(root), str(descriptor), str(grace_s)]
        server = subprocess.Popen(command, pass_fds=[descriptor])
    try:
        yield RunningServer(directory_objects(str(root), "http://object-server", SECRET), root, address, server)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(RESPONSE_S)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    yield from opened(tmp_path_factory.mktemp("object-server") / "objects", 30)


@pytest.fixture
def impatient_server(tmp_path: Path) -> Iterator[RunningServer]:
    """Gives up on a client after half a second."""
    yield from opened(tmp_path / "objects", 0.5)


@pytest.fixture
def patient_server(tmp_path: Path) -> Iterator[RunningServer]:
    """Never gives up on a client while a test runs."""
    yield from opened(tmp_path / "objects", 3600)


@pytest.fixture
def key() -> str:
    return f"ab/{secrets.token_hex(8)}"


@pytest.fixture
def upload(server: RunningServer, key: str) -> str:
    return server.store.create_upload(RAW, key)


@pytest.fixture(scope="session")
def call() -> Callable[..., Response]:
    """Calls the application directly, as no web server would: `call(store, method, url, **environ)`."""

    def call(store: DirectoryObjects, method: str, url: str, **environ: str) -> Response:
        parts, started = urlsplit(url), []
        request = {"REQUEST_METHOD": method, "PATH_INFO": parts.path, "QUERY_STRING": parts.query, **environ}
        request |= {"wsgi.input": io.BytesIO(b""), "wsgi.file_wrapper": FileWrapper}
        body = ObjectServer(store, now_ms)(request, lambda *line: started.extend(line))
        headers = dict(started[1])
        # Web servers end a file where Content-Length says.
        return Response(int(started[0].split()[0]), headers, b"".join(body)[: int(headers["Content-Length"])])

    return call
