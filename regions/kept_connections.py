"""HTTP/1.1 connections that are kept from one request to the next, on plain sockets.

For what makes so many requests that their processor time counts, as a lane does between two stores: to get and put an
object of 200 KB, on 16 threads, takes half of the processor time that it takes with http.client. Nothing is tried
again here, and no redirection is followed.
"""

import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from regions import http_heads
from regions.http_heads import AnswerHead, InvalidAnswer, parse_answer_head, parse_chunk_size, request_head

ERRORS = (OSError, InvalidAnswer)
"""What goes wrong with a connection; TimeoutError is an OSError."""

_LOOK_AFTER_S = 1.0
"""Servers do not end a connection as soon as that after an answer, and looking costs a fifth of a request."""
_RECEIVE_BYTES = 16 << 10
_MOST_LINE_BYTES = 4 << 10
_DEFAULT_PORTS = {"http": 80, "https": 443}


class KeptConnections:
    """To the host of `url`. At most `most` are kept; any number of threads may use any number.

    Connecting takes at most `connect_s`; then each send, and each silence before or within an answer, at most `idle_s`.
    With `whole_answers`, the whole answer takes no longer than that. `context` is for https.
    """

    def __init__(
        self,
        url: str,
        most: int,
        connect_s: float,
        idle_s: float,
        context: ssl.SSLContext | None = None,
        whole_answers: bool = False,
    ) -> None:
        parts = urlsplit(url)
        port = _DEFAULT_PORTS[parts.scheme]
        self._address = (parts.hostname or "", parts.port or port)
        # A signature is about the host without a port that everybody knows.
        self._host = parts.netloc.removesuffix(f":{port}")
        self._connect_s, self._idle_s, self._whole_answers = connect_s, idle_s, whole_answers
        self._context = context or (ssl.create_default_context() if parts.scheme == "https" else None)
        self._most = most
        # With the time since which each is idle. The last one was used last.
        self._idle: deque[tuple[float, _Connection]] = deque()

    def ask(
        self, method: str, target: str, headers: Mapping[str, str], body: Iterator[Any] | None = None
    ) -> "KeptAnswer":
        """The pieces of `body` are what a socket sends; `headers` say how long it is. Close the answer at the end.

        Raises one of `ERRORS`, what `body` raises, and ValueError for what can't be a request.
        """
        head = request_head(method, target, self._host, headers)
        connection = self._connected()
        try:
            is_whole = True
            try:
                connection.send(head, body or iter(()))
            except (BrokenPipeError, ConnectionResetError):
                # It may have answered, and closed the connection, before it had all of the body.
                is_whole = False
            return KeptAnswer(self, connection, connection.receive_head(method), is_whole)
        except BaseException:
            connection.close()
            raise

    def keep(self, connection: "_Connection") -> None:
        """For an answer that was read to its end."""
        if len(self._idle) < self._most:
            self._idle.append((time.monotonic(), connection))
        else:
            connection.close()

    def _connected(self) -> "_Connection":
        """The one that was used last, if it is still open."""
        with suppress(IndexError):
            while True:
                since_s, connection = self._idle.pop()
                if time.monotonic() - since_s < _LOOK_AFTER_S or not connection.has_ended():
                    return connection
                connection.close()
        connected = socket.create_connection(self._address, self._connect_s)
        try:
            # The last piece of a body must not wait until the one before it is acknowledged.
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                connected = self._context.wrap_socket(connected, server_hostname=self._address[0])
        except BaseException:
            connected.close()
            raise
        return _Connection(connected, self._idle_s, self._whole_answers)


class KeptHosts:
    """Connections to each host that is asked: `connections_to` makes those to one, of a URL without a path.

    For a few hosts, which are known. Any number of threads may use it.
    """

    def __init__(self, connections_to: Callable[[str], KeptConnections]) -> None:
        self._connections_to = connections_to
        self._hosts: dict[str, KeptConnections] = {}

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: Iterator[Any] | None = None) -> "KeptAnswer":
        """As `KeptConnections.ask`. `url` has a path."""
        path = url.index("/", url.index("//") + 2)
        host = url[:path]
        connections = self._hosts.get(host) or self._hosts.setdefault(host, self._connections_to(host))
        return connections.ask(method, url[path:], headers, body)


