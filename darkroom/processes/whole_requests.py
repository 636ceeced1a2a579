"""Reads requests whole, on Waitress's event loop, and gives up clients that send or read too slowly.

A head that is not wanted with its body (`TakesBody`), say because its URL's signature is wrong, costs no disk: the body
is read, so that the client reads the response, and thrown away.
"""

import fcntl
import io
import json
import socket
import struct
import sys
import termios
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import ErrorTask
from waitress.utilities import Error

from darkroom.processes.pace import Pace, PaceLimits
from regions.errors import PROBLEM_JSON

TakesBody = Callable[[str, str, str, int], bool]
"""(method, path, query, Content-Length) → whether a body sent with this head may be kept. It must not wait: the event
loop asks."""


def any_body(method: str, path: str, query: str, size_bytes: int) -> bool:
    return True


class RequestChannel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """One connection. `request` is the one that is arriving."""

    request: "_HeadParser | None"
    connected: bool
    sent_continue: bool

    def __init__(self, takes_body: TakesBody, limits: PaceLimits, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.parser_class = partial(_HeadParser, takes_body)
        self.error_task_class = _ProblemTask
        self.has_served = False
        self._limits = limits
        self._arrival: Pace | None = None
        self._paced: _HeadParser | None = None
        self._reading: Pace | None = None
        self._sent_bytes = 0
        self._activity, self._activity_seen_s = 0.0, 0.0

    def is_busy(self) -> bool:
        """True while a whole request waits, is handled, or has a response that is not sent yet."""
        return bool(self.requests or self.total_outbufs_len)

    def received(self, data: bytes) -> bool:
        """Takes one request at a time. What a client sends behind it, before it has the response, is thrown away, and
        the response ends the connection, as RFC 9112 (section 9.3.2) allows: it would occupy the loop and the threads
        with thousands of requests at once. No client of ours pipelines.
        """
        if not data:
            return False
        with self.requests_lock:
            if self.will_close or self.close_when_flushed or self.requests:
                return False
            if self.request is None:
                self.request = self.parser_class(self.adj)
            request, taken_bytes = self.request, 0
            while taken_bytes < len(data) and not request.completed:
                taken_bytes += request.received(data[taken_bytes:])
                if request.expect_continue and request.headers_finished and not self.sent_continue:
                    self.send_continue()
            if request.completed:
                self.request, self.sent_continue = None, False
                if not request.empty:
                    if taken_bytes < len(data):
                        request.headers["CONNECTION"] = "close"
                    self.requests.append(request)
                    self.server.add_task(self)
        return True

    def service(self) -> None:
        super().service()
        self.has_served = True

    def send(self, data: bytes, do_close: bool = True) -> int:
        sent_bytes = int(super().send(data, do_close=do_close))
        self._sent_bytes += sent_bytes
        return sent_bytes

    def give_up_if_late(self, now_s: float) -> None:
        """Answers 408 to a request that arrives too slowly, and ends a response that is taken too slowly.

        Closes a connection on which nothing moves.
        """
        self._give_up_reader_if_slow(now_s)
        request = self.request
        if self.requests or self.total_outbufs_len:
            self._arrival = self._paced = None
        elif request is None:
            self._arrival = self._paced = None
            if self.last_activity != self._activity:
                self._activity, self._activity_seen_s = self.last_activity, now_s
            elif now_s - self._activity_seen_s > self._limits.idle_s:
                self.will_close = True
        else:
            if self._arrival is None or self._paced is not request:
                self._arrival, self._paced = Pace(now_s), request
            received_bytes = request.header_bytes_received + request.body_bytes_received
            if self._arrival.is_too_slow(now_s, received_bytes, self._limits):
                self._end_with(_RequestTimeout("the request did not arrive in time"))

    def _give_up_reader_if_slow(self, now_s: float) -> None:
        """Also one for whom a thread waits: the thread is free then."""
        if not self.total_outbufs_len:
            self._reading = None
            return
        taken_bytes = self._sent_bytes - _unacknowledged_bytes(self.socket)
        if self._reading is None:
            self._reading = Pace(now_s, taken_bytes)
        elif self._reading.is_too_slow(now_s, taken_bytes, self._limits):
            # Not `will_close`: that waits until the client reads. Nor does the kernel keep what it has not sent.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.handle_close()

    def _end_with(self, error: Error) -> None:
        with self.requests_lock:
            request, self.request = self.request, None
            if request is None or self.requests or self.will_close or self.close_when_flushed:
                return
            request.error, request.completed = error, True
            self.requests.append(request)
            self.server.add_task(self)

    def handle_read(self) -> None:
        super().handle_read()
        if not self.connected and not self.is_busy():
            # The client has closed its side in the middle of a request: nobody waits for the rest.
            self.handle_close()

    def handle_close(self) -> None:
        if self.request is not None:
            self.request.close()
        super().handle_close()


def _unacknowledged_bytes(connection: socket.socket) -> int:
    """What this machine has taken of what was sent, and the client's has not. It may be megabytes, so that a client
    that reads slowly seems to stop for minutes where nobody can tell: there it is 0."""
    try:
        return int.from_bytes(fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return 0


class _HeadParser(HTTPRequestParser):  # type: ignore[misc]
    """Throws a body away that is not wanted, and takes no chunks."""

    chunked: bool
    content_length: int
    body_rcv: Any
    error: Error | None

    def __init__(self, takes_body: TakesBody, settings: Adjustments) -> None:
        super().__init__(settings)
        self._takes_body = takes_body

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError as error:
            raise ParsingError("the request line can't be read") from error
        host = self.headers.get("HOST", "")
        # RFC 9112, section 3.2. Waitress joins headers of one name with commas. 0.9 has no headers and no status.
        if self.version not in ("1.0", "1.1") or "," in host or (self.version == "1.1" and not host):
            raise ParsingError("a request is of HTTP/1.0 or 1.1, which has one Host")
        if self.chunked:
            # Nobody needs them here, and Waitress reads chunk lines and trailers without a limit, on its event loop.
            self.chunked, self.body_rcv = False, None
            self.error = _LengthRequired("a body needs a Content-Length; chunks are not accepted")
        elif self.body_rcv is not None and not self._wants_body():
            self.body_rcv.buf = _Discarded()

    def _wants_body(self) -> bool:
        return self._takes_body(self.command, self.path, self.query, self.content_length)


class _Discarded:
    """Stands in for the buffer of a body. Its length is that of what was thrown away."""

    def __init__(self) -> None:
        self._size_bytes = 0

    def __len__(self) -> int:
        return self._size_bytes

    def append(self, data: bytes) -> None:
        self._size_bytes += len(data)

    def getfile(self) -> io.BytesIO:
        return io.BytesIO()

    def close(self) -> None:
        """Nothing is open."""


class _LengthRequired(Error):  # type: ignore[misc]
    code = 411
    reason = HTTPStatus.LENGTH_REQUIRED.phrase


class _RequestTimeout(Error):  # type: ignore[misc]
    code = 408
    reason = HTTPStatus.REQUEST_TIMEOUT.phrase


class _ProblemTask(ErrorTask):  # type: ignore[misc]
    """Answers what can't be parsed, is too large or too late with a problem document, and closes the connection."""

    def execute(self) -> None:
        error = self.request.error
        document = {"type": "about:blank", "title": error.reason, "status": error.code, "detail": str(error.body)}
        body = json.dumps(document).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers += [("Content-Type", PROBLEM_JSON), ("Cache-Control", "no-store")]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)
