"""Reads requests whole, on Waitress's event loop, and gives up those that arrive too slowly.

A head that is not wanted with its body (`TakesBody`), say because its URL's signature is wrong, costs no disk: the body
is read, so that the client reads the response, and thrown away.
"""

import io
import json
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask
from waitress.utilities import Error

from darkroom.processes.arrival_pace import ArrivalPace, PaceLimits
from regions.errors import PROBLEM_JSON

TakesBody = Callable[[str, str, str], bool]
"""(method, path, query) → whether a body sent with this head may be kept. It must not wait: the event loop asks."""


def any_body(method: str, path: str, query: str) -> bool:
    return True


class RequestChannel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """One connection. `request` is the one that is arriving."""

    request: "_HeadParser | None"
    connected: bool

    def __init__(self, takes_body: TakesBody, limits: PaceLimits, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.parser_class = partial(_HeadParser, takes_body)
        self.error_task_class = _ProblemTask
        self.has_served = False
        self._limits = limits
        self._pace: ArrivalPace | None = None
        self._paced: _HeadParser | None = None
        self._activity, self._activity_seen_s = 0.0, 0.0

    def is_busy(self) -> bool:
        """True while a whole request waits, is handled, or has a response that is not sent yet."""
        return bool(self.requests or self.total_outbufs_len)

    def service(self) -> None:
        super().service()
        self.has_served = True

    def give_up_if_late(self, now_s: float) -> None:
        """Answers 408 to a request that arrives too slowly. Closes a connection on which nothing moves."""
        request = self.request
        if self.requests:
            self._pace = self._paced = None
        elif request is None or self.total_outbufs_len:
            self._pace = self._paced = None
            if self.last_activity != self._activity:
                self._activity, self._activity_seen_s = self.last_activity, now_s
            elif now_s - self._activity_seen_s > self._limits.idle_s:
                self.will_close = True
        else:
            if self._pace is None or self._paced is not request:
                self._pace, self._paced = ArrivalPace(now_s), request
            received_bytes = request.header_bytes_received + request.body_bytes_received
            if self._pace.is_too_slow(now_s, received_bytes, self._limits):
                self._end_with(_RequestTimeout("the request did not arrive in time"))

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


class _HeadParser(HTTPRequestParser):  # type: ignore[misc]
    """Throws a body away that is not wanted."""

    def __init__(self, takes_body: TakesBody, settings: Adjustments) -> None:
        super().__init__(settings)
        self._takes_body = takes_body

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.body_rcv is not None and not self._takes_body(self.command, self.path, self.query):
            self.body_rcv.buf = _Discarded()


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
