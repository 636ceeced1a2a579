"""Clients that send or read slowly cost the others of an origin and of an object server neither time nor an error."""

import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress

import pytest
import urllib3

WAIT_S = 30
WORST_S = 2.0
ANSWER_BYTES = 32 << 20
SERVE = f"""
import io, socket, sys, time
from darkroom.processes.pace import PaceLimits
from darkroom.processes.wsgi import WsgiServer

def application(environ, start_response):
    size_bytes = len(environ["wsgi.input"].read())
    if environ["PATH_INFO"] == "/slow":
        time.sleep(1)
    if environ["PATH_INFO"] == "/large":
        start_response("200 OK", [("Content-Length", "{ANSWER_BYTES}")])
        return environ["wsgi.file_wrapper"](io.BytesIO(bytes({ANSWER_BYTES})))
    if environ["PATH_INFO"] == "/generated":
        start_response("200 OK", [("Content-Length", "{ANSWER_BYTES}")])
        return (bytes(1 << 20) for _ in range({ANSWER_BYTES} >> 20))
    body = str(size_bytes).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

takes = lambda method, path, query, size_bytes: path != "/unwanted"
limits = PaceLimits(grace_s=float(sys.argv[2]), idle_s=float(sys.argv[2]))
WsgiServer(socket.socket(fileno=int(sys.argv[1])), application, 8 << 20, takes, limits).run()
"""


class Served:
    """A process that serves with Darkroom's settings, and with this much patience."""

    def __init__(self, grace_s: float) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
            self.address = listener.getsockname()
            command = [sys.executable, "-c", SERVE, str(listener.fileno()), str(grace_s)]
            self.process = subprocess.Popen(command, pass_fds=[listener.fileno()])
        self.url = f"http://127.0.0.1:{self.address[1]}"

    def connect(self, sent: bytes = b"", receive_bytes: int = 1 << 20) -> socket.socket:
        """The kernel keeps about `receive_bytes` for who does not read."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.settimeout(WAIT_S)
        connection.connect(self.address)
        connection.sendall(sent)
        return connection

    def worst_s(self, seconds: float = 2) -> float:
        """The longest of many requests, each on a new connection. Any error fails the test."""
        worst, end = 0.0, time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            response = urllib3.request("POST", f"{self.url}/", body=b"x" * 100_000, timeout=WAIT_S, retries=False)
            assert (response.status, response.data) == (200, b"100000")
            worst = max(worst, time.monotonic() - began)
        return worst

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(WAIT_S)


@pytest.fixture(scope="module")
def patient():
    served = Served(3600)
    urllib3.request("GET", served.url, timeout=WAIT_S)
    yield served
    served.stop()


@pytest.fixture
def impatient():
    served = Served(1)
    urllib3.request("GET", served.url, timeout=WAIT_S)
    yield served
    served.stop()


@pytest.mark.parametrize(
    ("connections", "sent"),
    [
        pytest.param(16, b"GET / HTTP/1.1\r\nHo", id="16 half-sent heads"),
        pytest.param(160, b"", id="160 silent connections"),
        pytest.param(16, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n", id="16 bodies never sent"),
        pytest.param(20, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n", id="20 large answers that nobody reads"),
        pytest.param(700, b"GET", id="more connections than are kept"),
    ],
)
def test_others_are_served_at_once(patient, connections, sent):
    """Nobody is given up in this time, so that is not why."""
    with ExitStack() as held:
        for _ in range(connections):
            held.enter_context(patient.connect(sent))
        assert patient.worst_s() < WORST_S


def test_slow_uploads_leave_others_alone(patient):
    """20 of them, at 1 KiB/s each."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n"
    stop = threading.Event()

    def send(connection: socket.socket) -> None:
        while not stop.wait(0.25):
            connection.sendall(bytes(256))

    with ExitStack() as held:
        senders = [threading.Thread(target=send, args=[held.enter_context(patient.connect(head))]) for _ in range(20)]
        for sender in senders:
            sender.start()
        try:
            assert patient.worst_s(3) < WORST_S
        finally:
            stop.set()
            for sender in senders:
                sender.join()


def test_who_stays_after_a_request_does_not_push_out_who_has_just_come(patient):
    """More of them than connections are kept."""
    with ExitStack() as held:
        for _ in range(600):
            connection = held.enter_context(patient.connect(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
            assert connection.recv(65_536).split()[1] == b"200"
        assert patient.worst_s() < WORST_S


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: " + b"a" * 9999, b"411"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"GET http://[::1/health HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
    ],
    ids=["chunks", "chunks and a length", "an address that is none"],
)
def test_a_head_that_is_not_taken_is_answered_and_the_connection_ends(patient, head, status):
    """Chunk lines and trailers would be read without a limit."""
    with patient.connect(head) as connection:
        answer = b"".join(iter(lambda: _received(connection, 65_536), b""))
    assert answer.split()[1] == status


