"""A connection to a broker that responds at once, in pieces, with nonsense, or not at all."""

import socket
import struct
import threading
from contextlib import suppress

import pytest
from pykafka.protocol import HeartbeatRequest, HeartbeatResponse

from regions.errors import Unavailable
from regions.stores.kafka.connection import BrokerConnection, ConnectionPool

REQUEST = HeartbeatRequest(b"group", 1, b"member")
SOON_S = 0.05
# Its size, the number of the request, and no error.
RESPONSE = struct.pack("!iih", 6, 0, 0)


class Broker:
    """Accepts connections, reads one request after another, and sends `response`, piece by piece, to each."""

    def __init__(self) -> None:
        self.response: list[bytes] = [RESPONSE]
        self.connections = 0
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def address(self) -> tuple[str, int]:
        return self._listener.getsockname()

    def hang_up(self) -> None:
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):
            while connection.recv(len(REQUEST.get_bytes()), socket.MSG_WAITALL):
                for piece in self.response:
                    connection.sendall(piece)


@pytest.fixture
def broker():
    running = Broker()
    yield running
    running.stop()


@pytest.fixture
def connection(broker):
    opened = BrokerConnection(broker.address)
    yield opened
    opened.close()


@pytest.mark.parametrize("size", [1, 3, len(RESPONSE)])
def test_a_response_is_read_whole_or_in_pieces(broker, connection, size):
    broker.response = [RESPONSE[at : at + size] for at in range(0, len(RESPONSE), size)]
    for _ in range(2):
        assert connection.call(REQUEST, HeartbeatResponse).error_code == 0


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        struct.pack("!i", -1),
        struct.pack("!i", 2**31 - 1),
        struct.pack("!ii", 4, 0),
        RESPONSE[:5],
        b"",
    ],
    ids=["another protocol", "a negative size", "too large", "too short", "cut off", "silence"],
)
def test_an_invalid_response_closes_the_connection(broker, connection, response):
    """It raises Unavailable soon, and does not allocate the size that was announced."""
    broker.response = [response]
    with pytest.raises(Unavailable):
        connection.call(REQUEST, HeartbeatResponse, SOON_S)
    with pytest.raises(Unavailable):
        connection.send(REQUEST)


def test_a_response_that_does_not_come_in_time_is_an_error(broker, connection):
    broker.response = []
    connection.send(REQUEST)
    assert not connection.ready(timeout_s=60)
    with pytest.raises(Unavailable, match="no response"):
        connection.ready(timeout_s=0)


def test_an_idle_connection_is_used_again(broker):
    pool = ConnectionPool()
    for _ in range(3):
        pool.call(broker.address, REQUEST, HeartbeatResponse)
    assert broker.connections == 1
    pool.close()


def test_an_idle_connection_that_the_broker_closed_is_not_used(broker):
    """As after a restart: the caller does not notice."""
    pool = ConnectionPool()
    pool.call(broker.address, REQUEST, HeartbeatResponse)
    broker.hang_up()
    assert pool.call(broker.address, REQUEST, HeartbeatResponse).error_code == 0
    assert broker.connections == 2
    pool.close()


def test_a_closed_pool_opens_no_connection(broker):
    """Closing it again does nothing."""
    pool = ConnectionPool()
    pool.close()
    pool.close()
    with pytest.raises(Unavailable, match="closed"):
        pool.call(broker.address, REQUEST, HeartbeatResponse)
    assert broker.connections == 0
