"""An object door that stands open, served by gunicorn as in a region, with a client that says anything; and what is
deployed."""

import hashlib
import http.client
import io
import json
import secrets
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from regions.clock import now_ms
from regions.residency import policy
from regions.residency.policy import Policy
from regions.stores.directory.objects import DirectoryObjects
from regions.stores.directory.server import ObjectServer
from regions.stores.objects import IMMUTABLE, RAW, VARIANTS
from regions.topology import Edge, Region, Topology

DEPLOY = Path(__file__).parents[3] / "deploy"
SECRET = b"secret"
ANSWER_S = 30
MINUTE_MS = 60_000

SERVE = """
import socket, sys
from darkroom.processes.wsgi import WsgiServer
from regions.clock import now_ms
from regions.stores.directory import connection_limits
from regions.stores.directory.objects import DirectoryObjects
from regions.stores.directory.server import ObjectServer

root, descriptor, stall_s = sys.argv[1:]
connection_limits.STALL_S = float(stall_s)
load = lambda: ObjectServer(DirectoryObjects(root, "http://door", b"secret"), now_ms)
WsgiServer(socket.socket(fileno=int(descriptor)), load).run()
"""


@dataclass
class Said:
    """An answer that came to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def problem(self) -> dict:
        assert self.headers["Content-Type"] == "application/problem+json"
        return json.loads(self.body)


class Connection(io.BufferedReader):
    """A connection to the door, which one answer after the other is read from: each closes it, and the next goes on."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=ANSWER_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(socket.SocketIO(self.socket, "r"))

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.socket.sendall(piece)

    def answer(self, method: str) -> Said:
        response = http.client.HTTPResponse(self, method=method)
        response.begin()
        return Said(response.status, response.headers, response.read())

    def makefile(self, mode: str) -> "Connection":
        return self

    def close(self) -> None:
        """What an answer does when it is at its end."""

    def __exit__(self, *raised: object) -> None:
        self.socket.close()


@dataclass
class Door:
    """A door that stands open, and its store."""

    store: DirectoryObjects
    root: Path
    address: tuple[str, int]

    def connect(self) -> Connection:
        return Connection(self.address)

    def request(self, method: str, url: str, body: bytes = b"", headers: dict[str, str | None] | None = None) -> bytes:
        """Content-Length is that of the body unless `headers` say otherwise; a header that is None is left away."""
        parts = urlsplit(url)
        said = {"Host": "object-server", "Content-Length": str(len(body)), **(headers or {})}
        lines = [f"{name}: {value}" for name, value in said.items() if value is not None]
        return "\r\n".join([f"{method} {parts.path}?{parts.query} HTTP/1.1", *lines, "", ""]).encode() + body

    def ask(self, method: str, url: str, body: bytes = b"", **headers: str | None) -> Said:
        return self.say(method, [self.request(method, url, body, headers)])

    def say(self, method: str, pieces: Iterable[bytes]) -> Said:
        """Sends the pieces of a request one by one, and hears the answer."""
        with self.connect() as connection:
            connection.send(*pieces)
            return connection.answer(method)

    def part_url(self, upload: str, size_bytes: int, number: int = 1, ends_in_ms: int = MINUTE_MS) -> str:
        return self.store.sign_part(upload, number, size_bytes, now_ms() + ends_in_ms).url

    def kept(self, key: str, data: bytes, bucket: str = VARIANTS, content_type: str = "image/jpeg") -> str:
        """Stores an object and gives its URL."""
        self.store.put(bucket, key, [data], hashlib.sha256(data).hexdigest(), content_type, IMMUTABLE)
        return self.store.sign_get(bucket, key, now_ms() + MINUTE_MS)

    def parts(self, upload: str) -> list[int]:
        """The sizes of the parts that have arrived."""
        return [part.size_bytes for part in self.store.list_parts(upload)]

    def on_their_way(self) -> list[Path]:
        return [path for path in (self.root / "tmp").rglob("*") if path.is_file()]


def opened(root: Path, stall_s: float) -> Iterator[Door]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor, address = listener.fileno(), listener.getsockname()[:2]
        command = [sys.executable, "-c", SERVE, str(root), str(descriptor), str(stall_s)]
        server = subprocess.Popen(command, pass_fds=[descriptor])
    try:
        yield Door(DirectoryObjects(str(root), "http://door", SECRET), root, address)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(ANSWER_S)


@pytest.fixture(scope="session")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    yield from opened(tmp_path_factory.mktemp("object-server") / "objects", 30)


@pytest.fixture
def impatient_door(tmp_path: Path) -> Iterator[Door]:
    """Gives up on a client after half a second."""
    yield from opened(tmp_path / "objects", 0.5)


@pytest.fixture
def patient_door(tmp_path: Path) -> Iterator[Door]:
    """Gives up on nobody while a test runs."""
    yield from opened(tmp_path / "objects", 3600)


@pytest.fixture
def key() -> str:
    return f"ab/{secrets.token_hex(8)}"


@pytest.fixture
def upload(door: Door, key: str) -> str:
    return door.store.create_upload(RAW, key)


@pytest.fixture(scope="session")
def call() -> Callable[..., Said]:
    """Calls the application itself, for what gunicorn would not let through: `call(store, method, url, **environ)`."""

    def call(store: DirectoryObjects, method: str, url: str, **environ: str) -> Said:
        parts, said = urlsplit(url), []
        asked = {"REQUEST_METHOD": method, "PATH_INFO": parts.path, "QUERY_STRING": parts.query, **environ}
        body = ObjectServer(store, now_ms)({**asked, "wsgi.input": io.BytesIO(b"")}, lambda *line: said.extend(line))
        return Said(int(said[0].split()[0]), dict(said[1]), b"".join(body))

    return call


@pytest.fixture(scope="session")
def one_machine() -> Topology:
    """The regions and edges of `deploy/one_machine.toml`, at addresses that nobody answers."""
    tables = tomllib.loads((DEPLOY / "one_machine.toml").read_text())
    stores = dict.fromkeys(("origin", "objects", "catalog", "feeds", "events", "settings", "public_key"), "nowhere")
    reached = dict.fromkeys(("url", "cache", "public_key"), "nowhere")
    return Topology(
        {name: Region(name, **facts, **stores) for name, facts in tables["regions"].items()},
        {name: Edge(name, **facts, **reached) for name, facts in tables["edges"].items()},
    )


@pytest.fixture(scope="session")
def deployed() -> Policy:
    """The policy of `deploy/policy.yaml`."""
    return policy.parse((DEPLOY / "policy.yaml").read_text(), "policy.yaml")