class KeptAnswer:
    """The answer to a request. `headers` are by name, in lower case."""

    def __init__(
        self, connections: KeptConnections, connection: "_Connection", head: AnswerHead, is_whole: bool
    ) -> None:
        """`is_whole` is whether all of the request was sent."""
        self._connections, self._head, self._is_whole = connections, head, is_whole
        self._connection: _Connection | None = connection
        # Of the body, or of its chunk. None: until the connection ends.
        self._left = 0 if head.is_chunked else head.length
        self._has_ended = self._left == 0 and not head.is_chunked
        self._is_first_chunk = True
        self.status, self.headers = head.status, head.headers

    def read(self, most: int) -> bytes:
        """The next bytes of the body; fewer than `most` only at its end. Raises one of `ERRORS`."""
        if self._connection is None:
            return b""
        buffer = memoryview(bytearray(most if self._left is None or self._head.is_chunked else min(most, self._left)))
        filled = 0
        while filled < len(buffer) and not self._has_ended:
            filled += self._receive(self._connection, buffer[filled:])
        return bytes(buffer[:filled])

    def close(self) -> None:
        """Idempotent. If the body was not read to its end, the connection is closed, too: the rest might be long.

        And after an error of the server, which may end it at any moment.
        """
        if self._connection is None:
            return
        connection, self._connection = self._connection, None
        # A server or proxy in trouble may send a body where none belongs, as to HEAD.
        in_order = self._is_whole and self.status < 500 and not connection.has_more
        if in_order and self._has_ended and self._head.keeps:
            self._connections.keep(connection)
        else:
            connection.close()

    def _receive(self, connection: "_Connection", buffer: memoryview) -> int:
        if self._left == 0:
            self._begin_chunk(connection)
            return 0
        received = connection.receive(buffer if self._left is None else buffer[: self._left])
        if self._left is None:
            self._has_ended = not received
            return received
        if not received:
            raise InvalidAnswer("it ends early")
        self._left -= received
        self._has_ended = self._left == 0 and not self._head.is_chunked
        return received

    def _begin_chunk(self, connection: "_Connection") -> None:
        """RFC 9112, section 7.1. Trailers are nobody's to send who was not asked for them."""
        if not self._is_first_chunk and connection.receive_until(b"\r\n", 0):
            raise InvalidAnswer("a chunk is longer than it says")
        self._is_first_chunk = False
        self._left = parse_chunk_size(connection.receive_until(b"\r\n", _MOST_LINE_BYTES))
        if self._left == 0:
            connection.receive_until(b"\r\n", 0)
            self._has_ended = True


class _Connection:
    """A connected socket, and what has arrived there but belongs to what is read next."""

    def __init__(self, connected: socket.socket, idle_s: float, whole_answers: bool) -> None:
        self._socket, self._idle_s, self._whole_answers = connected, idle_s, whole_answers
        self._arrived = b""
        self._until_s = float("inf")

    @property
    def has_more(self) -> bool:
        """Whether bytes are here that nobody asked for."""
        return bool(self._arrived)

    def send(self, head: bytes, body: Iterator[Any]) -> None:
        # Reading the last answer has left the socket with what was left of that one's time.
        self._socket.settimeout(self._idle_s)
        self._socket.sendall(head)
        for piece in body:
            self._socket.sendall(piece)

    def receive_head(self, method: str) -> AnswerHead:
        """Of the answer itself, after those that only say that it will come (1xx)."""
        self._socket.settimeout(self._idle_s)
        if self._whole_answers:
            self._until_s = time.monotonic() + self._idle_s
        left = http_heads.MOST_BYTES
        while True:
            head = self.receive_until(http_heads.END, left)
            answer = parse_answer_head(method, head)
            if answer.status >= 200:
                return answer
            left -= len(head) + len(http_heads.END)

    def receive_until(self, end: bytes, most: int) -> bytes:
        """What comes before `end`, at most so many bytes. Raises one of `ERRORS`."""
        while (found := self._arrived.find(end, 0, most + len(end))) < 0:
            if len(self._arrived) >= most + len(end):
                raise InvalidAnswer(f"more than {most} bytes where fewer belong")
            self._wait_no_longer()
            received = self._socket.recv(_RECEIVE_BYTES)
            if not received:
                raise InvalidAnswer("the connection has ended")
            self._arrived += received
        before, self._arrived = self._arrived[:found], self._arrived[found + len(end) :]
        return before

    def receive(self, buffer: memoryview) -> int:
        """At least one byte, unless the connection has ended. Raises one of `ERRORS`."""
        if self._arrived:
            taken = min(len(self._arrived), len(buffer))
            buffer[:taken], self._arrived = self._arrived[:taken], self._arrived[taken:]
            return taken
        self._wait_no_longer()
        return self._socket.recv_into(buffer)

    def has_ended(self) -> bool:
        """An idle connection has nothing to say but that it ends."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        self._socket.close()

    def _wait_no_longer(self) -> None:
        """Gives the next piece what is left of the answer's time."""
        if self._whole_answers:
            left_s = self._until_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("the answer was not whole in time")
            self._socket.settimeout(left_s)
