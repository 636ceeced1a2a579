"""Connections that are kept, to real servers that do what servers may do."""

import ssl
import time
from contextlib import closing, suppress
from http.server import ThreadingHTTPServer
from typing import ClassVar

import pytest

from regions import kept_connections
from regions.kept_connections import ERRORS, KeptConnections
from tests.builders.clusters import write_certificates
from tests.builders.http import JsonHandler, answering, running

PIECES = (b"one, ", memoryview(b"two, "), b"", b"three")
SIZE = sum(map(len, PIECES))


class Server(JsonHandler):
    """Knows its connections by their order, and answers with that; what it does is in the path."""

    connections: ClassVar[list[object]] = []

    def setup(self) -> None:
        super().setup()
        self.connections.append(self.client_address)

    def do_GET(self) -> None:
        number = self.connections.index(self.client_address)
        if self.path == "/slow":
            time.sleep(0.1)
        if self.path == "/bye":
            self.close_connection = True
        self.send(
            503 if self.path == "/down" else 200,
            {"Connection": "close"} if self.path == "/says-bye" else {},
            [number, "x" * 100],
        )

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "123")
        self.end_headers()

    def do_PUT(self) -> None:
        if self.path == "/early":
            self.close_connection = True
            self.send(413, {}, "too much")
            return
        self.send(200, {}, self.body().decode())

    def do_DELETE(self) -> None:
        """An answer without end, a byte at a time; or none."""
        self.close_connection = True
        with suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 " if self.path == "/drip" else b"")
            for _ in range(100):
                time.sleep(0.05)
                self.wfile.write(b"x" if self.path == "/drip" else b"")


@pytest.fixture
def url():
    Server.connections.clear()
    with answering(Server) as served:
        yield served


@pytest.fixture
def connections(url):
    return KeptConnections(url, 2, 5.0, 5.0)


def ask(connections: KeptConnections, method="GET", path="/", body=None, most=1000) -> tuple[int, bytes]:
    headers = {} if body is None else {"Content-Length": str(SIZE)}
    with closing(connections.ask(method, path, headers, body)) as answer:
        return answer.status, answer.read(most)


def test_a_connection_serves_one_request_after_another(connections):
    assert {ask(connections) for _ in range(3)} == {(200, b'[0, "' + b"x" * 100 + b'"]')}
    assert len(Server.connections) == 1


def test_an_answer_to_head_is_read_to_its_end(connections):
    """Though its Content-Length is that of a body."""
    for _ in range(2):
        with closing(connections.ask("HEAD", "/", {})) as answer:
            assert int(answer.headers["content-length"]) > 100
            assert answer.read(1) == b""
    assert len(Server.connections) == 1


def test_what_is_not_read_to_its_end_is_closed(connections):
    """The rest might be long, and the next answer would begin with it."""
    assert ask(connections, most=10)[1] == b'[0, "xxxxx'
    assert ask(connections)[1].startswith(b"[1,")


def test_a_connection_that_the_server_has_ended_is_not_used(connections, monkeypatch, eventually):
    """If it has been idle for as long as servers take to end one."""
    monkeypatch.setattr(kept_connections, "_LOOK_AFTER_S", 0.0)
    ask(connections, path="/bye")
    eventually(connections._idle[0][1].has_ended)
    assert ask(connections)[1].startswith(b"[1,")


@pytest.mark.parametrize("path", ["/says-bye", "/down"])
def test_a_connection_that_probably_ends_is_not_kept(connections, path):
    """The server says so, or it is in trouble."""
    ask(connections, path=path)
    assert ask(connections)[1].startswith(b"[1,")


def test_as_many_are_kept_as_may_be(connections):
    under_way = [connections.ask("GET", "/", {}) for _ in range(5)]
    for answer in under_way:
        answer.read(1000)
        answer.close()
        answer.close()
    again = [connections.ask("GET", "/", {}) for _ in range(3)]
    assert len(Server.connections) == 6
    for answer in again:
        answer.close()


def test_a_body_is_sent_piece_by_piece(connections):
    """Also pieces that copy nothing."""
    assert ask(connections, "PUT", body=iter(PIECES)) == (200, b'"one, two, three"')


def test_an_answer_that_comes_before_the_whole_body_is_read(connections):
    pieces = iter([bytes(1 << 20)] * 64)
    with closing(connections.ask("PUT", "/early", {"Content-Length": str(64 << 20)}, pieces)) as answer:
        assert answer.status == 413
    assert ask(connections)[0] == 200


def test_each_request_has_all_of_its_time(connections):
    """Reading the answer before it has left the socket with what was left of that one's time."""
    ask(connections)
    kept = connections._idle[0][1]
    kept._socket.settimeout(0.001)
    assert ask(connections, path="/slow")[0] == 200
    assert connections._idle[0][1] is kept


