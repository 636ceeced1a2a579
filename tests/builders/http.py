"""Small HTTP servers on loopback."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass


class JsonHandler(BaseHTTPRequestHandler):
    """What handlers of small servers share; each has a method `do`."""

    protocol_version = "HTTP/1.1"

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def send(self, status: int, headers: dict[str, str], document: Any) -> None:
        data = b"" if status == 204 else json.dumps(document).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def running(server: BaseServer) -> Iterator[None]:
    """Serves on a thread until the block ends."""
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        yield
    finally:
        server.shutdown()
        serving.join()


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler], **attributes: Any) -> Iterator[str]:
    """The URL of a server whose requests are answered by this handler with these attributes, until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), type("BoundHandler", (handler,), attributes)) as server:
        server.daemon_threads = True
        with running(server):
            yield f"http://127.0.0.1:{server.server_address[1]}"
