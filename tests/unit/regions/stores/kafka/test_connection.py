"""A connection to a broker that answers whole, in pieces, with nonsense, or not at all."""

import socket
import struct
import threading
from contextlib import suppress

import pytest
from pykafka.protocol import HeartbeatRequest, HeartbeatResponse

from regions.errors import Unavailable
from regions.stores.kafka.connection import BrokerConnection, ConnectionPool

ASK = HeartbeatRequest(b"group", 1, b"member")
SOON_S = 0.05
# The number of the request, and no error.
ANSWER = struct.pack("!iih", 6, 0, 0)


class Broker:
    """Takes connections, reads one request after another, and says to each what it was made to say."""

    def __init__(self) -> None:
        self.says: list[bytes] = [ANSWER]
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
            while connection.recv(len(ASK.get_bytes()), socket.MSG_WAITALL):
                for piece in self.says:
                    connection.sendall(piece)


@pytest.fixture
def broker():
    running = Broker()
    yield running
    running.stop()


@pytest.fixture
def wire(broker):
    opened = BrokerConnection(broker.address)
    yield opened
    opened.close()


@pytest.mark.parametrize("size", [1, 3, len(ANSWER)])
def test_an_answer_is_read_however_it_is_cut(broker, wire, size):
    """Whole, or in pieces."""
    broker.says = [ANSWER[at : at + size] for at in range(0, len(ANSWER), size)]
    for _ in range(2):
        assert wire.ask(ASK, HeartbeatResponse).error_code == 0


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        struct.pack("!i", -1),
        struct.pack("!i", 2**31 - 1),
        struct.pack("!ii", 4, 0),
        ANSWER[:5],
        b"",
    ],
    ids=["another protocol", "less than nothing", "too much", "too short", "cut off", "silence"],
)
def test_what_is_no_answer_ends_the_connection(broker, wire, said):
    """With Unavailable, soon, and without taking what was announced."""
    broker.says = [said]
    with pytest.raises(Unavailable):
        wire.ask(ASK, HeartbeatResponse, SOON_S)
    with pytest.raises(Unavailable):
        wire.send(ASK)


def test_patience_with_a_broker_that_says_nothing_ends(broker, wire):
    """It was asked, and nothing came."""
    broker.says = []
    wire.send(ASK)
    assert not wire.ready(patience_s=60)
    with pytest.raises(Unavailable, match="nothing came"):
        wire.ready(patience_s=0)


def test_an_idle_connection_is_used_again(broker):
    """By whoever asks next."""
    wires = ConnectionPool()
    for _ in range(3):
        wires.ask(broker.address, ASK, HeartbeatResponse)
    assert broker.connections == 1
    wires.close()


def test_an_idle_connection_that_the_broker_ended_is_not_used(broker):
    """As after it was started again: nobody sees it."""
    wires = ConnectionPool()
    wires.ask(broker.address, ASK, HeartbeatResponse)
    broker.hang_up()
    assert wires.ask(broker.address, ASK, HeartbeatResponse).error_code == 0
    assert broker.connections == 2
    wires.close()


def test_closed_wires_ask_nobody(broker):
    """And may be closed again."""
    wires = ConnectionPool()
    wires.close()
    wires.close()
    with pytest.raises(Unavailable, match="closed"):
        wires.ask(broker.address, ASK, HeartbeatResponse)
    assert broker.connections == 0