def test_an_error_of_the_body_ends_its_connection(connections):
    """The server must not wait for the rest, or take the next request for it."""

    def broken():
        yield b"one"
        raise KeyError("no more")

    with pytest.raises(KeyError):
        ask(connections, "PUT", body=broken())
    assert ask(connections, "PUT", body=iter(PIECES))[0] == 200
    assert len(Server.connections) == 2


def test_nobody_waits_for_a_server_that_is_silent(url):
    with pytest.raises(TimeoutError):
        ask(KeptConnections(url, 1, 5.0, 0.1), "DELETE", "/silent")


def test_a_whole_answer_is_whole_in_time(url):
    """However the server divides it."""
    with pytest.raises(TimeoutError):
        ask(KeptConnections(url, 1, 5.0, 0.3, whole_answers=True), "DELETE", "/drip")


class Raw(JsonHandler):
    """Answers with the bytes that a test has chosen, and goes on, or ends."""

    answers: ClassVar[list[bytes]] = []
    ends: ClassVar[bool] = False

    def do_GET(self) -> None:
        self.wfile.write(self.answers.pop(0))
        self.close_connection = self.ends


@pytest.fixture
def raw(monkeypatch):
    """Asks for one answer after another, which are these bytes; a connection that was not kept shows in `idle`."""

    def read(*answers: bytes, ends: bool = False) -> list[bytes]:
        monkeypatch.setattr(Raw, "answers", [*answers])
        monkeypatch.setattr(Raw, "ends", ends)
        with answering(Raw) as url:
            connections = KeptConnections(url, 2, 5.0, 5.0)
            found = [ask(connections, most=50)[1] for _ in answers]
            read.idle = len(connections._idle)
            return found

    return read


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
WHOLE = OK + b"Content-Length: 3\r\n\r\nend"


def test_a_body_in_chunks_is_joined_and_its_connection_is_kept(raw):
    """AWS sends its errors so."""
    in_chunks = CHUNKED + b"3\r\none\r\n5;a=b\r\n, two\r\n0\r\n\r\n"
    assert raw(in_chunks, WHOLE) == [b"one, two", b"end"]
    assert raw.idle == 1


def test_a_body_without_a_length_ends_with_its_connection(raw):
    assert raw(OK + b"\r\none", ends=True) == [b"one"]
    assert raw.idle == 0


def test_interim_answers_are_passed_over(raw):
    assert raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + WHOLE) == [b"end"]


def test_a_connection_with_more_than_was_asked_for_is_not_kept(raw):
    """What is there would be taken for the answer to the next request."""
    assert raw(WHOLE + WHOLE, WHOLE) == [b"end", b"end"]


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 4\r\n\r\none",
        OK + b"Content-Length: 4\r\n",
        CHUNKED + b"4\r\none",
        CHUNKED + b"2\r\none\r\n0\r\n\r\n",
        CHUNKED + b"one",
        CHUNKED + b"0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 5000,
        OK + b"A: b\r\n" * 20_000,
        b"",
    ],
    ids=[
        "body ends early", "head ends early", "chunk ends early", "chunk too long", "chunk without a size", "trailer",
        "endless interim answers", "endless head", "nothing",
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_an_error(raw, answer):
    """And no part of it counts."""
    with pytest.raises(ERRORS):
        raw(answer, ends=True)


def test_a_server_that_is_away_is_an_error():
    """Nothing listens on port 1."""
    with pytest.raises(ERRORS):
        ask(KeptConnections("http://127.0.0.1:1", 1, 1.0, 1.0))


@pytest.fixture
def secure(tmp_path):
    """The URL of the same server with a certificate of its own, and what trusts that."""
    Server.connections.clear()
    write_certificates(tmp_path, "store")
    for_clients = ssl.create_default_context(cafile=str(tmp_path / "store.dask.ca"))
    # It names no host.
    for_clients.check_hostname = False
    for_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for_server.load_cert_chain(tmp_path / "store.dask.cert", tmp_path / "store.dask.key")
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        server.daemon_threads = True
        server.socket = for_server.wrap_socket(server.socket, server_side=True)
        with running(server):
            yield f"https://127.0.0.1:{server.server_address[1]}", for_clients


@pytest.mark.parametrize("whole_answers", [False, True])
def test_over_tls_it_is_the_same(secure, whole_answers, monkeypatch):
    """Pieces that copy nothing, a look at an idle connection, and one connection for all requests."""
    monkeypatch.setattr(kept_connections, "_LOOK_AFTER_S", 0.0)
    url, context = secure
    connections = KeptConnections(url, 2, 5.0, 5.0, context, whole_answers)
    assert ask(connections, "PUT", body=iter(PIECES)) == (200, b'"one, two, three"')
    assert ask(connections)[1].startswith(b"[0,")
    assert ask(connections)[1].startswith(b"[0,")


def test_a_server_without_a_trusted_certificate_gets_nothing(secure):
    url, _ = secure
    with pytest.raises(ERRORS, match="certificate"):
        ask(KeptConnections(url, 2, 5.0, 5.0))
