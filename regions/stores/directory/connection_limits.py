"""What one client can cost the object server: a bounded body, a deadline, and a share of the threads.

gunicorn serves with 16 threads, and a thread is busy until its request ends. Without limits, 16 clients that send
slowly would stop the service for everyone. Three things prevent that:

- a connection on which no byte moves for `STALL_S` is given up (`limit_stalls`);
- a body that arrives too slowly is ended, however steadily it trickles (`deadline`);
- only so many bodies are received at once, so the other threads stay free for readers (`one_of`).
"""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from regions.errors import BadRequest, LengthRequired, Unavailable

Environ = dict[str, Any]

DRAIN_BYTES = 8 << 20
"""How much of a rejected body is read, so that a client that sends first and listens afterwards gets the response."""

STALL_S = 30.0
_SLOWEST_BYTES_PER_S = 16 * 1024
_READ_BYTES = 256 * 1024
_LENGTH = re.compile("[0-9]{1,18}")


class RequestBody:
    """A request's body. It ends where its Content-Length says, even if more bytes follow."""

    def __init__(self, environ: Environ) -> None:
        self._stream, self._length = environ["wsgi.input"], environ.get("CONTENT_LENGTH", "")
        self.left_bytes = int(self._length) if _LENGTH.fullmatch(self._length) else 0

    def content_length(self) -> int:
        """Raises LengthRequired without one: a chunked body of unknown length is rejected before it is read."""
        if not self._length:
            raise LengthRequired("a part needs a Content-Length")
        if not _LENGTH.fullmatch(self._length):
            raise BadRequest("Content-Length is not a number of bytes")
        return int(self._length)

    def read(self, size: int, /) -> bytes:
        # Zero while reading, so that nothing is left to drain if this raises or the body ends early.
        left_bytes, self.left_bytes = self.left_bytes, 0
        chunk = bytes(self._stream.read(min(size, left_bytes))) if left_bytes else b""
        self.left_bytes = left_bytes - len(chunk) if chunk else 0
        return chunk

    def drain(self) -> None:
        """Reads the rest, up to `DRAIN_BYTES`, and discards it."""
        self.left_bytes = min(self.left_bytes, DRAIN_BYTES)
        with suppress(OSError):
            while self.read(_READ_BYTES):
                pass


@contextmanager
def one_of(permits: threading.BoundedSemaphore) -> Iterator[None]:
    """Takes one permit. Raises Unavailable if none is free: waiting would occupy the very thread that it saves."""
    if not permits.acquire(blocking=False):
        raise Unavailable("too many clients are sending")
    try:
        yield
    finally:
        permits.release()


def limit_stalls(environ: Environ) -> None:
    """Gives up a client that neither sends nor takes a byte for `STALL_S`."""
    connection = environ.get("gunicorn.socket")
    if isinstance(connection, socket.socket):
        connection.settimeout(STALL_S)


@contextmanager
def deadline(environ: Environ, size_bytes: int) -> Iterator[None]:
    """Ends a body that arrives at less than `_SLOWEST_BYTES_PER_S`.

    A client that sends a byte now and then never stalls. So after the deadline a timer shuts down the receiving side
    of the connection: the read that is waiting ends, as if the client had stopped, and the response can still be
    sent.
    """
    connection = environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket) or not size_bytes:
        yield
        return
    timer = threading.Timer(STALL_S + size_bytes / _SLOWEST_BYTES_PER_S, _stop_reading, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def hang_up(environ: Environ) -> None:
    """Shuts the connection down both ways. What was sent before still arrives."""
    connection = environ.get("gunicorn.socket")
    if isinstance(connection, socket.socket):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _stop_reading(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
