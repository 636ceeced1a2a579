"""What a process asks other regions over HTTP: real sockets, of which some never answer."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from regions import keys, node_tokens
from regions.clock import now_s
from regions.errors import BadGateway, Unavailable
from regions.node_tokens import Call, NodeSigner
from regions.region_client import LIMITS, RegionClient, RegionReply, RegionRequest
from tests.builders.http import JsonHandler, answering
from tests.builders.statements import node_key

WAIT_S = 20
DRIPS = {
    "/drip/a-body": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
    "/drip/a-body-without-end": (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    "/drip/a-chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "/drip/a-chunks-size": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "/drip/a-field": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "/drip/a-first-line": (b"HTTP/1.1 200 ", b"x"),
    "/drip/no-final-answer": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}
"""What is sent once, and then again and again."""
KEYS = {"k1": keys.public_text(node_key("eu-west").public_key())}


class SenderHandler(JsonHandler):
    """Answers whom the token proves; at `/drip…` a byte at a time."""

    def do(self) -> None:
        body = self.body()
        if drip := DRIPS.get(self.path):
            return self.drip(*drip)
        call = Call("us-central", self.command, self.path, body)
        self.send(200, {}, node_tokens.sender(self.headers[node_tokens.HEADER], call, lambda name: KEYS, now_s()))

    def drip(self, begin: bytes, again: bytes) -> None:
        self.close_connection = True
        try:
            self.wfile.write(begin)
            while True:
                self.wfile.write(again)
                time.sleep(0.02)
        except OSError:
            """The client has had enough."""

    do_GET = do_POST = do


@pytest.fixture
def client():
    return RegionClient(NodeSigner("eu-west", {"k1": node_key("eu-west")}, dict, now_s))


@pytest.fixture
def origin() -> Iterator[str]:
    with answering(SenderHandler) as url:
        yield url


@pytest.fixture(params=[64, 0], ids=["frozen", "reachable one way"])
def silent(request) -> Iterator[str]:
    """The URL of a server that is connected to and says nothing, as a stopped process, or that answers no SYN."""
    with socket.create_server(("127.0.0.1", 0), backlog=request.param) as listener, ExitStack() as fillers:
        if not request.param:
            # One connection fills the queue, and the kernel drops what comes after it.
            fillers.enter_context(socket.create_connection(listener.getsockname(), WAIT_S))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def to(url: str, path: str = "/border/v1/details", name: str = "us-central", **fields) -> RegionRequest:
    return RegionRequest(name, url, "POST", path, b"{}", **fields)


def test_a_request_proves_who_sends_it(client, origin):
    """Started or polled, with the body."""
    assert client.start(to(origin), WAIT_S).result(WAIT_S) == RegionReply(200, b'"eu-west"')
    assert client.poll(to(origin), WAIT_S) == RegionReply(200, b'"eu-west"')


def test_a_request_is_signed_as_it_arrives(client, origin):
    """Whatever its path and query contain: what no URI may contain is escaped on the way."""
    for path in ("/border/v1/details?a=%c3%a9", "/border/v1/details?a=|[1]{1}", "/v1/a/../details?a=%zz%"):
        assert client.poll(to(origin, path), WAIT_S).status == 200


def test_polls_of_all_regions_that_there_can_be_open_no_connection_twice(client):
    """64 and a few witnesses."""
    opened = []

    class CountedHandler(SenderHandler):
        def setup(self) -> None:
            opened.append(self.client_address)
            super().setup()

    with ExitStack() as held:
        urls = [held.enter_context(answering(CountedHandler)) for _ in range(70)]
        for _ in range(2):
            for url in urls:
                assert client.poll(to(url), WAIT_S).status == 200
    assert len(opened) == len(urls)


def test_a_reply_has_an_end(client, origin):
    with pytest.raises(BadGateway):
        client.start(to(origin, max_bytes=4), WAIT_S).result(WAIT_S)


@pytest.mark.parametrize("path", DRIPS)
def test_a_reply_that_comes_a_byte_now_and_then_ends_at_its_deadline(client, origin, path):
    """Whatever part of it does. No thread of a loop is held for longer."""
    client.poll(to(origin), WAIT_S)
    began_s = time.monotonic()
    with pytest.raises(Unavailable):
        client.poll(to(origin, path), 0.3)
    assert time.monotonic() - began_s < 2


def test_a_connection_is_used_again_with_the_time_of_the_next_request(client, origin):
    """Not with what the one before it left."""
    for _ in range(2):
        assert client.poll(to(origin), 0.5).status == 200
        time.sleep(0.5)
    assert client.poll(to(origin), WAIT_S).status == 200


def test_a_region_that_does_not_answer_holds_a_few_threads_until_the_deadline_and_then_none(client, silent, origin):
    """Of twenty requests, six wait, and all others are refused. Another region is asked meanwhile."""
    waiting = [client.start(to(silent, name="eu-central"), LIMITS.breaker.silent_s) for _ in range(20)]
    assert client.start(to(origin), WAIT_S).result(WAIT_S).status == 200
    assert all(isinstance(future.exception(WAIT_S), Unavailable) for future in waiting)
    assert client.refused() == ["eu-central"]
    began_s = time.monotonic()
    refused = [client.start(to(silent, name="eu-central"), LIMITS.breaker.silent_s) for _ in range(50)]
    assert [type(future.exception(WAIT_S)) for future in refused] == [Unavailable] * 50
    # One of them may have been the probe.
    assert time.monotonic() - began_s < 2 * LIMITS.breaker.silent_s


def test_a_poll_finds_that_a_region_answers_again(client, origin):
    """The next request goes through, without a pause."""
    for _ in range(LIMITS.breaker.failures):
        with pytest.raises(Unavailable):
            client.poll(to("http://127.0.0.1:9"), 1)
    assert client.refused() == ["us-central"]
    client.poll(to(origin), WAIT_S)
    assert client.refused() == []
    assert client.start(to(origin), WAIT_S).result(WAIT_S).status == 200


def test_a_region_that_answers_polls_alone_goes_on_to_be_refused(client):
    """Their answers may come from memory. What finds out is one call at a time, as the first one would be."""
    probes, let_go = [], threading.Event()

    class HangingHandler(SenderHandler):
        def do_POST(self) -> None:
            probes.append((self.path, self.body()))
            let_go.wait(WAIT_S)

    with answering(HangingHandler) as url:
        for _ in range(LIMITS.breaker.failures):
            with pytest.raises(Unavailable):
                client.poll(to("http://127.0.0.1:9"), 1)
        assert client.poll(replace(to(url), method="GET", path="/border/v1/statement"), 0.3).status == 200
        let_go.set()
    assert client.refused() == ["us-central"]
    [(path, body)] = probes
    assert (path, list(json.loads(body))) == ("/border/v1/ended-sessions", ["after_ms"])
    assert client.silent_s("us-central") < WAIT_S
