"""Connections: reads requests, sends answers, and gives nobody more time, memory or sockets than their share.

A request's body is taken whole before the application sees it, so a slow sender holds a greenlet and nothing else.
"""

import logging
import socket
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate

import gevent

from edge import responses
from edge.responses import Request, Response
from edge.wire import CONTINUE, MAX_BODY_BYTES, MAX_HEAD_BYTES, Head, answer_head, body_bytes, parse_head
from regions.errors import HeadTooLarge, Problem, Unavailable

log = logging.getLogger(__name__)

Application = Callable[[Request], Response]

_IDLE_S = 60.0
_REQUEST_S = 15.0
_SEND_S = 30.0
_LINGER_S = 2.0
_PIECE_BYTES = 64 * 1024
_BODILESS = (204, 304)
_SHED = "this edge has as many connections as it can serve"


class Connections:
    """Serves `application` on at most `most` connections; whoever comes beyond is told to come again."""

    def __init__(self, application: Application, most: int) -> None:
        self._application, self._most = application, most
        self._open = 0

    def handle(self, sock: socket.socket, address: object) -> None:
        """One connection, from its first byte to its last."""
        self._open += 1
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(_SEND_S)
            if self._open > self._most:
                return self._refuse(sock, Unavailable(_SHED))
            self._converse(sock)
        except OSError:
            log.debug("a client left in the middle")
        finally:
            self._open -= 1
            sock.close()

    def _converse(self, sock: socket.socket) -> None:
        incoming = _Incoming(sock)
        while (data := self._read_head(sock, incoming)) is not None:
            try:
                head = parse_head(data)
                request = Request(head, _read_body(sock, incoming, head))
            except Problem as problem:
                return self._refuse(sock, problem)
            answer = self._answer(request)
            if not _send(sock, head, answer) or not head.keeps_alive:
                return

    def _read_head(self, sock: socket.socket, incoming: "_Incoming") -> bytes | None:
        """None where there is no next request."""
        with gevent.Timeout(_IDLE_S, False):
            if not incoming.wait():
                return None
            with gevent.Timeout(_REQUEST_S, False):
                try:
                    return incoming.head()
                except HeadTooLarge as problem:
                    self._refuse(sock, problem)
        return None

    def _answer(self, request: Request) -> Response:
        try:
            return self._application(request)
        except Problem as problem:
            return responses.of_problem(problem)
        except Exception:  # whatever a request does to us, its connection gets an answer, and the next one too
            log.exception("a request failed", extra={"path": request.head.path})
            return responses.of_problem(Problem("an error of ours; it has been logged"))

    def _refuse(self, sock: socket.socket, problem: Problem) -> None:
        """Answers what we did not read to its end. Closing at once would reset the answer away (RFC 9112 9.6)."""
        answer = responses.of_problem(problem)
        sock.sendall(_head_of(answer, keeps_alive=False) + b"".join(answer.chunks))
        sock.shutdown(socket.SHUT_WR)
        with gevent.Timeout(_LINGER_S, False):
            for _ in range(MAX_BODY_BYTES):
                if not sock.recv(_PIECE_BYTES):
                    return


class _Incoming:
    """What has come over a connection and not been used yet: never more than a head, or a body, and a piece."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()

    def wait(self) -> bool:
        """Waits for a first byte of a request; False where the other side has left."""
        while True:
            while self._buffer[:2] == b"\r\n":
                del self._buffer[:2]
            if self._buffer:
                return True
            if not self._more():
                return False

    def head(self) -> bytes | None:
        while (end := self._buffer.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)) < 0:
            if len(self._buffer) >= MAX_HEAD_BYTES:
                raise HeadTooLarge(f"the header may have {MAX_HEAD_BYTES} bytes")
            if not self._more():
                return None
        return self._take(end, end + 4)

    def body(self, size_bytes: int) -> bytes:
        while len(self._buffer) < size_bytes:
            if not self._more():
                raise ConnectionResetError("the body ended early")
        return self._take(size_bytes, size_bytes)

    def _more(self) -> bool:
        chunk = self._sock.recv(_PIECE_BYTES)
        self._buffer += chunk
        return bool(chunk)

    def _take(self, size_bytes: int, with_end: int) -> bytes:
        data = bytes(self._buffer[:size_bytes])
        del self._buffer[:with_end]
        return data


def _read_body(sock: socket.socket, incoming: _Incoming, head: Head) -> bytes:
    size_bytes = body_bytes(head)
    if not size_bytes:
        return b""
    if head.expects_continue:
        sock.sendall(CONTINUE)
    with gevent.Timeout(_REQUEST_S, TimeoutError("the body came too slowly")):
        return incoming.body(size_bytes)


def _send(sock: socket.socket, head: Head, answer: Response) -> bool:
    """True where the connection is good for another request."""
    try:
        data = _head_of(answer, head.keeps_alive)
        if head.method == "HEAD":
            sock.sendall(data)
            return True
        return _send_body(sock, data, answer)
    finally:
        if hasattr(answer.chunks, "close"):
            answer.chunks.close()


def _send_body(sock: socket.socket, head: bytes, answer: Response) -> bool:
    # The head goes out with the first piece: one packet for most answers.
    waiting, left_bytes = head, answer.size_bytes
    try:
        for piece in _pieces(answer):
            left_bytes -= len(piece)
            sock.sendall(waiting + piece if waiting else piece)
            waiting = b""
    except Problem as problem:
        log.warning("an answer was cut", extra={"problem": problem.slug, "detail": problem.detail})
        if waiting:
            # Nothing was sent yet, so there is still time to say why.
            other = responses.of_problem(problem)
            sock.sendall(_head_of(other, keeps_alive=False) + b"".join(other.chunks))
        return False
    if waiting:
        sock.sendall(waiting)
    return left_bytes == 0


def _pieces(answer: Response) -> Iterator[bytes]:
    for chunk in answer.chunks:
        if len(chunk) <= _PIECE_BYTES:
            yield chunk
        else:
            for start in range(0, len(chunk), _PIECE_BYTES):
                yield chunk[start : start + _PIECE_BYTES]


def _head_of(answer: Response, keeps_alive: bool) -> bytes:
    fields = [*answer.fields, ("Date", formatdate(time.time(), usegmt=True))]
    if answer.status not in _BODILESS:
        fields.append(("Content-Length", str(answer.size_bytes)))
    if not keeps_alive:
        fields.append(("Connection", "close"))
    return answer_head(answer.status, fields)
