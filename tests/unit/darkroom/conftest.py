"""A small real HTTP server with the part of an edge and an object server that the client needs. It fails on demand."""

import hashlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.builders.http import JsonHandler, answering

PART_SIZE_BYTES = 1000
DROP = 0
"""Instead of a status: the connection is closed without a response."""

UPLOAD_ID = "p_00000000001"


@dataclass
class FakeEdge:
    """One upload, and the responses to requests for it. `served` counts all requests by `METHOD path`."""

    url: str = ""
    size_bytes: int = 0
    init_body: dict = field(default_factory=dict)
    parts: dict[int, bytes] = field(default_factory=dict)
    completed: list = field(default_factory=list)
    photos: list[dict] = field(default_factory=list)
    served: Counter = field(default_factory=Counter)
    signature: int = 1
    oldest_valid_signature: int = 1
    retry_after_s: int | None = None
    """What the responses of `fail` ask the client to wait."""
    failures: list[tuple[str, int, bool]] = field(default_factory=list)
    thawed: threading.Event | None = None
    """If there is one, nothing is answered until it is set."""
    slow_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, request: str, *statuses: int, after: bool = False) -> None:
        """The next requests that match the pattern `request` get these statuses, with `after` once they took effect."""
        self.failures += [(request, status, after) for status in statuses]

    def failure(self, request: str, after: bool) -> int | None:
        with self.lock:
            for failure in self.failures:
                if re.fullmatch(failure[0], request) and failure[2] is after:
                    self.failures.remove(failure)
                    return failure[1]
        return None

    def numbers(self) -> range:
        return range(1, -(-self.size_bytes // PART_SIZE_BYTES) + 1)

    def signed(self, number: int) -> dict:
        url = f"{self.url}/part/{number}?signature={self.signature}"
        return {"number": number, "url": url, "headers": {"X-Signed": "yes"}}

    def respond(self, request: str, query: str, headers: dict, body: bytes) -> tuple[int, dict, dict]:
        if request == "POST /v1/uploads/init":
            self.init_body = json.loads(body)
            self.size_bytes = self.init_body["size_bytes"]
            return 200, {}, {**self.upload(), "parts": [self.signed(number) for number in self.numbers()]}
        if request == f"GET /v1/uploads/{UPLOAD_ID}":
            self.signature += 1
            return 200, {}, self.upload()
        if request.startswith("PUT /part/"):
            return self.take_part(int(request.rpartition("/")[2]), query, headers, body)
        if request == f"POST /v1/uploads/{UPLOAD_ID}/complete":
            self.completed = json.loads(body)["parts"]
            return 201, {}, {"photo_id": UPLOAD_ID, "status": "processing"}
        if request == f"GET /v1/photos/{UPLOAD_ID}":
            return 200, {}, self.photos.pop(0) if len(self.photos) > 1 else self.photos[0]
        if request == "PUT /v1/photos/p_liked/like":
            return 204, {}, {}
        if request == "GET /v1/homes":
            return 200, {}, {"region": "eu-west", "number": 0, "url": self.url}
        return 404, {}, {"title": "There is no such thing here", "detail": f"nothing at {request}", "status": 404}

    def take_part(self, number: int, query: str, headers: dict, body: bytes) -> tuple[int, dict, dict]:
        if int(query.removeprefix("signature=")) < self.oldest_valid_signature:
            return 403, {}, {"title": "This URL has expired", "detail": "ask for another"}
        assert headers.get("X-Signed") == "yes"
        self.parts[number] = body
        return 200, {"ETag": etag(body)}, {}

    def upload(self) -> dict:
        arrived = [{"number": n, "etag": etag(body), "size_bytes": len(body)} for n, body in self.parts.items()]
        return {
            "upload_id": UPLOAD_ID,
            "photo_id": UPLOAD_ID,
            "status": "processing" if self.completed else "uploading",
            "size_bytes": self.size_bytes,
            "sha256": self.init_body.get("sha256"),
            "part_size": PART_SIZE_BYTES,
            "parts": arrived,
            "missing": [self.signed(number) for number in self.numbers() if number not in self.parts],
        }

    def arrived(self) -> bytes:
        return b"".join(self.parts[number] for number in self.numbers())


def etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


class Handler(JsonHandler):
    edge: FakeEdge

    def do(self) -> None:
        path, _, query = self.path.partition("?")
        request = f"{self.command} {path}"
        body = self.body()
        with self.edge.lock:
            self.edge.served[request] += 1
        time.sleep(self.edge.slow_s)
        if self.edge.thawed:
            self.edge.thawed.wait(30)
            self.close_connection = True
            return
        status = self.edge.failure(request, after=False)
        if status is None:
            with self.edge.lock:
                response = self.edge.respond(request, query, dict(self.headers), body)
            status = self.edge.failure(request, after=True)
            if status is None:
                return self.send(*response)
        if status == DROP:
            self.close_connection = True
        else:
            headers = {} if self.edge.retry_after_s is None else {"Retry-After": str(self.edge.retry_after_s)}
            self.send(
                status, headers, {"title": "Not available for the moment", "detail": "on demand", "status": status}
            )

    do_GET = do_PUT = do_POST = do_DELETE = do


@pytest.fixture
def edge() -> Iterator[FakeEdge]:
    fake = FakeEdge()
    with answering(Handler, edge=fake) as fake.url:
        yield fake
