"""Every fault of a line between two regions, as a real HTTP client and server meet it."""

import hashlib
import socket
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler
from itertools import islice

import psutil
import pytest
import urllib3
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from tests.builders import fault_proxy
from tests.builders.http import answering
from tests.builders.line_faults import HEALTHY, FaultKind, Line, LineFault, OneDirection, distant, random_faults

BODY = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(256)) * 12
HEAD_BYTES = len(b"HTTP/1.1 200 OK\r\nContent-Length: 98304\r\n\r\n")
PATIENCE_S = 0.3
DELAY_S = 0.1


class RecordingServer:
    """What arrived at an HTTP server behind a proxy, and the proxy."""

    def __init__(self):
        self.bodies, self.arrived = [], threading.Semaphore(0)

    def handler(self):
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                """Nothing on the test's output."""

            def handle(self):
                with suppress(ConnectionError):
                    super().handle()

            def do_GET(self):
                server.arrived.release()
                self.answer(BODY * int(self.path[1:] or 1))

            def do_HEAD(self):
                self.answer(BODY, sends=False)

            def do_PUT(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.bodies.append(body)
                server.arrived.release()
                self.answer(hashlib.sha256(body).hexdigest().encode())

            def answer(self, body, sends=True):
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
                if sends:
                    self.wfile.write(body)

        return Handler


@pytest.fixture
def server():
    return RecordingServer()


@pytest.fixture
def proxy(server):
    with answering(server.handler()) as url, fault_proxy.running(int(url.rpartition(":")[2])) as proxy:
        yield proxy


@pytest.fixture
def http(proxy):
    with urllib3.HTTPConnectionPool("127.0.0.1", proxy.port, maxsize=4, timeout=30, retries=False) as pool:
        yield pool


@pytest.fixture
def connection(proxy):
    """A connection that is open and idle: one request was answered on it."""
    with socket.create_connection(("127.0.0.1", proxy.port), 30) as connection:
        assert asked(connection) == BODY
        yield connection


def asked(connection):
    connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
    return all_of(connection, HEAD_BYTES + len(BODY))[HEAD_BYTES:]


def all_of(connection, size):
    received = b""
    while len(received) < size and (piece := connection.recv(size - len(received))):
        received += piece
    return received


def responses(kind, after_bytes=0, in_body=False):
    return HEALTHY.struck(responses=LineFault(kind, after_bytes, in_body))


def requests(kind, after_bytes=0, in_body=False):
    return HEALTHY.struck(requests=LineFault(kind, after_bytes, in_body))


def differing_bits(one, other):
    assert len(one) == len(other)
    return [at for at, pair in enumerate(zip(one, other, strict=True)) for _ in range((pair[0] ^ pair[1]).bit_count())]


@pytest.mark.parametrize("line", [HEALTHY, distant(0.01), distant(0.01, 50e6)])
def test_all_bytes_pass_in_both_directions(proxy, http, server, line):
    """On connections that are used again, and for several clients at once."""
    proxy.apply(line)

    def talk(number):
        sent = bytes([number]) * 300_000
        assert http.request("HEAD", "/").headers["Content-Length"] == str(len(BODY))
        assert http.request("PUT", "/", body=sent).data.decode() == hashlib.sha256(sent).hexdigest()
        assert http.request("GET", "/3").data == BODY * 3

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(talk, range(12)))


def test_a_response_never_arrives_earlier_than_after_the_round_trip(proxy, http):
    """And on a new connection, which TCP must open first, after two."""
    proxy.apply(distant(DELAY_S))
    taken_s = []
    for _ in range(3):
        start_s = time.monotonic()
        http.request("HEAD", "/")
        taken_s.append(time.monotonic() - start_s)
    assert taken_s[0] >= 2 * DELAY_S and min(taken_s) >= DELAY_S


def test_a_long_line_is_not_a_narrow_one(proxy, http):
    """Bytes don't wait until those before them have arrived: 400 pieces take much less than 400 delays."""
    proxy.apply(Line(responses=OneDirection(DELAY_S)))
    start_s = time.monotonic()
    assert len(http.request("GET", "/1000").data) == 1000 * len(BODY)
    assert time.monotonic() - start_s < 100 * DELAY_S


@pytest.mark.parametrize("connections", [1, 3])
def test_a_capped_line_carries_no_more_a_second(proxy, http, connections):
    """All connections together."""
    proxy.apply(Line(responses=OneDirection(bytes_per_s=1e6)))
    start_s = time.monotonic()
    with ThreadPoolExecutor(connections) as threads:
        list(threads.map(lambda _: http.request("GET", "/2").data, range(3)))
    assert time.monotonic() - start_s >= 6 * len(BODY) / 1e6 * 0.9


