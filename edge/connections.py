"""Connections: reads requests and sends responses, with a limit on each client's time, memory and sockets.

A request's body is read whole before the application is called, so a slow sender occupies one greenlet and nothing
else.
"""

import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from email.utils import formatdate
from typing import Any

import gevent

from edge import responses
from edge.http1 import CONTINUE, MAX_BODY_BYTES, MAX_HEAD_BYTES, RequestHead, body_bytes, format_head, parse_head
from edge.responses import Request, Response
from regions.errors import HeadTooLarge, Problem, Unavailable

log = logging.getLogger(__name__)

Application = Callable[[Request], Response]

_IDLE_S = 60.0
_REQUEST_S = 15.0
_SEND_S = 30.0
_LINGER_S = 2.0
_PIECE_BYTES = 64 * 1024
_BODILESS = (204, 304)


class Connections:
    """Serves `application` on at most `max_connections` connections.

    One more takes the place of the one that has waited longest for a request. If all are at work, it gets a 503.
    """

    def __init__(self, application: Application, max_connections: int) -> None:
        self._application, self._max_connections = application, max_connections
        self._open = 0
        # Those that wait for the head of a request, in the order in which they began to.
        self._waiting: dict[socket.socket, None] = {}

    def handle(self, sock: socket.socket, address: tuple[Any, ...]) -> None:
        """One connection, from its first byte to its last. The client's `address` begins with its host."""
        self._open += 1
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(_SEND_S)
            if self._open > self._max_connections and not self._close_longest_waiting():
                return _refuse(sock, Unavailable("this edge has too many connections"))
            self._serve(sock, str(address[0]))
        except OSError:
            log.debug("a client disconnected during a request")
        finally:
            self._open -= 1
            sock.close()

    def _close_longest_waiting(self) -> bool:
        """Makes room, so that a flood of connections that send nothing displaces itself."""
        if not self._waiting:
            return False
        longest = next(iter(self._waiting))
        del self._waiting[longest]
        with suppress(OSError):
            longest.shutdown(socket.SHUT_RDWR)
        return True

    def _next_head(self, sock: socket.socket, received: "_ReceiveBuffer") -> bytes | None:
        self._waiting[sock] = None
        try:
            return _read_head(sock, received)
        finally:
            self._waiting.pop(sock, None)

    def _serve(self, sock: socket.socket, client: str) -> None:
        received = _ReceiveBuffer(sock)
        while (data := self._next_head(sock, received)) is not None:
            try:
                head = parse_head(data)
                request = Request(head, _read_body(sock, received, head), client)
            except Problem as problem:
                return _refuse(sock, problem)
            response = self._respond(request)
            if not _send(sock, head, response) or not head.keeps_alive:
                return

    def _respond(self, request: Request) -> Response:
        try:
            return self._application(request)
        except Problem as problem:
            return responses.from_problem(problem)
        except Exception:  # any error gets a response, and the connection can be used for the next request
            log.exception("a request failed", extra={"path": request.head.path})
            return responses.from_problem(Problem("an internal error, which has been logged"))


class _ReceiveBuffer:
    """The bytes received over a connection and not used yet: at most a head or a body, and one piece more."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()

    def wait(self) -> bool:
        """Waits for the first byte of a request; False if the client has closed the connection."""
        while True:
            # Empty lines before a request are skipped (RFC 9112 section 2.2).
            while self._buffer[:2] == b"\r\n":
                del self._buffer[:2]
            if self._buffer:
                return True
            if not self._receive():
                return False

    def head(self) -> bytes | None:
        while (end := self._buffer.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)) < 0:
            if len(self._buffer) >= MAX_HEAD_BYTES:
                raise HeadTooLarge(f"the request line and the headers may have at most {MAX_HEAD_BYTES} bytes")
            if not self._receive():
                return None
        return self._take(end, end + 4)

    def body(self, size_bytes: int) -> bytes:
        while len(self._buffer) < size_bytes:
            if not self._receive():
                raise ConnectionResetError("the body ended early")
        return self._take(size_bytes, size_bytes)

    def _receive(self) -> bool:
        chunk = self._sock.recv(_PIECE_BYTES)
        self._buffer += chunk
        return bool(chunk)

    def _take(self, size_bytes: int, size_with_end: int) -> bytes:
        data = bytes(self._buffer[:size_bytes])
        del self._buffer[:size_with_end]
        return data


def _read_head(sock: socket.socket, received: _ReceiveBuffer) -> bytes | None:
    """None if there is no next request."""
    with gevent.Timeout(_IDLE_S, False):
        if not received.wait():
            return None
        with gevent.Timeout(_REQUEST_S, False):
            try:
                return received.head()
            except HeadTooLarge as problem:
                _refuse(sock, problem)
    return None


def _read_body(sock: socket.socket, received: _ReceiveBuffer, head: RequestHead) -> bytes:
    size_bytes = body_bytes(head)
    if not size_bytes:
        return b""
    if head.expects_continue:
        sock.sendall(CONTINUE)
    with gevent.Timeout(_REQUEST_S, TimeoutError("the body came too slowly")):
        return received.body(size_bytes)


def _refuse(sock: socket.socket, problem: Problem) -> None:
    """Responds to a request that was not read to its end.

    If the socket were closed at once, the kernel would send a reset, and the client could lose the response (RFC 9112
    section 9.6). So the rest of the request is read and discarded first, for a limited time.
    """
    _send_problem(sock, problem)
    sock.shutdown(socket.SHUT_WR)
    with gevent.Timeout(_LINGER_S, False):
        for _ in range(MAX_BODY_BYTES):
            if not sock.recv(_PIECE_BYTES):
                return


def _send_problem(sock: socket.socket, problem: Problem) -> None:
    response = responses.from_problem(problem)
    sock.sendall(_head_bytes(response, keeps_alive=False) + b"".join(response.chunks))


def _send(sock: socket.socket, head: RequestHead, response: Response) -> bool:
    """True if the connection can be used for another request."""
    try:
        data = _head_bytes(response, head.keeps_alive)
        if head.method == "HEAD":
            sock.sendall(data)
            return True
        return _send_body(sock, data, response)
    finally:
        if hasattr(response.chunks, "close"):
            response.chunks.close()


def _send_body(sock: socket.socket, head: bytes, response: Response) -> bool:
    # The head is sent together with the first piece: one packet for most responses.
    unsent_head, left_bytes = head, response.size_bytes
    try:
        for piece in _pieces(response):
            left_bytes -= len(piece)
            sock.sendall(unsent_head + piece if unsent_head else piece)
            unsent_head = b""
    except Problem as problem:
        log.warning("a response was cut off", extra={"problem": problem.slug, "detail": problem.detail})
        if unsent_head:
            # Nothing was sent yet, so the client can still get the problem instead.
            _send_problem(sock, problem)
        return False
    if unsent_head:
        sock.sendall(unsent_head)
    return left_bytes == 0


def _pieces(response: Response) -> Iterator[bytes]:
    for chunk in response.chunks:
        if len(chunk) <= _PIECE_BYTES:
            yield chunk
        else:
            for start in range(0, len(chunk), _PIECE_BYTES):
                yield chunk[start : start + _PIECE_BYTES]


def _head_bytes(response: Response, keeps_alive: bool) -> bytes:
    headers = [*response.headers, ("Date", formatdate(time.time(), usegmt=True))]
    if response.status not in _BODILESS:
        headers.append(("Content-Length", str(response.size_bytes)))
    if not keeps_alive:
        headers.append(("Connection", "close"))
    return format_head(response.status, headers)