@pytest.mark.parametrize("sent", [b"GET / HT", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"])
def test_a_request_that_does_not_arrive_is_answered_408(impatient, sent):
    """As a problem document; and the connection ends."""
    with impatient.connect(sent) as connection:
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.split()[1] == b"408"
    assert b"application/problem+json" in answer


def test_a_silent_connection_is_closed(impatient):
    """Without an answer: nothing was asked."""
    with impatient.connect() as connection:
        assert connection.recv(1) == b""


@contextmanager
def slow_readers(served: Served, path: str, number: int):
    """Each reads 2 KiB five times a second, of a large answer. Yields those whose connection has not ended."""
    stop, open_ones = threading.Event(), set()

    def read(connection: socket.socket) -> None:
        while not stop.wait(0.2):
            if not _received(connection, 2048):
                open_ones.discard(connection)
                return

    with ExitStack() as held:
        for _ in range(number):
            connection = served.connect(receive_bytes=4096)
            open_ones.add(held.enter_context(connection))
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        readers = [threading.Thread(target=read, args=[connection]) for connection in open_ones]
        for reader in readers:
            reader.start()
        try:
            yield open_ones
        finally:
            stop.set()
            for reader in readers:
                reader.join()


def test_a_client_that_reads_slowly_is_given_up(impatient, eventually):
    """At 10 KiB/s, which is less than a request may arrive with. Its answer is cut off."""
    with slow_readers(impatient, "/large", 1) as open_ones:
        eventually(lambda: not open_ones, WAIT_S)


def test_no_thread_waits_for_clients_that_read_slowly(impatient):
    """Not even where the application makes the answer piece by piece, and there are more of them than threads."""
    with slow_readers(impatient, "/generated", 20):
        assert impatient.worst_s(4) < WAIT_S / 2


def test_a_client_that_reads_fast_enough_gets_its_whole_answer(impatient):
    """However large it is: 32 MiB at 8 MiB/s, with pauses that are shorter than the server's patience."""
    received_bytes = 0
    with impatient.connect(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as connection:
        while piece := connection.recv(1 << 20):
            received_bytes += len(piece)
            time.sleep(len(piece) / (8 << 20))
    assert received_bytes > ANSWER_BYTES


def test_a_client_that_reads_nothing_is_given_up(impatient):
    """Its connection ends, though it never reads."""
    with impatient.connect(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n") as connection:
        ended = select.poll()
        ended.register(connection, select.POLLHUP)
        assert ended.poll(10_000)


def _received(connection: socket.socket, size_bytes: int) -> bytes:
    try:
        return connection.recv(size_bytes)
    except (ConnectionResetError, TimeoutError):
        return b""


def test_a_body_that_is_not_wanted_is_thrown_away(patient):
    """The application sees none of it, and the connection serves the next request."""
    with urllib3.HTTPConnectionPool("127.0.0.1", patient.address[1], maxsize=1) as pool:
        assert pool.request("POST", "/unwanted", body=bytes(5 << 20), retries=False).data == b"0"
        assert pool.request("POST", "/", body=bytes(70_000), retries=False).data == b"70000"
        assert pool.num_connections == 1


def test_a_body_over_the_limit_is_refused(patient):
    """Before it is sent."""
    with patient.connect(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n") as connection:
        assert connection.recv(65_536).split()[1] == b"413"


def test_what_has_begun_ends_after_sigterm():
    """The process ends within seconds, and takes no new connection."""
    served = Served(3600)
    urllib3.request("GET", served.url, timeout=WAIT_S)
    with served.connect(), served.connect(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n") as asked:
        time.sleep(0.3)
        began = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        assert asked.recv(65_536).split()[1] == b"200"
        assert served.process.wait(WAIT_S) == 0
        assert time.monotonic() - began < 5
    with pytest.raises(ConnectionRefusedError):
        served.connect()


def pipelining(served, stop, path: bytes) -> None:
    """Sends requests without end on a connection after the other, and reads nothing."""
    request = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path
    while not stop.is_set():
        with suppress(OSError), served.connect() as connection:
            connection.settimeout(0.2)
            while not stop.is_set():
                connection.send(request * 100)


@pytest.mark.parametrize("path", [b"/", b"/large"])
def test_clients_that_pipeline_without_end_cost_the_others_no_error(patient, path):
    """While it lasts, and afterwards: one request of each connection is answered."""
    stop = threading.Event()
    threads = [threading.Thread(target=pipelining, args=(patient, stop, path)) for _ in range(32)]
    for thread in threads:
        thread.start()
    try:
        worst_s = patient.worst_s()
    finally:
        stop.set()
        for thread in threads:
            thread.join(WAIT_S)
    assert worst_s < WORST_S
    assert patient.worst_s(0.5) < WORST_S


def test_what_is_sent_behind_a_request_is_not_answered(patient):
    """The response says that the connection ends."""
    with patient.connect(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3) as connection:
        answer = b"".join(iter(lambda: _received(connection, 65_536), b""))
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"connection: close" in answer.lower()