def test_a_cap_is_lifted_while_bytes_are_sent(proxy, connection):
    """The rest passes at once: at 1 KiB/s it would take minutes."""
    proxy.apply(Line(responses=OneDirection(bytes_per_s=1024)))
    connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
    first = connection.recv(1000)
    proxy.apply(HEALTHY)
    assert first + all_of(connection, HEAD_BYTES + len(BODY) - len(first)) == head() + BODY


def head():
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)


@pytest.mark.parametrize("line", [requests(FaultKind.RESET), responses(FaultKind.RESET)])
def test_connections_are_reset_at_once(proxy, connection, line):
    """One that is idle, and a new one."""
    proxy.apply(line)
    with pytest.raises(ConnectionResetError):
        connection.recv(1)
    with pytest.raises(ConnectionError), socket.create_connection(("127.0.0.1", proxy.port), 30) as another:
        another.sendall(b"GET / HTTP/1.1\r\n\r\n")
        another.recv(1)
        another.recv(1)


def test_a_connection_is_reset_in_the_middle(proxy, connection):
    """After the bytes that pass."""
    proxy.apply(responses(FaultKind.RESET, HEAD_BYTES + 1000))
    connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        all_of(connection, HEAD_BYTES + len(BODY))


def test_the_server_is_reset_too(proxy, http, server):
    """It never gets the whole body."""
    proxy.apply(requests(FaultKind.RESET, 1000, in_body=True))
    with pytest.raises(ProtocolError):
        http.request("PUT", "/", body=BODY)
    assert server.bodies == []


def test_a_server_that_cant_be_reached_is_a_connection_that_is_reset():
    """It need not be there when the proxy is started."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with (
        fault_proxy.running(port) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), 30) as client,
        pytest.raises(ConnectionResetError),
    ):
        client.recv(1)


def test_a_stalled_line_accepts_and_says_nothing(proxy, http, server):
    """The request never arrives, and nobody learns that the connection is of no use."""
    stall = LineFault(FaultKind.STALL)
    proxy.apply(HEALTHY.struck(requests=stall, responses=stall))
    with pytest.raises(ReadTimeoutError):
        http.request("GET", "/", timeout=PATIENCE_S)
    assert not server.arrived.acquire(blocking=False)


def test_what_a_stall_held_back_arrives_when_it_is_over(proxy, connection):
    """In the middle of a body, and from its first byte on."""
    for passing in (1000, 0):
        proxy.apply(responses(FaultKind.STALL, passing, in_body=True))
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        received = all_of(connection, HEAD_BYTES + passing)
        connection.settimeout(PATIENCE_S)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(30)
        proxy.apply(HEALTHY)
        assert received + all_of(connection, len(BODY) - passing) == head() + BODY


def test_requests_pass_and_responses_do_not(proxy, http, server):
    """The server did what was asked; the client can't know."""
    proxy.apply(responses(FaultKind.STALL))
    with pytest.raises(ReadTimeoutError):
        http.request("PUT", "/", body=b"once", timeout=PATIENCE_S)
    assert server.arrived.acquire(timeout=30) and server.bodies == [b"once"]


def test_responses_pass_and_requests_do_not(proxy, http, server):
    """A response that is under way is received to its end, but what is asked next never arrives."""
    proxy.apply(Line(responses=OneDirection(bytes_per_s=2e6)))
    response = http.request("GET", "/5", preload_content=False)
    proxy.apply(requests(FaultKind.STALL))
    assert response.read() == BODY * 5
    assert server.arrived.acquire(timeout=30)
    with pytest.raises(ReadTimeoutError):
        http.request("GET", "/", timeout=PATIENCE_S)
    assert not server.arrived.acquire(blocking=False)


@pytest.mark.parametrize("says_goodbye", [True, False])
def test_behind_a_silent_line_nobody_hears_that_the_server_has_gone(says_goodbye):
    """Until it is over."""
    with socket.create_server(("127.0.0.1", 0)) as listener, fault_proxy.running(listener.getsockname()[1]) as proxy:
        client = socket.create_connection(("127.0.0.1", proxy.port), 30)
        accepted, _ = listener.accept()
        proxy.apply(responses(FaultKind.STALL))
        if not says_goodbye:
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.close()
        with closing(client):
            client.settimeout(PATIENCE_S)
            with pytest.raises(TimeoutError):
                client.recv(1)
            client.settimeout(30)
            proxy.apply(HEALTHY)
            assert how_it_ends(client) == (b"" if says_goodbye else ConnectionResetError)


