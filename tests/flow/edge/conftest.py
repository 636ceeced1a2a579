"""Real edges in processes of their own, over two small regions that act as origin and object server.

The regions fail on demand. Tokens and statements are the real ones.
"""

import contextlib
import hashlib
import http.client
import itertools
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3

from darkroom.local.compliance import signers_text
from regions import ids, keys, node_tokens
from regions.clock import now_s
from regions.errors import Unauthenticated
from regions.node_tokens import Call
from regions.residency import reports
from regions.residency.exchange import Report
from regions.residency.rules import Rules
from regions.residency.statement import Kind, Purpose, StatedPlace, Statement
from tests.builders.statements import POLICY_TEXT, Compliance, node_key, place

WAIT_S = 20
_HOMES = POLICY_TEXT.index("      - region: eu-west"), POLICY_TEXT.index("    rules:")
POLICY = POLICY_TEXT[: _HOMES[0]] + "      - region: eu-west\n" + POLICY_TEXT[_HOMES[1] :]
POLICY = POLICY.replace("    minimum_copies: 2\n", "")
"""That of `deploy/`, for a world without the second region of the EU."""
REGIONS = {"eu-west": (1, "EU", 38.7, -9.1), "us-central": (2, "US", 41.9, -87.6)}
EDGES = {
    "lisbon": ("EU", 38.7, -9.1, "eu-west"),
    "chicago": ("US", 41.9, -87.6, "us-central"),
    "madrid": ("EU", 40.4, -3.7, ""),
}
Reply = tuple[int, dict[str, str], Any]
"""Status, headers, and the value to send as JSON."""


@dataclass
class Image:
    """One photo at its home.

    `behave` is how its bytes are sent: whole, short, wrong, or paused at half until `release`.
    """

    photo_id: str
    residency_class: str
    body: bytes
    behave: str = "whole"
    release: threading.Event = field(default_factory=threading.Event)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


