"""Connections to Kafka's brokers, over pykafka's requests and responses. Part of the Kafka events adapter.

pykafka's own client, producer and consumers run on background threads that take no deadline, that end silently when
a broker goes away, and that wait forever on a broker that hangs (pykafka #739). Its protocol classes are sound, so we
use only those: a connection here is one socket, every response has a deadline, and we start no thread.
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

RESPONSE_S = 5.0
_CONNECT_S = 2.0
_MAX_RESPONSE_BYTES = 32 * 1024 * 1024
_MAX_IDLE = 8


class BrokerConnection:
    """One connection to a broker, with at most one request in flight. After any failure it is closed for good.

    Every method raises Unavailable.
    """

    def __init__(self, address: BrokerAddress) -> None:
        self.address = address
        self.in_flight = False
        self._sent_at_s = 0.0
        try:
            self._socket = socket.create_connection(address, _CONNECT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise self._unavailable(error) from error

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, request: Any) -> None:
        try:
            self._socket.settimeout(RESPONSE_S)
            self._socket.sendall(request.get_bytes())
        except OSError as error:
            self.close()
            raise self._unavailable(error) from error
        self.in_flight = True
        self._sent_at_s = time.monotonic()

    def ready(self, timeout_s: float) -> bool:
        """Whether `receive` would find a response, or the end of the connection, without waiting.

        Never waits itself. If nothing has come within `timeout_s` of sending, it closes the connection and raises.
        """
        if self.in_flight and wait_for([self], 0.0):
            return True
        if self.in_flight and time.monotonic() - self._sent_at_s > timeout_s:
            self.close()
            raise self._unavailable(TimeoutError(f"no response within {timeout_s:g} s"))
        return False

    def receive(self, decode: Decode, timeout_s: float = RESPONSE_S) -> Any:
        """`decode` is a response class of pykafka, or any function of the response's bytes."""
        deadline_s = time.monotonic() + timeout_s
        try:
            (size,) = struct.unpack("!i", self._read(4, deadline_s))
            if not 4 <= size <= _MAX_RESPONSE_BYTES:
                raise ValueError(f"a response of {size} bytes")
            # The first four bytes repeat the request's number. Only one request is in flight, so we skip them.
            response = decode(self._read(size, deadline_s)[4:])
        except (OSError, ValueError, KeyError, struct.error, KafkaException) as error:
            self.close()
            raise self._unavailable(error) from error
        self.in_flight = False
        return response

    def call(self, request: Any, decode: Decode, timeout_s: float = RESPONSE_S) -> Any:
        self.send(request)
        return self.receive(decode, timeout_s)

    def close(self) -> None:
        self.in_flight = False
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

    def _unavailable(self, error: Exception) -> Unavailable:
        host, port = self.address
        return Unavailable(f"Kafka at {host}:{port} does not answer: {error or type(error).__name__}")


class ConnectionPool:
    """Idle connections, for requests that a broker answers at once. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[BrokerAddress, list[BrokerConnection]] = defaultdict(list)
        self._closed = False

    def call(self, address: BrokerAddress, request: Any, decode: Decode, timeout_s: float = RESPONSE_S) -> Any:
        connection = self._take_idle(address) or BrokerConnection(address)
        try:
            response = connection.call(request, decode, timeout_s)
        except Unavailable:
            self._close_idle(address)
            raise
        self._give_back(connection)
        return response

    def close(self) -> None:
        self._closed = True
        for address in list(self._idle):
            self._close_idle(address)

    def _close_idle(self, address: BrokerAddress) -> None:
        """When one connection to a broker broke, the idle ones to it are broken too."""
        with self._lock:
            idle = self._idle.pop(address, [])
        for connection in idle:
            connection.close()

    def _take_idle(self, address: BrokerAddress) -> BrokerConnection | None:
        with self._lock:
            if self._closed:
                raise Unavailable("the event log is closed")
            connection = self._idle[address].pop() if self._idle[address] else None
        if connection is not None and wait_for([connection], 0.0):
            # No request is in flight, so the only thing that can have come is the end of the connection: the broker
            # was restarted, or it closes connections that have been idle for long.
            connection.close()
            self._close_idle(address)
            return None
        return connection

    def _give_back(self, connection: BrokerConnection) -> None:
        with self._lock:
            if not self._closed and len(self._idle[connection.address]) < _MAX_IDLE:
                self._idle[connection.address].append(connection)
                return
        connection.close()


def wait_for(connections: Iterable[BrokerConnection], timeout_s: float) -> list[BrokerConnection]:
    """Waits up to `timeout_s`; returns the connections on which something has come.

    Uses poll(2), because select(2) can't take file descriptors above 1023.
    """
    by_descriptor = {connection.fileno(): connection for connection in connections}
    poll = select.poll()
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    return [by_descriptor[descriptor] for descriptor, _ in poll.poll(max(0.0, timeout_s) * 1000)]
