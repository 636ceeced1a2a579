"""Connections to Kafka's brokers, over pykafka's requests and responses. Part of the Kafka events adapter.

pykafka's own client, producer and consumers run on threads that nobody can give a deadline, that end without a
word when a broker goes, and that wait for ever on a broker that hangs (pykafka #739). Its protocol classes are
sound, so that is what we use: a connection here is a socket, each answer has a deadline, and no thread is ours.
"""

import select
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from pykafka.exceptions import KafkaException

from regions.errors import Unavailable

BrokerAddress = tuple[str, int]
Decode = Callable[[Any], Any]

ANSWER_S = 5.0
_CONNECT_S = 2.0
_MOST_ANSWER_BYTES = 32 * 1024 * 1024
_MOST_IDLE = 8


class BrokerConnection:
    """One connection to a broker, with at most one request under way. After any failure it is closed for good.

    Every method raises Unavailable.
    """

    def __init__(self, address: BrokerAddress) -> None:
        self.address = address
        self.waits = False
        self._sent_at_s = 0.0
        try:
            self._socket = socket.create_connection(address, _CONNECT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise self._lost(error) from error

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, request: Any) -> None:
        try:
            self._socket.settimeout(ANSWER_S)
            self._socket.sendall(request.get_bytes())
        except OSError as error:
            self.close()
            raise self._lost(error) from error
        self.waits = True
        self._sent_at_s = time.monotonic()

    def ready(self, patience_s: float) -> bool:
        """Whether the answer, or the end, has come. Gives up a broker that has said nothing for `patience_s`."""
        if self.waits and wait_for([self], 0.0):
            return True
        if self.waits and time.monotonic() - self._sent_at_s > patience_s:
            self.close()
            raise self._lost(TimeoutError(f"nothing came for {patience_s:g} s"))
        return False

    def receive(self, decode: Decode, timeout_s: float = ANSWER_S) -> Any:
        """`decode` is a response class of pykafka, or whatever reads its bytes."""
        deadline_s = time.monotonic() + timeout_s
        try:
            (size,) = struct.unpack("!i", self._read(4, deadline_s))
            if not 4 <= size <= _MOST_ANSWER_BYTES:
                raise ValueError(f"an answer of {size} bytes")
            # The first four bytes repeat the number of the request, of which there is only one.
            answer = decode(self._read(size, deadline_s)[4:])
        except (OSError, ValueError, KeyError, struct.error, KafkaException) as error:
            self.close()
            raise self._lost(error) from error
        self.waits = False
        return answer

    def ask(self, request: Any, decode: Decode, timeout_s: float = ANSWER_S) -> Any:
        self.send(request)
        return self.receive(decode, timeout_s)

    def close(self) -> None:
        self.waits = False
        self._socket.close()

    def _read(self, size: int, deadline_s: float) -> bytes:
        read = bytearray()
        while len(read) < size:
            self._socket.settimeout(max(0.001, deadline_s - time.monotonic()))
            chunk = self._socket.recv(size - len(read))
            if not chunk:
                raise ConnectionError("the broker closed the connection")
            read += chunk
        return bytes(read)

    def _lost(self, error: Exception) -> Unavailable:
        host, port = self.address
        return Unavailable(f"Kafka at {host}:{port} does not answer: {error or type(error).__name__}")


class ConnectionPool:
    """Idle connections, for questions that are answered at once. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[BrokerAddress, list[BrokerConnection]] = defaultdict(list)
        self._closed = False

    def ask(self, address: BrokerAddress, request: Any, decode: Decode, timeout_s: float = ANSWER_S) -> Any:
        return self._ask(self._take(address) or BrokerConnection(address), request, decode, timeout_s)

    def drop(self, address: BrokerAddress) -> None:
        """Ends what is idle: when one connection broke, the others did too."""
        with self._lock:
            dropped = self._idle.pop(address, [])
        for wire in dropped:
            wire.close()

    def close(self) -> None:
        self._closed = True
        for address in list(self._idle):
            self.drop(address)

    def _ask(self, wire: BrokerConnection, request: Any, decode: Decode, timeout_s: float) -> Any:
        try:
            answer = wire.ask(request, decode, timeout_s)
        except Unavailable:
            self.drop(address=wire.address)
            raise
        self._give_back(wire)
        return answer

    def _take(self, address: BrokerAddress) -> BrokerConnection | None:
        with self._lock:
            if self._closed:
                raise Unavailable("the event log is closed")
            wire = self._idle[address].pop() if self._idle[address] else None
        if wire is not None and wait_for([wire], 0.0):
            # Nothing was asked, so what came is the end: the broker was started again, or tired of waiting.
            wire.close()
            self.drop(address)
            return None
        return wire

    def _give_back(self, wire: BrokerConnection) -> None:
        with self._lock:
            if not self._closed and len(self._idle[wire.address]) < _MOST_IDLE:
                self._idle[wire.address].append(wire)
                return
        wire.close()


def wait_for(wires: Iterable[BrokerConnection], timeout_s: float) -> list[BrokerConnection]:
    """Those on which something has come, after at most `timeout_s`. Not select(2), which knows no file above 1023."""
    by_number = {wire.fileno(): wire for wire in wires}
    poll = select.poll()
    for number in by_number:
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _ in poll.poll(max(0.0, timeout_s) * 1000)]