def set_event() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class Region:
    """A home region.

    `served` counts requests by path. `requests` are those to the API. `replies` are responses by path, in place of the
    default one. `unavailable` makes all requests fail; while `answers` is not set, none gets an answer. `tombstones`
    are sent in order; `cursors` are those requested.
    """

    name: str
    world: "World"
    url: str = ""
    images: dict[str, Image] = field(default_factory=dict)
    tombstones: list[str] = field(default_factory=list)
    cursors: list[int] = field(default_factory=list)
    served: Counter = field(default_factory=Counter)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    replies: dict[str, Reply] = field(default_factory=dict)
    unavailable: bool = False
    answers: threading.Event = field(default_factory=set_event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, residency_class: str = "eu", size_bytes: int = 200_000, behave: str = "whole") -> Image:
        number = ids.compose(ids.Snowflake(now_s() * 1000, REGIONS[self.name][0], 0, next(self.world.sequence)))
        image = Image(ids.to_public(ids.PHOTO, number), residency_class, random.randbytes(size_bytes), behave)
        self.images[image.photo_id] = image
        return image

    def delete(self, image: Image) -> None:
        with self.lock:
            del self.images[image.photo_id]
            self.tombstones.append(image.photo_id)

    def fetched(self, image: Image) -> int:
        """How often the image's bytes were requested."""
        return self.served[f"/object/{image.photo_id}"]

    def respond(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        path = urlsplit(target).path
        if path.startswith("/v1/grants/"):
            return self._grant(path, headers)
        if path == "/v1/tombstones":
            return self._tombstone_page(json.loads(body)["after"].get("0", 0), headers, body)
        if path.startswith("/border/v1/statement/"):
            self.sender(Call(self.name, "GET", path), headers)
            return 200, {}, {"signed": self.world.signed[path.rpartition("/")[2]]}
        self.requests.append((method, target, headers, body))
        return self.replies.get(path, (200, {}, {"region": self.name, "body": body.decode(errors="replace")}))

    def _grant(self, path: str, headers: dict[str, str]) -> Reply:
        requester = self.sender(Call(self.name, "GET", path), headers)
        if shown := headers.get(node_tokens.GRANT_HEADER.lower()):
            self._verified(shown, Call(self.name, "GET", path, presenter=requester))
        image = self.images.get(path.split("/")[3])
        if image is None or requester != EDGE_OF[self.name]:
            return 404, {}, {"detail": "there is no such image"}
        return 200, {}, {
            "url": f"{self.url}/object/{image.photo_id}",
            "sha256": image.sha256,
            "size_bytes": len(image.body),
            "residency_class": image.residency_class,
            "home_region": self.name,
        }  # fmt: skip

    def _tombstone_page(self, after: int, headers: dict[str, str], body: bytes) -> Reply:
        self.sender(Call(self.name, "POST", "/v1/tombstones", body), headers)
        with self.lock:
            self.cursors.append(after)
            items = [{"photo_id": photo_id} for photo_id in self.tombstones[after:]]
        report = reports.to_document(self.world.report(self.name))
        return 200, {}, {"items": items, "complete": True, "after": {"0": after + len(items)}, "statement": report}

    def sender(self, call: Call, headers: dict[str, str]) -> str:
        return self._verified(headers.get(node_tokens.HEADER.lower(), ""), call)

    def _verified(self, token: str, call: Call) -> str:
        statement = self.world.compliance.latest
        assert statement is not None
        keys_of = Rules(statement, (), True).public_keys
        return node_tokens.sender(token, call, lambda name: keys_of(name, Purpose.NODE), now_s())


EDGE_OF = {edge[3]: name for name, edge in EDGES.items()}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    region: Region

    def do(self) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.region.lock:
            self.region.served[path] += 1
        self.region.answers.wait(WAIT_S)
        if self.region.unavailable:
            self.close_connection = True
            return
        if path.startswith("/object/"):
            return self.send_object(self.region.images[path.removeprefix("/object/")])
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            self.send(*self.region.respond(self.command, self.path, headers, body))
        except Unauthenticated as problem:
            self.send(401, {}, problem.document())

    def send_object(self, image: Image) -> None:
        body, half = image.body, len(image.body) // 2
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:half])
        self.wfile.flush()
        if image.behave == "paused":
            assert image.release.wait(WAIT_S)
        if image.behave == "short":
            self.close_connection = True
            return
        self.wfile.write(bytes(len(body) - half) if image.behave == "wrong" else body[half:])

    def send(self, status: int, headers: dict[str, str], document: Any) -> None:
        data = b"" if status == 204 else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do

    def log_message(self, *arguments: object) -> None:
        """Tests use `served` instead."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """An edge that disconnects during a response is not an error of the tests."""


@dataclass
class EdgeProcess:
    """One edge, on a port that stays open when the process ends."""

    name: str
    folder: Path
    listener: socket.socket
    process: subprocess.Popen[bytes] | None = None
    http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False, timeout=WAIT_S))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    @property
    def cache(self) -> Path:
        return self.folder / "cache" / self.name

    def start(self) -> None:
        number = self.listener.fileno()
        command = ["-m", "darkroom", "run", "edge", self.name, "--topology", str(self.folder / "topology.toml")]
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command, "--fd", str(number)],
                stdin=subprocess.PIPE, stdout=log, stderr=log, pass_fds=[number],
            )  # fmt: skip

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Returns the exit code."""
        assert self.process is not None and self.process.stdin is not None
        self.process.send_signal(signal_number)
        code = self.process.wait(WAIT_S)
        self.process.stdin.close()
        return code

    def get(self, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> urllib3.BaseHTTPResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.request(method, self.url + path, headers=sent, body=body or None)

    def image(self, image: Image, name: str = "320.jpg", **headers: str) -> urllib3.BaseHTTPResponse:
        return self.get(f"/p/{image.photo_id}/{name}", **headers)

    def files_of(self, image: Image) -> list[Path]:
        """Folders that the edge removes during the walk are skipped."""
        paths = [Path(folder, name) for folder, _, names in os.walk(self.cache) for name in names]
        return [path for path in paths if path.parent.name == image.photo_id]

    def open(self, image: Image) -> "Reader":
        """Sends a request for the image. The test decides when to read the response."""
        return Reader(self, f"/p/{image.photo_id}/320.jpg")

    def connect(self) -> socket.socket:
        return socket.create_connection(self.listener.getsockname(), WAIT_S)

    def log_text(self) -> str:
        return (self.folder / f"{self.name}.log").read_text()


class Reader:
    """One client's request over a connection of its own."""

    def __init__(self, edge: EdgeProcess, path: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", edge.listener.getsockname()[1], timeout=WAIT_S)
        self.connection.request("GET", path)

    def read_head(self) -> http.client.HTTPResponse:
        self.response = self.connection.getresponse()
        return self.response

    def read_rest(self) -> bytes:
        with contextlib.closing(self.connection):
            return self.response.read()

    def disconnect(self) -> None:
        """With a reset, as when a program is killed."""
        sock = self.connection.sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.response.close()
        self.connection.close()


@dataclass
class World:
    folder: Path
    compliance: Compliance = field(default_factory=Compliance)
    lease_s: int = 60
    lease_left_s: float = 60.0
    signed: dict[str, str] = field(default_factory=dict)
    sequence: Iterator[int] = field(default_factory=itertools.count)
    regions: dict[str, Region] = field(default_factory=dict)
    edges: dict[str, EdgeProcess] = field(default_factory=dict)

    def node_token(self, name: str, receiver: str, path: str, method: str = "GET", body: bytes = b"") -> str:
        """With this a request proves that it comes from that region or edge."""
        return node_tokens.issue(name, "k1", node_key(name), Call(receiver, method, path, body), now_s())

    def image_token(self, name: str, image: Image, receiver: str = "lisbon") -> str:
        return self.node_token(name, receiver, f"/p/{image.photo_id}/320.jpg")

    def state(self, policy_text: str = POLICY) -> Statement:
        """From now on all regions answer that a statement with this policy is held and in force."""
        statement = self.compliance.states(policy_text, self.places(), lease_s=self.lease_s)
        self.signed[statement.hash] = statement.signed
        return statement

    def report(self, region: str) -> Report:
        held = self.compliance.latest
        assert held is not None
        return Report(region, held.serial, held.hash, held.hash, 0.0, self.lease_left_s)

    def places(self) -> list[StatedPlace]:
        regions = [
            place(name, Kind.REGION, jurisdiction, number=number, url=self.regions[name].url)
            for name, (number, jurisdiction, *_) in REGIONS.items()
        ]
        edges = [
            place(name, Kind.EDGE, jurisdiction, shield_of=shield_of, url=self.edges[name].url)
            for name, (jurisdiction, _, _, shield_of) in EDGES.items()
        ]
        return [*regions, *edges]

    def write_topology(self) -> None:
        stores = dict.fromkeys(("objects", "catalog", "feeds", "events", "settings"), "none://")
        lines: list[str] = []
        for name, (number, jurisdiction, latitude, longitude) in REGIONS.items():
            attributes = {"number": number, "jurisdiction": jurisdiction, "latitude": latitude, "longitude": longitude}
            attributes |= {**stores, "origin": self.regions[name].url}
            lines += table("region", name, attributes)
        for name, (jurisdiction, latitude, longitude, shield_of) in EDGES.items():
            attributes = {"jurisdiction": jurisdiction, "latitude": latitude, "longitude": longitude}
            attributes |= {"shield_of": shield_of, "url": self.edges[name].url, "cache": str(self.edges[name].cache)}
            lines += table("edge", name, attributes)
        (self.folder / "topology.toml").write_text("\n".join(lines))
        (self.folder / "secrets").mkdir()
        for name in EDGES:
            (self.folder / "secrets" / f"{name}.node.k1.pem").write_text(keys.private_pem(node_key(name)))
        (self.folder / "signers.json").write_text(signers_text(self.compliance.signers))


def table(kind: str, name: str, attributes: dict[str, Any]) -> list[str]:
    # A JSON string is a TOML basic string too.
    return [f"[{kind}s.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in attributes.items()), ""]


def wait_for(condition: Callable[[], Any], explain: Callable[[], str] = lambda: "") -> Any:
    """Returns the condition's first true value; fails if there is none in time."""
    deadline_s = time.monotonic() + WAIT_S
    while time.monotonic() < deadline_s:
        if value := condition():
            return value
        time.sleep(0.02)
    pytest.fail(f"this did not become true: {explain()}")


@pytest.fixture(scope="session", name="wait_for")
def wait_for_fixture() -> Callable[..., Any]:
    return wait_for


@pytest.fixture(scope="session")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The edges that all tests of a worker share. Each test adds its own photos."""
    yield from running(tmp_path_factory.mktemp("edges"))


@pytest.fixture(scope="module")
def own_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Edges that the tests of one module may stop and start."""
    yield from running(tmp_path_factory.mktemp("own_edges"), lease_s=6)


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    yield shared_world
    shared_world.lease_left_s = 60.0
    for region in shared_world.regions.values():
        region.unavailable = False
        region.replies.clear()
        for image in region.images.values():
            image.release.set()


@pytest.fixture
def home(world: World) -> Region:
    """The region of people in the EU; lisbon is its shield."""
    return world.regions["eu-west"]


@pytest.fixture
def lisbon(world: World) -> EdgeProcess:
    return world.edges["lisbon"]


@pytest.fixture
def madrid(world: World) -> EdgeProcess:
    """In the EU; not a shield."""
    return world.edges["madrid"]


@pytest.fixture
def chicago(world: World) -> EdgeProcess:
    """In the US; the shield of us-central."""
    return world.edges["chicago"]


def running(folder: Path, lease_s: int = 60) -> Iterator[World]:
    world = World(folder, lease_s=lease_s)
    servers = []
    for name in REGIONS:
        region = world.regions[name] = Region(name, world)
        server = Server(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"region": region}))
        region.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
    for name in EDGES:
        world.edges[name] = EdgeProcess(name, folder, socket.create_server(("127.0.0.1", 0), backlog=256))
    world.write_topology()
    world.state()
    try:
        for edge in world.edges.values():
            edge.start()
        for edge in world.edges.values():
            wait_for(lambda edge=edge: edge.get("/health").status == 200, edge.log_text)
        settle(world)
        yield world
    finally:
        for edge in world.edges.values():
            if edge.process is not None and edge.process.poll() is None:
                edge.stop(signal.SIGKILL)
            edge.listener.close()
            edge.http.clear()
        for server in servers:
            server.shutdown()
            server.server_close()


def settle(world: World) -> None:
    """Waits until each edge has heard from each region, so that it serves cached images without asking upstream."""
    probes = [region.add("world") for region in world.regions.values()]
    for edge in world.edges.values():
        for image in probes:
            wait_for(
                lambda edge=edge, image=image: edge.image(image).headers.get("Cache-Status") == f"{edge.name}; hit"
            )
