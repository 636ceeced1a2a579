"""A lost answer is one whose request has arrived."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import urllib3

from tests.builders.lossy_link import lossy_link


class Counting(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    arrived = 0

    def do_GET(self) -> None:
        Counting.arrived += 1
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"yes")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    Counting.arrived = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Counting) as server:
        thread = Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_what_is_lost_has_arrived_and_what_is_repeated_arrives_again(url):
    """The second answer of four, on a connection that goes on being used."""
    fates = iter([False, True, False, False])
    with lossy_link(url, lambda: next(fates)) as link, urllib3.PoolManager() as pool:
        assert pool.request("GET", link, retries=False).data == b"yes"
        with pytest.raises(urllib3.exceptions.ProtocolError):
            pool.request("GET", link, retries=False)
        assert [pool.request("GET", link, retries=False).data for _ in range(2)] == [b"yes"] * 2
    assert Counting.arrived == 4