def how_it_ends(connection):
    try:
        return connection.recv(1)
    except ConnectionError as error:
        return type(error)


@pytest.mark.parametrize("passing", [0, 1000, len(BODY) - 1])
def test_a_body_is_truncated_by_a_clean_end(proxy, connection, passing):
    """Exactly so many bytes arrive, and then the end, not an error."""
    proxy.apply(responses(FaultKind.TRUNCATE, passing, in_body=True))
    connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert all_of(connection, 1 << 20) == head() + BODY[:passing]


def test_a_client_notices_that_a_body_is_truncated(proxy, http):
    """Since its length was announced."""
    proxy.apply(responses(FaultKind.TRUNCATE, 1000, in_body=True))
    with pytest.raises(ProtocolError, match="IncompleteRead"):
        http.request("GET", "/", preload_content=False).read()


def test_a_request_is_truncated_too(proxy, http, server):
    """The server gets the part, and then the end."""
    proxy.apply(requests(FaultKind.TRUNCATE, 1000, in_body=True))
    http.request("PUT", "/", body=BODY)
    assert server.bodies == [BODY[:1000]]


@pytest.mark.parametrize("at", [0, 1000, len(BODY) - 1])
def test_one_bit_of_each_body_is_flipped_on_the_way_to_the_server(proxy, http, server, at):
    """And nothing else: the head, and the response, are as they were."""
    proxy.apply(requests(FaultKind.CORRUPT, at, in_body=True))
    answers = [http.request("PUT", "/", body=BODY).data.decode() for _ in range(2)]
    assert [differing_bits(body, BODY) for body in server.bodies] == [[at], [at]]
    assert answers == [hashlib.sha256(body).hexdigest() for body in server.bodies]


def test_one_bit_of_each_body_is_flipped_on_the_way_to_the_client(proxy, http):
    """Also on a connection that is used again."""
    proxy.apply(responses(FaultKind.CORRUPT, 1000, in_body=True))
    assert [differing_bits(http.request("GET", "/").data, BODY) for _ in range(3)] == [[1000]] * 3


def test_one_bit_of_a_connection_is_flipped_wherever_it_is(proxy, connection):
    """Here in the head, once."""
    proxy.apply(responses(FaultKind.CORRUPT, 9))
    connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert differing_bits(all_of(connection, HEAD_BYTES + len(BODY)), head() + BODY) == [9]
    assert asked(connection) == BODY


@pytest.mark.parametrize("in_body", [True, False])
@pytest.mark.parametrize("kind", FaultKind)
def test_a_line_is_healthy_again(proxy, http, kind, in_body):
    """After each fault, which a client met."""
    proxy.apply(responses(kind, 1000, in_body))
    try:
        is_right = http.request("GET", "/", timeout=PATIENCE_S).data == BODY
    except HTTPError:
        is_right = False
    proxy.apply(HEALTHY)
    assert not is_right and http.request("GET", "/").data == BODY


@pytest.mark.parametrize("seed", [1, 2])
def test_a_line_is_healthy_after_any_faults(proxy, http, eventually, seed):
    """Drawn at random, while several clients go on; and it has let go of all connections that ended."""
    for spell in islice(random_faults(seed), 14):
        proxy.apply(spell.line)
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda number: tried(http, number), range(8)))
    proxy.apply(HEALTHY)
    assert http.request("GET", "/3").data == BODY * 3
    http.close()
    eventually(lambda: not [one for one in psutil.Process(proxy.process_id).net_connections() if one.raddr])


def tried(http, number):
    with suppress(HTTPError):
        http.request("GET" if number % 2 else "PUT", "/", body=BODY, timeout=PATIENCE_S)


def test_a_fault_that_is_applied_again_begins_again(proxy, connection):
    """Its bytes are counted from then on."""
    for _ in range(2):
        proxy.apply(responses(FaultKind.CORRUPT, 1000))
        assert differing_bits(asked(connection), BODY) == [1000 - HEAD_BYTES]
        assert asked(connection) == BODY


def test_a_proxy_ends_with_its_block(proxy, server):
    """As it does when the process that started it is killed, which ends its input."""
    with fault_proxy.running(proxy.port) as another:
        socket.create_connection(("127.0.0.1", another.port), 30).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", another.port), 30)
    command = [sys.executable, "-m", "tests.builders.fault_proxy", str(proxy.port)]
    assert subprocess.run(command, input=b"", capture_output=True, timeout=30).returncode == 0
